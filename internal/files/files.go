// Package files writes files that are either complete or absent, for their owner only. It decides nothing about their content.
package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create makes a new file and returns once its content is on disk. The error is fs.ErrExist if the name is taken; a file that could not be
// written whole is removed.
func Create(name string, content []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Replace replaces the content of a file. A crash leaves either the old content or the new, whole.
func Replace(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it still exists only if it was not renamed
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// WithoutName drops the operation and the file name from an error of package os, for messages that name the file in their own way.
func WithoutName(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
