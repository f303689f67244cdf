package catalogue

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

// fileName is the copy of the active catalogue beside the archive. A Redis that was emptied and replayed gets it back from there, so that
// permits that had ended stay ended. It contains nothing about persons.
const fileName = "catalogue.json"

// stored returns the active catalogue; nil if there never was one.
func stored(ctx context.Context, s *config.Settings, store *redisstore.Store) ([]byte, error) {
	text, err := store.Catalogue(ctx)
	if err != nil || text != nil {
		return text, err
	}
	text, err = os.ReadFile(filepath.Join(s.ArchiveFolder, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return text, store.SetCatalogue(ctx, text)
}

// save makes a catalogue the active one.
func save(ctx context.Context, s *config.Settings, store *redisstore.Store, text []byte) error {
	if err := store.SetCatalogue(ctx, text); err != nil {
		return err
	}
	return keep(s, text)
}

// keep writes the active catalogue beside the archive, atomically.
func keep(s *config.Settings, text []byte) error {
	name := filepath.Join(s.ArchiveFolder, fileName)
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
