package main

import (
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/audit"
)

// opened takes over the archive; nil: another instance has it.
func (g *running) opened(a *audit.Archive) {
	g.set(func() { g.archive = a })
	if a == nil || a.Torn() == "" {
		return
	}
	// Not silently: a crash leaves an unfinished line, and so does somebody who cuts off the end.
	g.metrics.torn.Inc()
	g.log.Warn("archive: an unfinished line is cut off; the outbox still has its event", "where", a.Torn())
}

// archiveRepeat is how often it is logged that the archive still cannot continue.
const archiveRepeat = time.Minute

// reportArchive returns a function that logs that the archive cannot continue: at once, and every minute while that is so. If the store is
// unavailable the archive fails for each shard in the same way: of several errors it logs the first, and how many there are.
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

// archiveMetrics registers the state of the archive, besides its lag.
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
