package main

import (
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/audit"
)

// opened takes the archive over, which may be nil: another instance has it.
func (g *running) opened(a *audit.Archive) {
	g.set(func() { g.archive = a })
	if a == nil || a.Torn() == "" {
		return
	}
	// Not silently: what a crash leaves is an unfinished line, and so is what somebody leaves who cuts the end off.
	g.metrics.torn.Inc()
	g.log.Warn("archive: an unfinished line is cut off; the outbox still has its event", "where", a.Torn())
}

// archiveRepeat is how often it is told that the archive still cannot go on.
const archiveRepeat = time.Minute

// reportArchive gives what logs that the archive cannot go on: at once, and every minute while that is so. Where the store is away the
// archive fails for each shard in the same way: of several errors the first is told, and how many there are.
func reportArchive(log *slog.Logger) func(error) {
	var last string
	var told time.Time
	return func(err error) {
		all := strings.Split(err.Error(), "\n") // errors.Join puts each on a line
		first := all[0]
		if first == last && time.Since(told) < archiveRepeat {
			return
		}
		last, told = first, time.Now()
		log.Error("archive", "error", first, "errors", len(all))
	}
}

// archiveMetrics shows how the archive is doing, besides its lag.
func (g *running) archiveMetrics() {
	g.metrics.registry.MustRegister(g.metrics.torn, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "zorgsluis_archive_unsigned_events", Help: "Archived events that no checkpoint covers yet; zero where another instance archives.",
	}, func() float64 {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.archive == nil {
			return 0
		}
		lag := g.archive.Lag()
		return float64(lag.Archived - lag.Signed)
	}))
}
