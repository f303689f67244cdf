package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// secretFiles are the secrets that a gateway needs, by the names that configs/gateway.yaml uses.
var secretFiles = []string{"person-secret", "sealing-key", "cursor-key", "checkpoint-key"}

type keysCommand struct {
	Generate generateCommand `cmd:"" help:"Make the secret files that a configuration names, each with 32 random bytes in base64, mode 0600."`
}

type generateCommand struct {
	Folder string `required:"" placeholder:"FOLDER" help:"Where to make them; made itself when it is missing."`
}

// Run makes the files. One that exists is left alone: losing a person secret would lose every person.
func (g *generateCommand) Run(env *environment) error {
	made, err := generateKeys(g.Folder)
	for _, name := range made {
		fmt.Fprintln(env.stdout, "made", name)
	}
	return err
}

// generateKeys makes the secret files that are not there yet, and returns the names of those it made.
func generateKeys(folder string) ([]string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	var made []string
	var problems []error
	for _, name := range secretFiles {
		full := filepath.Join(folder, name)
		err := writeKey(full)
		switch {
		case errors.Is(err, fs.ErrExist):
			problems = append(problems, fmt.Errorf("keys: %s exists and is left as it is", full))
		case err != nil:
			problems = append(problems, fmt.Errorf("keys: %w", err))
		default:
			made = append(made, full)
		}
	}
	return made, errors.Join(problems...)
}

// writeKey makes one file with a key.
func writeKey(name string) error {
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return writeNew(name, []byte(base64.StdEncoding.EncodeToString(key)+"\n"))
}

// writeNew makes one file, which must not exist, for its owner only, and has it on disk before it returns. What could not be written whole
// does not stay.
func writeNew(name string, content []byte) error {
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
