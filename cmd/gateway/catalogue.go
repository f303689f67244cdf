package main

import (
	"context"
	"errors"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/catalogue"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/storage"
)

// activateCatalogue activates the catalogue for serve: it refuses one that widens consents, and tells the patients while it serves.
func (g *running) activateCatalogue(ctx, background context.Context, store *redisstore.Store) error {
	pending, err := catalogue.Prepare(ctx, g.settings.Settings, store)
	for errors.Is(err, audit.ErrUnavailable) && !storage.IsFinal(err) && pause(ctx, storeRetry) {
		pending, err = catalogue.Prepare(ctx, g.settings.Settings, store)
	}
	if errors.Is(err, catalogue.ErrWidens) {
		return cli.Usage(err)
	}
	if err != nil || pending == nil {
		return err
	}
	g.work.Go(func() {
		for {
			told, err := catalogue.Tell(background, g.settings.Settings, store, pending)
			if err == nil {
				g.log.Info("catalogue activated: a notice is on record", "patients", told)
				return
			}
			g.log.Error("catalogue", "error", err.Error())
			if !pause(background, reviewsEvery) {
				return
			}
		}
	})
	return nil
}

// pause waits for d, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
