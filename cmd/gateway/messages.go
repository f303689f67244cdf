package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zorgsluis/audit"
	"zorgsluis/audit/follow"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
)

// storeTimeout limits background requests to the store.
const storeTimeout = 30 * time.Second

// Messages are delivered at least once, with a stable id, however long it takes.
const (
	messageBatch = 100 // events processed at a time
	messageWait  = 15 * time.Second
)

// message is one kind of obligation: to tell somebody of certain events, of emergencies or of an erasure. It is derived from the archive
// with a durable cursor, and the event of a declaration is recorded in the same atomic step as the declaration: every one in force is told.
type message struct {
	name    string
	to      *config.Watched[config.Receiver] // nil: nobody
	reasons []policy.Reason
	render  func(*running) func(context.Context, audit.Event) ([]byte, error) // nil: the CloudEvent of the event
}

// messages returns all kinds: to the privacy officer at once, to whoever tells the patient, and to whoever tells those that received data.
func messages(s *config.Settings) []message {
	return []message{
		{config.MessageAlert, s.Alert, []policy.Reason{audit.ReasonDeclared, audit.ReasonDeclarationLimit, audit.ReasonReviewOverdue}, nil},
		{config.MessageNotice, s.Notice, []policy.Reason{audit.ReasonDeclared, audit.ReasonReviewNotJustified}, (*running).notice},
		{config.MessageErasure, s.ErasureNotice, []policy.Reason{audit.ReasonErasureTold}, (*running).erasureMessage},
	}
}

// fulfil delivers messages until ctx ends, if this instance has the archive. It is called before the archive continues: a message begins
// with the first event archived after it was configured.
func (g *running) fulfil(ctx context.Context) {
	for _, m := range messages(g.settings.Settings) {
		if m.to == nil {
			continue
		}
		var render func(context.Context, audit.Event) ([]byte, error)
		if m.render != nil {
			render = m.render(g)
		}
		d := &delivery{Destination: g.settings.MessageDestination(m.to, render), reasons: m.reasons}
		f := follow.New(follow.Options{
			Name: m.name, Folder: g.settings.CursorsFolder(), FromNow: true, Batch: messageBatch, MostWait: messageWait,
			Destination: d, Report: func(s follow.Status) { g.reportMessage(s) },
		})
		g.metrics.message(m.name, d.sent.Load, func() time.Duration { return f.Status(g.archive).Late })
		g.run(ctx, f)
	}
}

func (g *running) reportMessage(s follow.Status) {
	if s.Err != nil {
		g.log.Error("messages are not delivered", "message", s.Name, "late", s.Late.String(), "error", s.Err.Error())
		return
	}
	g.log.Info("messages are delivered again", "message", s.Name)
}

// delivery delivers the events with certain reasons, and skips the others.
type delivery struct {
	follow.Destination
	reasons []policy.Reason
	sent    atomic.Uint64
}

// Deliver implements follow.Destination. No refusal is final: an obligation is not dropped because the receiver is misconfigured.
func (d *delivery) Deliver(ctx context.Context, events []audit.Event) (int, error) {
	for i, e := range events {
		if !slices.Contains(d.reasons, e.Reason) {
			continue
		}
		if _, err := d.Destination.Deliver(ctx, events[i:i+1]); err != nil {
			return i, errors.New(err.Error()) // no longer follow.ErrRefused
		}
		d.sent.Add(1)
	}
	return len(events), nil
}

// notice is a CloudEvent that names its person, whom the store knows and no event contains.
type notice struct {
	SpecVersion     string        `json:"specversion"`
	ID              audit.EventID `json:"id"`
	Source          string        `json:"source"`
	Type            string        `json:"type"`
	Time            time.Time     `json:"time"`
	DataContentType string        `json:"datacontenttype"`
	Data            any           `json:"data"` // noticeData, erasureData
}

// noticeData is for whoever tells the patient: who it is about and what happened, without the words of the professional or the reviewer,
// which patients read in their own view.
type noticeData struct {
	Person       fhir.Identifier       `json:"person"`
	Reason       policy.Reason         `json:"reason"` // declared, review-not-justified
	Declaration  consent.DeclarationID `json:"declaration"`
	Organization string                `json:"organization"` // that declared
	DeclaredAt   time.Time             `json:"declared_at"`
	Code         string                `json:"emergency_code"`
	NL           string                `json:"nl"` // the code in words
	EN           string                `json:"en"`
}

var errNoPerson = errors.New("the store does not have the declaration that somebody is to be told of")

// notice returns the renderer of notices to patients.
func (g *running) notice() func(context.Context, audit.Event) ([]byte, error) {
	return g.about("zorgsluis.notice.break-glass.v1", func(e audit.Event, standing consent.Standing) (any, error) {
		d := standing.DeclarationWithID(e.Declaration)
		if d == nil {
			return nil, errNoPerson
		}
		reason := g.settings.File.BreakGlass.Reason(d.Code)
		return noticeData{
			Person: standing.Person, Reason: e.Reason, Declaration: d.ID, Organization: d.Organization, DeclaredAt: d.DeclaredAt.UTC(),
			Code: d.Code, NL: reason.NL, EN: reason.EN,
		}, nil
	})
}

// about returns a renderer of notices of a type. It asks the store who an event is about, and data what to say.
func (g *running) about(typ string, data func(audit.Event, consent.Standing) (any, error)) func(context.Context, audit.Event) ([]byte, error) {
	return func(ctx context.Context, e audit.Event) ([]byte, error) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		standing, _, err := g.store.Standing(ctx, e.Person)
		if err != nil {
			return nil, err
		}
		said, err := data(e, standing)
		if err != nil {
			return nil, err
		}
		return json.Marshal(notice{
			SpecVersion: "1.0", ID: e.ID, Source: g.settings.File.PublicURL, Type: typ, Time: e.Time.UTC(), DataContentType: "application/json", Data: said,
		})
	}
}

// message registers the state of the delivery of one kind of messages.
func (m *metrics) message(name string, sent func() uint64, late func() time.Duration) {
	labels := prometheus.Labels{"message": name}
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "zorgsluis_messages_total", Help: "Messages that arrived, to the privacy officer, for patients and for those who received data.", ConstLabels: labels,
	}, func() float64 { return float64(sent()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "zorgsluis_messages_late_seconds", Help: "How old the oldest event is that was not looked at, or whose message did not arrive.", ConstLabels: labels,
	}, func() float64 { return late().Seconds() }))
}
