package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// watchEvery is the time between two routine checks of the store.
const watchEvery = 10 * time.Second

// watch checks the store and the issuers regularly, whether or not anybody polls readiness: a server that was reconfigured or demoted, or
// that fills up, and an issuer that does not answer, are logged before callers notice.
func (g *running) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	down := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		logIssuers(g.log, g.authenticator.Ready(), down)
		if !g.settings.inMemory { // one in memory cannot be checked
			g.lookAtStore(ctx)
		}
	}
}

func (g *running) lookAtStore(ctx context.Context) {
	look, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := g.store.CheckWrites(look); err != nil && ctx.Err() == nil {
		g.log.Error("store", "error", err.Error())
	}
	if memory, err := g.store.Memory(look); err == nil {
		g.metrics.memory(memory.Used, memory.Max)
		if memory.Alarm() {
			g.log.Error("redis fills up: the archive does not keep up, or maxmemory is too small", "used", memory.Used, "max", memory.Max)
		}
	}
}

// logIssuers logs, once each time, that the tokens of an issuer cannot be verified, and that they can be again. down holds the issuers
// logged as down.
func logIssuers(log *slog.Logger, ready map[string]error, down map[string]bool) {
	for _, url := range slices.Sorted(maps.Keys(ready)) {
		switch err := ready[url]; {
		case err != nil && !down[url]:
			log.Error("issuer: its tokens cannot be verified, and its callers are answered 503", "issuer", url, "error", err.Error())
		case err == nil && down[url]:
			log.Info("issuer: its tokens can be verified again", "issuer", url)
		}
		down[url] = ready[url] != nil
	}
}

// memory sets how full the fullest Redis server is.
func (m *metrics) memory(used, limit uint64) {
	m.redisUsed.Set(float64(used))
	m.redisMax.Set(float64(limit))
}

// storeCounters registers the counters of the store.
func (g *running) storeCounters() {
	for _, c := range []struct {
		name, help string
		value      func() uint64
	}{
		{"zorgsluis_store_repeats_total", "Calls to Redis that were sent once more, because their fate was unknown.", func() uint64 { return g.store.Counters().Repeats }},
		{"zorgsluis_store_shed_total", "Calls to Redis that were refused because too many waited.", func() uint64 { return g.store.Counters().Shed }},
		{"zorgsluis_store_lost_total", "Standings that were older than what was seen before. Anything but 0 is an alarm: data was lost.", func() uint64 { return g.store.Counters().Lost }},
	} {
		g.metrics.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: c.name, Help: c.help},
			func() float64 { return float64(c.value()) }))
	}
}
