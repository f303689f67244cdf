package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/internal/config"
)

// lookEvery is the time between two routine checks of the files of certificates and credentials.
const lookEvery = time.Minute

// watchFiles checks the files until ctx ends: each minute, and at once on SIGHUP.
func (g *running) watchFiles(ctx context.Context, hangUp <-chan os.Signal) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		forced := false
		select {
		case <-ctx.Done():
			return
		case <-hangUp:
			forced = true
		case <-tick.C:
		}
		g.reload(forced)
	}
}

// hangUps returns the SIGHUPs of this process until stop is called. main ignores them otherwise.
func hangUps() (signals <-chan os.Signal, stop func()) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	return received, func() { signal.Stop(received); signal.Ignore(syscall.SIGHUP) }
}

// reload checks all files once. A problem is logged each time, for as long as it lasts.
func (g *running) reload(forced bool) {
	for _, r := range g.settings.Reloads {
		changed, err := r.Look(forced)
		switch {
		case err != nil:
			g.log.Error("files are not good: what was read before stays in use", "what", r.Name(), "error", err.Error())
		case changed:
			g.log.Info("files were read again", "what", r.Name(), "expires", r.Expiry())
		}
	}
	if forced {
		g.log.Info("reloaded", "files", len(g.settings.Reloads))
	}
}

// reloadComponents report problems with files in readiness. None makes a gateway unready: the last good content stays in use.
func reloadComponents(reloads []config.Reloadable) []component {
	var list []component
	for _, r := range reloads {
		list = append(list, component{name: "files:" + r.Name(), check: func(context.Context) error { return r.State() }, informs: true})
	}
	return list
}

// reloadMetrics shows the same as metrics.
type reloadMetrics struct{ reloads []config.Reloadable }

var (
	filesBad = prometheus.NewDesc("zorgsluis_files_bad",
		"1 where the files of a certificate or credential are not good, so that what was read before stays in use.", []string{"what"}, nil)
	certificateExpires = prometheus.NewDesc("zorgsluis_certificate_expires_seconds",
		"When the certificate that is in use expires, in seconds since 1970.", []string{"what"}, nil)
)

// Describe implements prometheus.Collector.
func (m reloadMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- filesBad; ch <- certificateExpires }

// Collect implements prometheus.Collector.
func (m reloadMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, r := range m.reloads {
		bad := 0.0
		if r.State() != nil {
			bad = 1
		}
		ch <- prometheus.MustNewConstMetric(filesBad, prometheus.GaugeValue, bad, r.Name())
		if at := r.Expiry(); !at.IsZero() {
			ch <- prometheus.MustNewConstMetric(certificateExpires, prometheus.GaugeValue, float64(at.Unix()), r.Name())
		}
	}
}
