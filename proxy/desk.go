package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Desk makes a copy of what a source keeps of somebody who has died, by hand and outside of the decision that callers get (BW 7:458a). It
// is a gate that nobody can reach over the network: the source is asked in the same way, the same filter reads its answers, and the event
// is committed before there is a byte. Only the decision is another: policy.AfterDeath.
type Desk struct{ parts Parts }

// DeskParts are the parts of a Desk. All are required.
type DeskParts struct {
	PublicURL, PolicyHash string
	Source                *Source
	Policy                Posthumous
	Categories            []fhir.DataCategory // all that are configured
	Standings             Standings
	Recorder              Recorder
	Limits                Limits // of the gate, but for Request: a copy may take copyWithin
	Now                   func() time.Time
}

// Posthumous is a decision point that also decides what may be handed over after a death (policy.Policy).
type Posthumous interface {
	Decider
	AfterDeath(policy.Handover, policy.Input) policy.Decision
}

// copyWithin limits the time to make one copy, and how long the decision on it is valid.
const copyWithin = 10 * time.Minute

// NewDesk returns a desk, or ErrMissingPart.
func NewDesk(p DeskParts) (*Desk, error) {
	l := p.Limits
	if p.PublicURL == "" || p.PolicyHash == "" || p.Source == nil || p.Policy == nil || len(p.Categories) == 0 || p.Standings == nil ||
		p.Recorder == nil || p.Now == nil || l.ResponseBody <= 0 || l.Memory < l.ResponseBody || l.Store <= 0 || l.Lookups <= 0 {
		return nil, fmt.Errorf("%w: of the desk", ErrMissingPart)
	}
	l.Request = copyWithin
	return &Desk{Parts{
		PublicURL: p.PublicURL, PolicyHash: p.PolicyHash, Sources: []*Source{p.Source}, Policy: p.Policy, Categories: p.Categories,
		Standings: p.Standings, Recorder: p.Recorder, Limits: l, Now: p.Now,
	}}, nil
}

// Order asks for one copy.
type Order struct {
	Person   fhir.Identifier
	Handover policy.Handover
	To, Why  string // in words: who receives it, and why the ground holds
}

// Copy is the copy, once its event is on record.
type Copy struct {
	Body       []byte // a Bundle of type searchset, without identifiers of persons
	Event      audit.EventID
	Digest     string // SHA-256 of Body, in hex, as in the event
	Resources  int    // including companions and attachments
	Categories []fhir.DataCategory
	LeftOut    int // attachments that the source does not have, or whose own metadata withholds them
}

// NotReleased is the error if there is no copy.
type NotReleased struct {
	Reason   policy.Reason
	Objected []fhir.DataCategory // named in the order, and objected to by the deceased
	Records  []consent.RecordID  // of these objections
	Recorded bool                // the refusal is on record
	err      error
}

// Error implements error.
func (n *NotReleased) Error() string {
	if n.err != nil {
		return fmt.Sprintf("not released: %s: %v", n.Reason, n.err)
	}
	return fmt.Sprintf("not released: %s", n.Reason)
}

// Unwrap returns the underlying error, if any.
func (n *NotReleased) Unwrap() error { return n.err }

// order is the state of an Order and its result.
type order struct {
	Order
	copy        Copy
	objected    []fhir.DataCategory
	attachments map[fhir.ID]fhir.Binary // that the source has
}

// groundNotListed is in the event instead of an unknown ground.
const groundNotListed policy.Ground = "not-listed"

// describe adds to the event what only an order has.
func (o *order) describe(e *audit.Event) {
	e.Actor.Assurance = "" // nobody signed in
	e.Grounds, e.Recipient, e.ApprovedBy = o.Why, o.To, o.Handover.ApprovedBy
	if e.LegalGround = o.Handover.Ground; !slices.Contains(policy.Grounds(), e.LegalGround) {
		e.LegalGround = groundNotListed // the ground given may be any text
	}
	if e.Outcome == audit.OutcomePermit {
		e.Digest = o.copy.Digest
	}
}

// Copy makes the copy. Its error is always a *NotReleased. Either outcome is on record when it returns, unless the store failed.
func (d *Desk) Copy(ctx context.Context, asked Order) (Copy, error) {
	parts := d.parts
	parts.Policy = afterDeath{parts.Policy.(Posthumous), asked.Handover}
	g := &Gate{
		parts: parts, memory: newBudget(parts.Limits.Memory, parts.Limits.Memory), people: newPeople(parts.Limits.PersonMapping),
		lookups: newCounter(time.Minute), named: newCounter(time.Minute),
	}
	x := g.attend(asked)
	ref := g.handOver(ctx, x)
	if ref == nil {
		return x.order.copy, nil
	}
	n := &NotReleased{Reason: ref.reason, Objected: x.order.objected, Records: x.records, err: ref.err}
	if ref.recorded() {
		if err := g.recordRefusal(context.WithoutCancel(ctx), x, ref); err != nil {
			n.err = errors.Join(n.err, err)
		} else {
			n.Recorded = true
		}
	}
	return Copy{}, n
}

// afterDeath decides by the handover statement, not by the caller.
type afterDeath struct {
	Posthumous
	handover policy.Handover
}

// Decide implements Decider.
func (a afterDeath) Decide(in policy.Input) policy.Decision { return a.AfterDeath(a.handover, in) }

// attend starts the exchange of an order.
func (g *Gate) attend(asked Order) *exchange {
	now := g.parts.Now()
	x := &exchange{
		id: newUUID(), started: now, kind: audit.KindAccess, source: g.parts.Sources[0], person: g.parts.Standings.Key(asked.Person),
		interaction:   fhir.Interaction{Code: fhir.CodeEverything, Type: "Patient"},
		subject:       policy.Subject{Name: asked.Handover.By, Roles: []string{audit.RoleOperator}, Expires: now.Add(copyWithin)},
		authenticated: true, order: &order{Order: asked},
	}
	x.query = x.interaction.Redacted() + "?data=" + strings.Join(asked.Handover.Data, ",")
	return x
}

// handOver takes an order through all steps: statement, person, decision, source, filter, commit.
func (g *Gate) handOver(ctx context.Context, x *exchange) *refusal {
	if d, admitted := x.order.Handover.Admit(); !admitted {
		return refuse(causeForbidden, d.Reason)
	}
	m, ref := g.resolve(ctx, x, fhir.PatientName{Identifier: x.order.Person})
	if ref != nil {
		return ref
	}
	x.interaction.Patient = fhir.PatientName{ID: m.id}
	j, ref := g.judge(ctx, x, policy.Request{Holder: x.source.Holder}, m)
	if ref != nil {
		return ref
	}
	if ref := g.permitsNamed(x, j); ref != nil {
		return ref
	}
	found, ref := g.collect(ctx, x, j)
	if ref != nil {
		return ref
	}
	defer found.release()
	a, ref := g.settle(ctx, x, j, func(j *judge) (draft, *refusal) { return g.draftCopy(x, j, found) })
	for range attempts {
		if ref != nil || !a.stale(g.parts.Now()) {
			break
		}
		a = g.again(ctx, x, a)
	}
	switch {
	case ref != nil:
		return ref
	case len(a.releases) == 0 || a.stale(g.parts.Now()):
		return refuse(causeUnavailable, "release-too-slow")
	}
	x.order.copy.Body, x.order.copy.Event = a.body, a.releases[0].Event.ID
	return nil
}

// permitsNamed refuses an order unless every data category that it names may be handed over. After an objection, a new order can name
// fewer.
func (g *Gate) permitsNamed(x *exchange, j *judge) *refusal {
	reason, named := policy.Reason(""), false
	x.order.objected = nil
	for _, category := range g.parts.Categories {
		switch v := j.decide(category); {
		case v.Permit:
			named = true
		case v.Reason == policy.ReasonObjectedInLife:
			x.use(j, v)
			x.order.objected = append(x.order.objected, category)
			reason = v.Reason
		case v.Reason != policy.ReasonDataNotNamed:
			return refuse(causeForbidden, v.Reason)
		}
	}
	if reason == "" && !named {
		reason = policy.ReasonDataNotNamed
	}
	if reason != "" {
		x.sorted()
		return refuse(causeForbidden, reason)
	}
	return nil
}
