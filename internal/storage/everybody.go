package storage

import (
	"context"
	"encoding/hex"
	"sync"

	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
)

// Everybody calls do once for each person in the store, for several persons at the same time. It stops at the first error and returns it.
func Everybody(ctx context.Context, store *redisstore.Store, do func(context.Context, consent.PersonKey) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	keys := make(chan consent.PersonKey)
	var work sync.WaitGroup
	for range atOnce {
		work.Go(func() {
			for key := range keys {
				if err := do(ctx, key); err != nil {
					stop(err)
				}
			}
		})
	}
	done := map[[16]byte]bool{} // a scan may return a person twice
	err := store.Persons(ctx, func(key consent.PersonKey) error {
		half := personOf(key)
		if done[half] {
			return nil
		}
		done[half] = true
		select {
		case keys <- key:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(keys)
	work.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// atOnce is how many persons are processed at once: reading waits for no disk.
const atOnce = 16

// personOf is the first half of a person key, which saves memory: all keys are held at once.
func personOf(key consent.PersonKey) (half [16]byte) {
	hex.Decode(half[:], []byte(key[:32])) // keys are hexadecimal
	return half
}
