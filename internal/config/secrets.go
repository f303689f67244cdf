package config

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zorgsluis/internal/files"
)

// keyLength is the length in bytes of every secret that the gateway makes: AES-256 keys and HMAC-SHA-256 secrets.
const keyLength = 32

// maxSecretFile limits a secret file, in bytes: a larger one is the wrong file.
const maxSecretFile = 64 << 10

// Errors of a secret file. The texts say what to do, and none contains any of the content.
var (
	errSecretMissing  = errors.New("the file does not exist")
	errSecretEmpty    = errors.New("the file is empty")
	errSecretReadable = errors.New("group or others may read or change the file: chmod 600 it")
	errSecretForm     = errors.New("the file must hold base64 of random bytes: make it with gateway keys generate")
	errSecretShort    = fmt.Errorf("the secret is too short: it must be %d bytes", keyLength)
	errSecretLong     = fmt.Errorf("the secret is too long: it must be %d bytes", keyLength)
)

// readSecret reads a file that only its owner may read. It drops white space at the end, as editors and echo add it.
func readSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errSecretMissing
	}
	if err != nil {
		return nil, files.WithoutName(err)
	}
	defer f.Close()
	// Check the permissions of the open file, not of the name: no time passes between check and use.
	info, err := f.Stat()
	if err != nil {
		return nil, files.WithoutName(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, errSecretReadable
	}
	content, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, files.WithoutName(err)
	}
	if len(content) > maxSecretFile {
		return nil, errors.New("the file is too large to be a secret")
	}
	if content = bytes.TrimRight(content, " \t\r\n"); len(content) == 0 {
		return nil, errSecretEmpty
	}
	return content, nil
}

// readKey reads a secret of exactly keyLength bytes, stored as base64 so that it survives editors and configuration tools.
func readKey(name string) ([]byte, error) {
	text, err := readSecret(name)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return nil, errSecretForm
	}
	if len(key) < keyLength {
		return nil, errSecretShort
	}
	if len(key) > keyLength {
		return nil, errSecretLong
	}
	return key, nil
}

// secretFiles are the secrets that a gateway needs, by their names in configs/gateway.yaml.
var secretFiles = []string{"person-secret", "sealing-key", "cursor-key", "checkpoint-key"}

// GenerateSecrets makes the missing secret files, and returns the names of those it made.
func GenerateSecrets(folder string) ([]string, error) {
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

// writeKey makes a file with a new key.
func writeKey(name string) error {
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return files.Create(name, []byte(base64.StdEncoding.EncodeToString(key)+"\n"))
}
