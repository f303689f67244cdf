package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// lockName is the file that is locked while a process has the archive open.
const lockName = "lock"

// osDisk is a folder of the operating system. Its files are readable by the gateway's user only.
type osDisk struct{ folder string }

// osFile is an open file in it.
type osFile struct{ *os.File }

// InPlace implements placed.
func (f osFile) InPlace() (size int64, err error) {
	there, err := os.Stat(f.Name())
	if err != nil {
		return 0, err
	}
	open, err := f.Stat()
	if err == nil && !os.SameFile(there, open) {
		err = fmt.Errorf("%s is another file", f.Name())
	}
	return there.Size(), err
}

// Lock creates the folder, durably, and locks it until the process ends or closes the lock.
func (d osDisk) Lock() (lock, error) {
	if err := os.MkdirAll(d.folder, 0o700); err != nil {
		return nil, err
	}
	if err := syncFolder(filepath.Dir(filepath.Clean(d.folder))); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(d.folder, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", d.folder, err), f.Close())
	}
	return osFile{f}, nil
}

// Names lists the files of the folder.
func (d osDisk) Names() ([]string, error) {
	entries, err := os.ReadDir(d.folder)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// Open opens a file for reading.
func (d osDisk) Open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(d.folder, name))
}

// Append opens a file for writing at its end, and makes its folder entry durable.
func (d osDisk) Append(name string) (file, error) {
	f, err := os.OpenFile(filepath.Join(d.folder, name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncFolder(d.folder); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

// Remove removes files, durably.
func (d osDisk) Remove(names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(d.folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(d.folder)
}

// syncFolder makes the entries of a folder durable.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
