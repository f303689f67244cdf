package main

import (
	"context"
	"encoding/hex"
	"sync"

	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
)

// everybody calls do for each person of whom anything is on file, several at once. The first error ends it.
func everybody(ctx context.Context, store *redisstore.Store, do func(context.Context, consent.PersonKey) error) error {
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
	done := map[[16]byte]bool{} // a scan may give a person twice
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

// atOnce is how many persons are looked at at once: reading waits for no disk.
const atOnce = 16

// personOf is a person key in half of its bytes: everybody must fit into memory.
func personOf(key consent.PersonKey) (half [16]byte) {
	hex.Decode(half[:], []byte(key[:32])) // a key has hexadecimal digits only, which its event was checked for
	return half
}
