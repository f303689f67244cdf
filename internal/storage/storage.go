// Package storage opens what a configuration says is kept: Redis, the store in it, and the archive. It decides nothing about their content.
package storage

import (
	"context"
	"errors"
	"fmt"

	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/config"
)

// Backend is an open store and the Redis that it is in.
type Backend struct {
	*Redis
	Store *redisstore.Store
}

// Open opens the configured store, for a command. Its errors say what an operator can do (Advise).
func Open(ctx context.Context, s *config.Settings) (*Backend, error) {
	r, err := Connect(ctx, s)
	if err != nil {
		return nil, err
	}
	o, err := r.StoreOptions(s, nil)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	store, err := redisstore.Open(ctx, o)
	if err != nil {
		return nil, errors.Join(Advise(err), r.Close())
	}
	return &Backend{r, store}, nil
}

// Close closes the store and its Redis.
func (b *Backend) Close() error {
	b.Store.Close()
	return b.Redis.Close()
}

// Advise adds to an error of the store what an operator can do about it.
func Advise(err error) error {
	switch {
	case errors.Is(err, redisstore.ErrNotInitialised):
		return fmt.Errorf("%w: if this is the first start, run gateway store init", err)
	case errors.Is(err, redisstore.ErrDataLost):
		return fmt.Errorf("%w: restore the newest backup and run gateway events replay; if what is there is all there is, run gateway store accept", err)
	case errors.Is(err, redisstore.ErrStoreMismatch):
		return fmt.Errorf("%w: compare store.shards, the secrets and the address with those that the store was made with", err)
	}
	return err
}

// IsFinal reports whether an error of the store stays until an operator acts, so that waiting does not help.
func IsFinal(err error) bool {
	for _, final := range []error{
		redisstore.ErrNotInitialised, redisstore.ErrDataLost, redisstore.ErrStoreMismatch, redisstore.ErrSealed,
		redisstore.ErrInvalid, redisstore.ErrServer,
	} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
