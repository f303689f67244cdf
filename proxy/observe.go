package proxy

import (
	"context"
	"log/slog"
	"slices"

	"zorgsluis/policy"
)

// alerting are the obligations that somebody must act on at once.
var alerting = []policy.Obligation{policy.ObligationAlert, policy.ObligationReportAuthority}

// observe hands the finished exchange to metrics and log: codes from closed lists, no identifier, no URL (promise 8).
func (g *Gate) observe(x *exchange, a answer) {
	s := Summary{
		Exchange: x.id, Interaction: x.name, Type: x.interaction.Type, Status: a.status, Reason: x.reason,
		Duration: g.parts.Now().Sub(x.started),
		Alert:    slices.ContainsFunc(x.obligations, func(o policy.Obligation) bool { return slices.Contains(alerting, o) }),
	}
	if x.source != nil {
		s.Source = x.source.ID
	}
	level := slog.LevelInfo
	if s.Alert {
		level = slog.LevelWarn
	}
	g.parts.Log.Log(context.Background(), level, "exchange", "id", s.Exchange, "interaction", s.Interaction, "type", s.Type, "source", s.Source,
		"status", s.Status, "reason", string(s.Reason), "alert", s.Alert, "ms", s.Duration.Milliseconds())
	g.parts.Observe(s)
}
