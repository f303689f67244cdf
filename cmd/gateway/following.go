package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/audit/follow"
)

// follow starts the followers of the archive, once this instance has it. Their failures stop nothing else.
func (g *running) follow(ctx context.Context) {
	g.archive.Needed = g.reading.need
	for _, o := range g.settings.Following {
		o.Report = g.reportFollower
		f := follow.New(o)
		g.set(func() { g.followers = append(g.followers, f) })
		g.run(ctx, f)
	}
}

// run starts a follower. It takes its position before the archive continues, and holds back retention from then on.
func (g *running) run(ctx context.Context, f *follow.Follower) {
	g.reading.add(f)
	_ = f.Begin(g.archive) // Run tries again, and reports it
	g.work.Go(func() { f.Run(ctx, g.archive) })
}

// readers are all followers of the archive, with their own lock: the archive calls need while it is locked itself.
type readers struct {
	mu  sync.Mutex
	all []*follow.Follower
}

func (r *readers) add(f *follow.Follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, f)
}

// need returns the oldest file of the archive that somebody still has to read; 0: none.
func (r *readers) need() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := 0
	for _, f := range r.all {
		if n := f.Needs(); n > 0 && (oldest == 0 || n < oldest) {
			oldest = n
		}
	}
	return oldest
}

// reportFollower logs that a follower began to fail, still fails, or recovered.
func (g *running) reportFollower(s follow.Status) {
	if s.Err == nil {
		g.log.Info("follower goes on", "follower", s.Name, "behind", s.Behind)
		return
	}
	g.log.Error("follower", "follower", s.Name, "behind", s.Behind, "late_seconds", int(s.Late.Seconds()), "error", s.Err.Error())
}

// followerStates returns the states of the followers; none if another instance has the archive.
func (g *running) followerStates() []follow.Status {
	g.mu.Lock()
	followers, archive := g.followers, g.archive
	g.mu.Unlock()
	var states []follow.Status
	for _, f := range followers {
		states = append(states, f.Status(archive))
	}
	return states
}

// followerComponents report the followers in readiness. They never make a gateway unready: callers do not depend on them.
func followerComponents(states []follow.Status) []component {
	var list []component
	for _, s := range states {
		list = append(list, component{name: "follower:" + s.Name, informs: true, check: func(context.Context) error {
			if s.Err != nil {
				return fmt.Errorf("%d events behind, %s late: %w", s.Behind, s.Late.Truncate(time.Second), s.Err)
			}
			return nil
		}})
	}
	return list
}

// followerMetrics are the metrics of the followers. The label is a name from the configuration.
type followerMetrics struct{ states func() []follow.Status }

// The metrics of one follower.
var (
	followerBehind    = followerMetric("zorgsluis_follower_behind_events", "Archived events that have not arrived.")
	followerLate      = followerMetric("zorgsluis_follower_behind_seconds", "Age of the oldest event that has not arrived.")
	followerDelivered = followerMetric("zorgsluis_follower_delivered_total", "Events that arrived.")
	followerFailures  = followerMetric("zorgsluis_follower_failures_total", "Deliveries that failed, and are tried again.")
	followerAside     = followerMetric("zorgsluis_follower_refused_total", "Events that the destination will not have: set aside, for somebody to look at.")
)

func followerMetric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"follower"}, nil)
}

// Describe implements prometheus.Collector.
func (m followerMetrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{followerBehind, followerLate, followerDelivered, followerFailures, followerAside} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m followerMetrics) Collect(to chan<- prometheus.Metric) {
	for _, s := range m.states() {
		show := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
			to <- prometheus.MustNewConstMetric(d, kind, value, s.Name)
		}
		show(followerBehind, prometheus.GaugeValue, float64(s.Behind))
		show(followerLate, prometheus.GaugeValue, s.Late.Seconds())
		show(followerDelivered, prometheus.CounterValue, float64(s.Delivered))
		show(followerFailures, prometheus.CounterValue, float64(s.Failures))
		show(followerAside, prometheus.CounterValue, float64(s.SetAside))
	}
}
