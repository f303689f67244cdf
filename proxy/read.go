package proxy

import (
	"context"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// serveRead serves a read by id. Only the resource itself says whose record it is and of which category: it is fetched first, and decided
// on before anything of it leaves. Absent, withheld and unattributable give the same 404 (leaks.md RD-3 … RD-6).
func (g *Gate) serveRead(ctx context.Context, x *exchange, request policy.Request) (answer, *refusal) {
	read, j, ref := g.current(ctx, x, request)
	if ref != nil {
		return answer{}, ref
	}
	defer read.release()
	buf, give, ref := g.buffer(x, len(read.fetched.body))
	if ref != nil {
		return answer{}, ref
	}
	a, ref := g.settle(ctx, x, j, func(j *judge) (draft, *refusal) {
		d, ref := g.draftRead(x, j, read, buf[:0])
		if ref == nil {
			buf = d.body
		}
		return d, ref
	})
	if ref != nil {
		give()
		return answer{}, hidden(ref)
	}
	a.free = func() { give(); putBuffer(buf) }
	return a, nil
}

// current reads the resource that the interaction names, as it is now, and prepares the decision on its person. The caller must release the
// answer.
func (g *Gate) current(ctx context.Context, x *exchange, request policy.Request) (*readAnswer, *judge, *refusal) {
	want := fhir.LocalReference{Type: x.interaction.Type, ID: x.interaction.ID}
	if fhir.ClassOf(x.source.Version, want.Type) != fhir.ClassPatient {
		return nil, nil, refuse(causeNotFound, "type-shared") // only served with a permitted resource that refers to it
	}
	read, ref := g.readResource(ctx, x, want, "/"+want.String())
	if ref != nil {
		return nil, nil, g.asIfHidden(ctx, x, ref)
	}
	m, ref := g.owner(ctx, x, &read.contents.Resources[0], read.fetched.body)
	if ref != nil {
		read.release()
		return nil, nil, hidden(ref)
	}
	x.person = m.key
	j, ref := g.judge(ctx, x, request, m)
	if ref == nil {
		ref = g.lookUp(ctx, x, j, read)
	}
	if ref != nil {
		read.release()
		return nil, nil, ref
	}
	return read, j, nil
}

// readAnswer is a source's answer to a read, scanned.
type readAnswer struct {
	fetched     *fetched
	contents    *fhir.Contents
	medications map[fhir.LocalReference]*readAnswer // looked up; nil for one that does not exist
}

func (a *readAnswer) release() {
	for _, m := range a.medications {
		if m != nil {
			m.release()
		}
	}
	a.fetched.release()
	contents.Put(a.contents)
}

// readResource fetches the one resource wanted; one that cannot be attributed to one patient counts as absent.
func (g *Gate) readResource(ctx context.Context, x *exchange, want fhir.LocalReference, path string) (*readAnswer, *refusal) {
	f, ref := g.fetch(ctx, x, ask{path: path})
	if ref != nil {
		return nil, ref
	}
	if !f.found {
		return nil, refuse(causeNotFound, "absent")
	}
	a := &readAnswer{fetched: f, contents: contents.Get().(*fhir.Contents)}
	if err := x.source.Reader.Resource(f.body, want, a.contents); err != nil {
		a.release()
		return nil, &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	if !a.contents.Resources[0].Attributed {
		a.release()
		return nil, refuse(causeNotFound, "unattributable")
	}
	return a, nil
}

// owner maps the patient of a fetched resource to the person; a Patient resource is its own proof.
func (g *Gate) owner(ctx context.Context, x *exchange, r *fhir.Resource, body []byte) (*mapped, *refusal) {
	if r.Type == "Patient" {
		return g.learn(x, body, r.ID)
	}
	return g.resolveID(ctx, x, r.Patient)
}

// nobody is the person whose standing is read if there is none to read.
var nobody = fhir.Identifier{System: "urn:zorgsluis:nobody", Value: "nobody"}

// asIfHidden does the same work for an absent resource as for a withheld one: without the round trip to the store, response time would tell
// them apart (leaks.md RD-5, OR-9; make timing). It also fails in the same way.
func (g *Gate) asIfHidden(ctx context.Context, x *exchange, ref *refusal) *refusal {
	if ref.cause != causeNotFound {
		return ref
	}
	if _, _, err := g.standing(ctx, x, g.parts.Standings.Key(nobody)); err != nil {
		return &refusal{cause: causeUnavailable, reason: "store-unavailable", err: err}
	}
	if unavailable := g.asIfRelated(ctx, x); unavailable != nil {
		return unavailable
	}
	return ref
}

// hidden makes a denied read look like an absent resource. What depends on the caller alone was answered before.
func hidden(ref *refusal) *refusal {
	if ref != nil && ref.cause == causeForbidden {
		ref.cause, ref.challenge = causeNotFound, ""
	}
	return ref
}

// draftRead decides on the resource and renders it.
func (g *Gate) draftRead(x *exchange, j *judge, read *readAnswer, buf []byte) (draft, *refusal) {
	c := read.contents
	r := &c.Resources[0]
	if !read.permits(j, r) {
		return draft{}, g.deniedResource(x, j, read)
	}
	x.disclose(j, c.Name(0), r.Categories)
	x.sorted()
	body := c.AppendResource(buf, 0, g.resourceEdits(x, j, r))
	return draft{body: body, outcome: audit.OutcomePermit, reason: j.reason(x.categories)}, nil
}

// deniedResource refuses a resource, noting for the event why it is withheld.
func (g *Gate) deniedResource(x *exchange, j *judge, a *readAnswer) *refusal {
	for _, category := range a.categories() {
		if v := j.decide(category); !v.Permit {
			x.use(j, v)
			return refuse(causeForbidden, v.Reason)
		}
	}
	return refuse(causeForbidden, "unattributable")
}

// reason returns why a disclosure was permitted: the emergency if one category needed it, else the first category's reason.
func (j *judge) reason(categories []fhir.DataCategory) policy.Reason {
	var reason policy.Reason
	for _, category := range categories {
		v := j.decide(category)
		if v.emergency {
			return v.Reason
		}
		if reason == "" {
			reason = v.Reason
		}
	}
	return reason
}
