package proxy

import (
	"context"
	"log/slog"
	"slices"

	"zorgsluis/policy"
)

// alerting are the obligations that somebody must act on at once.
var alerting = []policy.Obligation{policy.ObligationAlert, policy.ObligationReportAuthority}

// ExchangeLine is the message of the log line of each exchange.
const ExchangeLine = "exchange"

// observe hands the finished exchange to metrics and log: codes from closed lists, no identifier, no URL (promise 8).
func (g *Gate) observe(x *exchange, a answer) {
	now := g.parts.Now()
	s := Summary{
		Exchange: x.id, Interaction: x.name, Type: x.interaction.Type, Status: a.status, Reason: x.reason,
		Duration: now.Sub(x.started),
		Alert:    slices.ContainsFunc(x.obligations, func(o policy.Obligation) bool { return slices.Contains(alerting, o) }),
	}
	if x.source != nil {
		s.Source = x.source.ID
	}
	level := slog.LevelInfo
	if s.Alert {
		level = slog.LevelWarn
	}
	line := slog.NewRecord(now, level, ExchangeLine, 0) // without the source position
	line.AddAttrs(
		slog.String("id", s.Exchange), slog.String("interaction", s.Interaction), slog.String("type", s.Type), slog.String("source", s.Source),
		slog.Int("status", s.Status), slog.String("reason", string(s.Reason)), slog.Bool("alert", s.Alert), slog.Int64("ms", s.Duration.Milliseconds()))
	if log := g.parts.Log.Handler(); log.Enabled(context.Background(), level) {
		_ = log.Handle(context.Background(), line) // a failing log stops nobody
	}
	g.parts.Observe(s)
}
