package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/config"
	"zorgsluis/internal/files"
)

// catalogueFile is where the catalogue is kept beside the archive: a Redis that was emptied and replayed gets it back from there, and what had
// ended stays so. It holds nothing about anybody.
const catalogueFile = "catalogue.json"

// storedCatalogue gives the catalogue that is active; nil where none ever was.
func storedCatalogue(ctx context.Context, s *config.Settings, store *redisstore.Store) ([]byte, error) {
	text, err := store.Catalogue(ctx)
	if err != nil || text != nil {
		return text, err
	}
	text, err = os.ReadFile(filepath.Join(s.ArchiveFolder, catalogueFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return text, store.SetCatalogue(ctx, text)
}

// storeCatalogue makes a catalogue the active one.
func storeCatalogue(ctx context.Context, s *config.Settings, store *redisstore.Store, text []byte) error {
	if err := store.SetCatalogue(ctx, text); err != nil {
		return err
	}
	return keepCatalogue(s, text)
}

// keepCatalogue keeps the active catalogue beside the archive, whole or not at all.
func keepCatalogue(s *config.Settings, text []byte) error {
	name := filepath.Join(s.ArchiveFolder, catalogueFile)
	if kept, err := os.ReadFile(name); err == nil && bytes.Equal(kept, text) {
		return nil
	}
	if err := os.MkdirAll(s.ArchiveFolder, 0o700); err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	if err := files.Replace(name, text); err != nil {
		return fmt.Errorf("catalogue: %w", err)
	}
	return nil
}
