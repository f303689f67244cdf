package proxy

import (
	"context"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

const (
	// storeWithin is how long an exchange waits for the store in all: a slow one is 503 within a second (promise 7), also if it gives the
	// standing in time and then does not take the event.
	storeWithin = time.Second
	// storeSlow is from when on that is watched. The store ends each call after 800 ms.
	storeSlow = 100 * time.Millisecond
)

// standing reads the standing of a person, and counts what the exchange waited for it.
func (g *Gate) standing(ctx context.Context, x *exchange, key consent.PersonKey) (consent.Standing, time.Time, error) {
	asked := g.parts.Now()
	standing, now, err := g.parts.Standings.Standing(ctx, key)
	x.waited += g.parts.Now().Sub(asked)
	return standing, now, err
}

// commit records an event of the exchange, in what is left of the time for the store.
func (g *Gate) commit(ctx context.Context, x *exchange, r audit.Release) error {
	if x.waited > storeSlow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, storeWithin-x.waited)
		defer cancel()
	}
	return g.parts.Recorder.Commit(ctx, r)
}
