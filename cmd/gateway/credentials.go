package main

import (
	"context"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/internal/config"
)

// renewTokens renews the tokens of all sources until ctx ends.
func (g *running) renewTokens(ctx context.Context) {
	for id, tokens := range g.settings.TokensFor() {
		g.work.Go(func() {
			tokens.Run(ctx, func(err error) {
				g.log.Error("no token for a source: the one before serves until it ends", "source", id, "until", tokens.Expires(), "error", err.Error())
			})
		})
	}
}

// tokenComponents report in readiness which sources have no token. The other sources are served all the same.
func tokenComponents(s *config.Settings) []component {
	var list []component
	tokens := s.TokensFor()
	for _, id := range slices.Sorted(maps.Keys(tokens)) {
		list = append(list, component{name: "token:" + id, check: func(context.Context) error { return tokens[id].State() }, informs: true})
	}
	return list
}

// tokenMetrics shows the same as metrics.
type tokenMetrics struct{ settings *config.Settings }

var (
	tokenFailures = prometheus.NewDesc("zorgsluis_source_token_failures_total", "Questions to a source's token endpoint that failed.", []string{"source"}, nil)
	tokenExpires  = prometheus.NewDesc("zorgsluis_source_token_expires_seconds",
		"When the token for a source is not used any more, in seconds since 1970; 0 where there is none.", []string{"source"}, nil)
)

// Describe implements prometheus.Collector.
func (m tokenMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- tokenFailures; ch <- tokenExpires }

// Collect implements prometheus.Collector.
func (m tokenMetrics) Collect(ch chan<- prometheus.Metric) {
	for id, tokens := range m.settings.TokensFor() {
		until := 0.0
		if at := tokens.Expires(); !at.IsZero() {
			until = float64(at.Unix())
		}
		ch <- prometheus.MustNewConstMetric(tokenFailures, prometheus.CounterValue, float64(tokens.Failures()), id)
		ch <- prometheus.MustNewConstMetric(tokenExpires, prometheus.GaugeValue, until, id)
	}
}
