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

// Desk gives a copy of what a source keeps of somebody who has died, by hand and outside of the decision that callers get (BW 7:458a). It
// is the gate without its door: the source is asked the same way, its answers are read by the same filter, and the event is committed
// before there is a byte. Only who decides is another: policy.AfterDeath. It answers to nobody over the network.
type Desk struct{ parts Parts }

// DeskParts is what a Desk is made of. All are required.
type DeskParts struct {
	PublicURL, PolicyHash string
	Source                *Source
	Policy                Posthumous
	Categories            []fhir.DataCategory // all that are configured
	Standings             Standings
	Recorder              Recorder
	Limits                Limits // of the gate; a copy may take copyWithin
	Now                   func() time.Time
}

// Posthumous is a decision point that knows what may be handed over after a death (policy.Policy).
type Posthumous interface {
	Decider
	AfterDeath(policy.Handover, policy.Input) policy.Decision
}

// copyWithin bounds the making of one copy, and is how long what was looked at for it counts.
const copyWithin = 10 * time.Minute

// NewDesk makes a desk, or says that a part is missing (ErrMissingPart).
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

// Order is one copy that somebody asks for at the desk.
type Order struct {
	Person   fhir.Identifier
	Handover policy.Handover
	To, Why  string // in words: who receives it, and why the ground holds
}

// Copy is what there is once its event is on record.
type Copy struct {
	Body       []byte // a Bundle of type searchset, without identifiers of persons
	Event      audit.EventID
	Digest     string // SHA-256 of Body, in hex, as in the event
	Resources  int    // with those that come along
	Categories []fhir.DataCategory
	LeftOut    int // attachments that the source does not have, or that say of themselves that they may not be given
}

// NotReleased is why there is no copy.
type NotReleased struct {
	Reason   policy.Reason
	Objected []fhir.DataCategory // what the deceased objected to, of what was named
	Records  []consent.RecordID  // and where
	Recorded bool                // that it was refused
	err      error
}

// Error implements error.
func (n *NotReleased) Error() string {
	if n.err != nil {
		return fmt.Sprintf("not released: %s: %v", n.Reason, n.err)
	}
	return fmt.Sprintf("not released: %s", n.Reason)
}

// Unwrap gives what went wrong, where something did.
func (n *NotReleased) Unwrap() error { return n.err }

// order is an Order on its way, and what it comes to.
type order struct {
	Order
	copy        Copy
	objected    []fhir.DataCategory
	attachments map[fhir.ID]fhir.Binary // that the source has
}

// groundNotListed stands in the event for a ground that is none.
const groundNotListed policy.Ground = "not-listed"

// describe puts into the event what an exchange with a caller has not.
func (o *order) describe(e *audit.Event) {
	e.Actor.Assurance = "" // nobody signed in
	e.Grounds, e.Recipient, e.ApprovedBy = o.Why, o.To, o.Handover.ApprovedBy
	if e.LegalGround = o.Handover.Ground; !slices.Contains(policy.Grounds(), e.LegalGround) {
		e.LegalGround = groundNotListed // which may be any text
	}
	if e.Outcome == audit.OutcomePermit {
		e.Digest = o.copy.Digest
	}
}

// Copy makes the copy, or says why there is none: the error is always a *NotReleased. Either is on record when it returns, unless the
// store is what failed.
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

// afterDeath decides by a statement instead of by who asks.
type afterDeath struct {
	Posthumous
	handover policy.Handover
}

// Decide implements Decider.
func (a afterDeath) Decide(in policy.Input) policy.Decision { return a.AfterDeath(a.handover, in) }

// attend opens the exchange of an order.
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

// handOver is the way of an order: the statement, the person, the decision, the source, the filter, the commit.
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

// permitsNamed refuses an order unless each data category that it names may be handed over: who finds an objection names less.
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
