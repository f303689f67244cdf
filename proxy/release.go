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

// attempts is how often a disclosure is decided: once, and twice more if the standing changed in between (README, step 8).
const attempts = 3

// contents pools the scanner's working memory.
var contents = sync.Pool{New: func() any { return new(fhir.Contents) }}

// draft is an answer decided on one standing, but not yet on record.
type draft struct {
	body    []byte
	outcome audit.Outcome
	reason  policy.Reason
}

// settle decides, records and answers. prepare makes a draft on a judge's standing; it becomes the answer once its event is durable at the
// same generation. If the standing changed in between, everything is decided again on the new one.
func (g *Gate) settle(ctx context.Context, x *exchange, j *judge, prepare func(*judge) (draft, *refusal)) (answer, *refusal) {
	// If the caller hangs up, the commit still completes.
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
		err := g.commit(ctx, x, release)
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

// forget drops what an earlier draft put into the exchange.
func (x *exchange) forget() {
	x.records, x.obligations, x.categories, x.disclosed, x.emergency = nil, nil, nil, nil, nil
}

// use notes a verdict on which the answer rests.
func (x *exchange) use(j *judge, v *verdict) {
	x.records = append(x.records, v.Records...)
	x.obligations = append(x.obligations, v.Obligations...)
	if v.emergency {
		x.emergency = j.declaration
	}
}

// sorted sorts and deduplicates what was noted for the event.
func (x *exchange) sorted() {
	slices.Sort(x.records)
	x.records = slices.Compact(x.records)
	slices.Sort(x.obligations)
	x.obligations = slices.Compact(x.obligations)
	slices.Sort(x.categories)
	x.categories = slices.Compact(x.categories)
}

// disclose notes for the event that a resource is ready for release: its name, Type/id, and its categories.
func (x *exchange) disclose(j *judge, name string, categories []fhir.DataCategory) {
	x.disclosed = append(x.disclosed, name)
	for _, category := range categories {
		if !slices.Contains(x.categories, category) {
			x.categories = append(x.categories, category)
			x.use(j, j.decide(category))
		}
	}
}

// permits reports whether a resource may leave: it is this person's and nobody else's, and each of its data categories is permitted. It is
// called when resources are picked, and again when they are noted for the event.
func (j *judge) permits(r *fhir.Resource) bool {
	if r.Shared || !r.Attributed || r.Patient != j.person.id {
		return false
	}
	return j.onlyPerson(r.Identifiers) && j.all(r.Categories)
}

// onlyPerson reports whether none of the identifiers is another person's (leaks.md RF-5, RM-8, RM-23).
func (j *judge) onlyPerson(identifiers []fhir.Identifier) bool {
	for _, identifier := range identifiers {
		person, err := consent.NormalizePerson(identifier)
		if err != nil || person != j.person.person {
			return false
		}
	}
	return true
}

// permitsShared is permits for a resource that belongs to nobody: any category that it has must be permitted, and it must have no person's
// identifier.
func (j *judge) permitsShared(r *fhir.Resource) bool {
	return r.Shared && len(r.Identifiers) == 0 && (len(r.Categories) == 0 || j.all(r.Categories))
}

// display reports whether the display text of a reference to a type may stay: only if everything that the type can hold is permitted
// (leaks.md RF-13, RF-14), and everything that a code or label can add to it; for nobody, if some codes are never disclosed. Shared types
// have no category of their own and hold no such codes, except Medication, whose name says what its code says (CA-6).
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

// edits are the changes made to every released resource.
func (g *Gate) edits(x *exchange, j *judge) fhir.Edits {
	kind := j.request.Actor.Kind
	return fhir.Edits{
		Base: g.base(x.source), KeepDisplay: func(typ string) bool { return j.display(x.source, typ) },
		// The law keeps the BSN out of the personal domain.
		StripIdentifiers: kind == policy.KindPatient || kind == policy.KindRepresentative, Number: j.maskable(),
	}
}

// maskable is the patient's number, unless the source also uses it as its id: then the ids and references would not be usable.
func (j *judge) maskable() string {
	if string(j.person.id) == j.person.person.Value {
		return ""
	}
	return j.person.person.Value
}

// resourceEdits are edits plus links of our own to the attachments of one resource.
func (g *Gate) resourceEdits(x *exchange, j *judge, r *fhir.Resource) fhir.Edits {
	e := g.edits(x, j)
	e.Attachment = func(binary fhir.ID) string { return g.attachmentLink(x, j, r, binary) }
	return e
}

func (g *Gate) base(s *Source) string { return g.parts.PublicURL + "/fhir/" + s.ID }

// buffer takes memory for a rendered body from the budget; give returns it.
func (g *Gate) buffer(x *exchange, size int) (buf []byte, give func(), ref *refusal) {
	n, owner := int64(size), x.caller
	if !g.memory.take(owner, n) {
		return nil, nil, refuse(causeOverloaded, "memory")
	}
	return slices.Grow(takeBuffer(), size), func() { g.memory.give(owner, n) }, nil
}

// stale reports whether the first byte would come too long after the commit, which is then repeated (promise 3).
func (a *answer) stale(now time.Time) bool {
	return len(a.releases) > 0 && now.Sub(a.committed) >= time.Second
}

// challenged adds a WWW-Authenticate value.
func (r *refusal) challenged(value string) *refusal {
	r.challenge = value
	return r
}
