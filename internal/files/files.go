// Package files writes files that are whole or not there, for their owner only. It decides nothing about what they hold.
package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Create makes a new file and returns when its content is on disk. The error is fs.ErrExist where there is a file with that name; a file that
// could not be written whole is removed.
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
	defer os.Remove(f.Name()) // it is still there only if it was not renamed
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// WithoutName drops the operation and the file's name from an error of package os, for a message that names the file in its own way.
func WithoutName(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
