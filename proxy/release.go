package proxy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// attempts is how often a disclosure is decided: once, and twice more when the standing moved in between (README, step 8).
const attempts = 3

// contents pools the scanner's working memory.
var contents = sync.Pool{New: func() any { return new(fhir.Contents) }}

// draft is an answer that was decided on one standing and is not yet on record.
type draft struct {
	body    []byte
	outcome audit.Outcome
	reason  policy.Reason
}

// settle decides, records and hands out. prepare makes a draft on the standing of a judge; the draft whose event is durable under that very
// generation is the answer. When the standing moved in between, everything is decided again on the new one.
func (g *Gate) settle(ctx context.Context, x *exchange, j *judge, prepare func(*judge) (draft, *refusal)) (answer, *refusal) {
	// The caller may hang up; what is being recorded is recorded.
	ctx = context.WithoutCancel(ctx)
	for range attempts {
		x.forget()
		d, ref := prepare(j)
		if ref != nil {
			return answer{}, ref
		}
		release := audit.Release{
			Event: x.event(d.outcome, d.reason, g.parts.PolicyHash), Conditional: true,
			Generation: j.generation, NotAfter: j.notAfter(),
		}
		sent := g.parts.Now()
		err := g.commit(ctx, release)
		switch {
		case err == nil:
			x.reason = d.reason
			return answer{status: 200, body: d.body, releases: []*audit.Release{&release}, committed: sent}, nil
		case errors.Is(err, audit.ErrMoved), errors.Is(err, audit.ErrTooLate):
			if j, ref = g.judge(ctx, x, j.request, j.person); ref != nil {
				return answer{}, ref
			}
			if !j.expires.After(j.at) {
				return answer{}, refuse(causeUnauthenticated, "token-expired").challenged(g.challenge(x, `error="invalid_token"`))
			}
		default:
			return answer{}, &refusal{cause: causeUnavailable, reason: "event-not-recorded", err: err}
		}
	}
	return answer{}, refuse(causeUnavailable, "standing-unsettled")
}

// commit makes one event durable within the store's deadline.
func (g *Gate) commit(ctx context.Context, r audit.Release) error {
	ctx, cancel := context.WithTimeout(ctx, g.parts.Limits.Store)
	defer cancel()
	return g.parts.Recorder.Commit(ctx, r)
}

// forget drops what an earlier draft put into the exchange.
func (x *exchange) forget() {
	x.records, x.obligations, x.categories, x.disclosed, x.emergency = nil, nil, nil, nil, nil
}

// use notes a verdict that the answer rests on.
func (x *exchange) use(j *judge, v *verdict) {
	x.records = append(x.records, v.Records...)
	x.obligations = append(x.obligations, v.Obligations...)
	if v.emergency {
		x.emergency = j.declaration
	}
}

// sorted puts what was noted in the form of the event: sorted, distinct.
func (x *exchange) sorted() {
	slices.Sort(x.records)
	x.records = slices.Compact(x.records)
	slices.Sort(x.obligations)
	x.obligations = slices.Compact(x.obligations)
	slices.Sort(x.categories)
	x.categories = slices.Compact(x.categories)
}

// disclose notes that a resource is made ready for release: its name, Type/id, and its categories.
func (x *exchange) disclose(j *judge, name string, categories []fhir.DataCategory) {
	x.disclosed = append(x.disclosed, name)
	for _, category := range categories {
		if !slices.Contains(x.categories, category) {
			x.categories = append(x.categories, category)
			x.use(j, j.decide(category))
		}
	}
}

// permits asserts for one resource what must hold for it to leave: it is this person's and nobody else's, and each of its data
// categories is permitted. It is asked where resources are kept, and again where they are noted for the event.
func (j *judge) permits(r *fhir.Resource) bool {
	if r.Shared || !r.Attributed || r.Patient != j.person.id {
		return false
	}
	return j.onlyPerson(r) && j.all(r.Categories)
}

// onlyPerson reports that no other person's identifier stands in the resource (leaks.md RF-5, RM-8, RM-23).
func (j *judge) onlyPerson(r *fhir.Resource) bool {
	for _, identifier := range r.Identifiers {
		person, err := consent.NormalizePerson(identifier)
		if err != nil || person != j.person.person {
			return false
		}
	}
	return true
}

// permitsShared is the same for a resource that belongs to nobody: whatever adds a category to it must be permitted, and no
// person's identifier may stand in it.
func (j *judge) permitsShared(r *fhir.Resource) bool {
	return r.Shared && len(r.Identifiers) == 0 && (len(r.Categories) == 0 || j.all(r.Categories))
}

// display reports whether the display text of a reference into a type may stay: only where everything that the type can hold is
// permitted (leaks.md RF-13, RF-14), and everything that a code or a label can add to it; for nobody, where some codes are never
// disclosed. What is shared has no category of its own and holds no such codes, but for a Medication, whose name says what its code
// says (CA-6).
func (j *judge) display(s *Source, typ string) bool {
	for _, d := range j.displays {
		if d.typ == typ {
			return d.stay
		}
	}
	d := display{typ: typ}
	added := func() bool { return !s.Classifier.HidesSome() && j.all(s.Classifier.AddedCategories()) }
	switch shared := fhir.ClassOf(s.Version, typ) == fhir.ClassShared; {
	case typ == "Medication":
		d.stay = added()
	case shared:
		d.stay = true
	case typ == "Patient": // a name, and no code
		d.stay = j.all(s.Classifier.TypeCategories(typ))
	default:
		d.stay = added() && j.all(s.Classifier.TypeCategories(typ))
	}
	j.displays = append(j.displays, d)
	return d.stay
}

// edits are the changes that every released resource undergoes.
func (g *Gate) edits(x *exchange, j *judge) fhir.Edits {
	kind := j.request.Actor.Kind
	return fhir.Edits{
		Base: g.base(x.source), KeepDisplay: func(typ string) bool { return j.display(x.source, typ) },
		// The law keeps the BSN out of the personal domain.
		StripIdentifiers: kind == policy.KindPatient || kind == policy.KindRepresentative,
	}
}

// resourceEdits are the edits of one resource: its attachments get links of our own.
func (g *Gate) resourceEdits(x *exchange, j *judge, r *fhir.Resource) fhir.Edits {
	e := g.edits(x, j)
	e.Attachment = func(binary fhir.ID) string { return g.attachmentLink(x, j, r, binary) }
	return e
}

func (g *Gate) base(s *Source) string { return g.parts.PublicURL + "/fhir/" + s.ID }

// buffer takes memory for a rendered body under the budget; give returns it.
func (g *Gate) buffer(x *exchange, size int) (buf []byte, give func(), ref *refusal) {
	n, owner := int64(size), x.owner()
	if !g.memory.take(owner, n) {
		return nil, nil, refuse(causeOverloaded, "memory")
	}
	return slices.Grow(takeBuffer(), size), func() { g.memory.give(owner, n) }, nil
}

// stale reports whether the first byte would follow the commit too late: then the commit is repeated (promise 3).
func (a *answer) stale(now time.Time) bool {
	return len(a.releases) > 0 && now.Sub(a.committed) >= time.Second
}

// challenged adds a WWW-Authenticate value.
func (r *refusal) challenged(value string) *refusal {
	r.challenge = value
	return r
}
