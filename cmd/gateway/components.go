package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// archiveBehind is how long ago the outbox may last have been found empty before readiness reports it.
const archiveBehind = time.Minute

var errStarting = errors.New("starting")

// components returns what readiness checks. A part that is not there yet reports that it is starting.
func (g *running) components() []component {
	followers := g.followerStates()
	g.mu.Lock()
	defer g.mu.Unlock()
	redis, store, archive, authenticator := g.redis, g.store, g.archive, g.authenticator
	if store == nil {
		starting := func(context.Context) error { return errStarting }
		return []component{{name: "redis", check: starting}, {name: "store", check: starting}, {name: "archive", check: starting}}
	}
	list := []component{
		{name: "redis", check: func(ctx context.Context) error { return redis.Client.Ping(ctx).Err() }},
		{name: "store", check: func(ctx context.Context) error {
			if g.settings.inMemory {
				return nil // cannot be checked, and keeps nothing anyway
			}
			return store.CheckWrites(ctx)
		}},
	}
	list = append(list, component{name: "archive", check: func(context.Context) error {
		if archive == nil {
			return nil // another instance archives
		}
		lag := archive.Lag()
		if lag.Err != nil {
			return lag.Err
		}
		if !lag.CaughtUp.IsZero() && time.Since(lag.CaughtUp) > archiveBehind {
			return fmt.Errorf("behind since %s", lag.CaughtUp.UTC().Format(time.RFC3339))
		}
		return nil
	}})
	list = append(list, followerComponents(followers)...)
	list = append(list, reloadComponents(g.settings.Reloads)...)
	list = append(list, tokenComponents(g.settings.Settings)...)
	issuers := authenticator.Ready()
	for _, url := range slices.Sorted(maps.Keys(issuers)) {
		list = append(list, component{name: "issuer:" + url, check: func(context.Context) error { return issuers[url] }})
	}
	return list
}

// archiveLag returns how long ago the outbox was last found empty; zero if another instance archives.
func (g *running) archiveLag() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.archive == nil {
		return 0
	}
	if at := g.archive.Lag().CaughtUp; !at.IsZero() {
		return time.Since(at)
	}
	return 0
}
