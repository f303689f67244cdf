package main

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/audit"
)

// minRetentionDays is the least that archive.retention_days may be.
const minRetentionDays = int(audit.MinRetention / (24 * time.Hour))

// archive checks how the archive is kept. Its folder and keys are checked with those of the store.
func (s *settings) archive(c *checker) {
	a := s.config.Archive
	if len(a.CheckpointKeyFiles) == 0 {
		c.add("archive.checkpoint_key_files", "missing: at least one file, the key that signs first (gateway keys generate)")
	}
	if a.CheckpointEvents < 1 || a.CheckpointEvents > 10_000 {
		c.add("archive.checkpoint_events", "is %d, must be from 1 to 10000", a.CheckpointEvents)
	}
	c.between("archive.checkpoint_every", a.CheckpointEvery, time.Second, time.Hour)
	if a.RotateSize < 64<<10 || a.RotateSize > 1<<30 {
		c.add("archive.rotate_size", "is %s, must be between %s and %s", a.RotateSize, size(64<<10), size(1<<30))
	}
	c.between("archive.rotate_after", a.RotateAfter, time.Minute, 31*24*time.Hour)
	if a.RetentionDays < minRetentionDays || a.RetentionDays > 100*366 {
		c.add("archive.retention_days", "is %d, must be from %d (five years, NEN 7513) to %d", a.RetentionDays, minRetentionDays, 100*366)
	}
}

// openArchive opens the configured archive, to write to it.
func (s *settings) openArchive() (*audit.Archive, error) {
	a, err := audit.OpenArchive(s.archiveFolder, s.archiveKeys[0], s.archivePublic()[1:]...)
	if err != nil {
		return nil, err
	}
	c := s.config.Archive
	a.CheckpointEvents, a.CheckpointEvery = uint64(c.CheckpointEvents), c.CheckpointEvery
	a.SegmentBytes, a.SegmentAge = int64(c.RotateSize), c.RotateAfter
	a.Retention = time.Duration(c.RetentionDays) * 24 * time.Hour
	return a, nil
}

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
		all := unjoin(err)
		first := all[0].Error()
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

// archivePublic are the keys whose checkpoints are trusted.
func (s *settings) archivePublic() []audit.PublicKey {
	public := make([]audit.PublicKey, len(s.archiveKeys))
	for i, k := range s.archiveKeys {
		public[i] = k.PublicKey
	}
	return public
}
