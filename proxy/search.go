package proxy

import (
	"context"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// serveSearch answers a type search about one person: narrowed to that person on the way out, checked resource by resource on the
// way back.
func (g *Gate) serveSearch(ctx context.Context, x *exchange, request policy.Request) (answer, *refusal) {
	m, path, ref := g.target(ctx, x)
	if ref != nil {
		return answer{}, ref
	}
	x.person = m.key
	j, ref := g.judge(ctx, x, request, m)
	if ref != nil {
		return answer{}, ref
	}
	if ref := g.permitsAny(x, j); ref != nil {
		return answer{}, ref
	}
	f, ref := g.fetch(ctx, x, ask{path: path})
	if ref != nil {
		return answer{}, ref
	}
	defer f.release()
	if !f.found {
		return answer{}, refuse(causeBadSource, "source-status")
	}
	c := contents.Get().(*fhir.Contents)
	defer contents.Put(c)
	if err := x.source.Reader.Searchset(f.body, c); err != nil {
		return answer{}, &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	buf, give, ref := g.buffer(len(f.body) + 4096)
	if ref != nil {
		return answer{}, ref
	}
	a, ref := g.settle(ctx, x, j, func(j *judge) (draft, *refusal) {
		d, ref := g.draftSearch(x, j, c, buf[:0])
		buf = d.body
		return d, ref
	})
	if ref != nil {
		give()
		return answer{}, ref
	}
	a.free = func() { give(); putBuffer(buf) }
	return a, nil
}

// target finds whose record is searched and what to ask the source: from the parsed interaction, or from a cursor that we sealed.
func (g *Gate) target(ctx context.Context, x *exchange) (*mapped, string, *refusal) {
	if x.interaction.Cursor != "" {
		c, ref := g.openCursor(x)
		if ref != nil {
			return nil, "", ref
		}
		m, ref := g.resolveID(ctx, x, c.Patient)
		if ref != nil {
			return nil, "", ref
		}
		if m.key != c.Person { // the source renamed its patients since: the link is about somebody else
			return nil, "", refuse(causeNotFound, "cursor-invalid")
		}
		return m, c.Next, nil
	}
	name, ref := g.whose(x)
	if ref != nil {
		return nil, "", ref
	}
	m, ref := g.resolve(ctx, x, name)
	if ref != nil {
		return nil, "", ref
	}
	path := x.interaction.Outbound(x.source.Version, m.id)
	if path == "" { // the table knows no way to bind this search to the patient
		return nil, "", refuse(causeInternal, "not-bindable")
	}
	return m, "/" + path, nil
}

// whose says which patient a search is about. The token of a patient or representative binds every search that names nobody to its
// own record (MedMij queries carry no patient); everybody else must name one.
func (g *Gate) whose(x *exchange) (fhir.PatientName, *refusal) {
	if x.interaction.Patient.Named() {
		return x.interaction.Patient, nil
	}
	switch x.subject.Kind {
	case policy.KindPatient, policy.KindRepresentative:
		return fhir.PatientName{Identifier: x.subject.Person}, nil
	default:
		return fhir.PatientName{}, refuse(causePatientRequired, "patient-required")
	}
}

// permitsAny refuses a search about a person of whom the caller may see nothing at all, before the source is asked. Where something
// is permitted the rest is simply not there.
func (g *Gate) permitsAny(x *exchange, j *judge) *refusal {
	v := j.first(x.source.Classifier.TypeCategories(x.interaction.Type))
	if v.Permit || j.first(g.parts.Categories).Permit {
		return nil
	}
	x.use(j, v)
	return g.denied(v.Reason)
}

// draftSearch filters a page, notes what it discloses, and renders it.
func (g *Gate) draftSearch(x *exchange, j *judge, c *fhir.Contents, buf []byte) (draft, *refusal) {
	if ref := g.permitsAny(x, j); ref != nil { // the standing may have moved since the first look
		return draft{}, ref
	}
	keep := j.keep(c.Resources)
	for i := range c.Resources {
		if keep[i] {
			x.disclose(j, &c.Resources[i])
		}
	}
	d := draft{outcome: audit.OutcomePermit}
	if len(x.categories) == 0 { // nothing of anybody: the event says whether such data could have been seen
		v := j.first(x.source.Classifier.TypeCategories(x.interaction.Type))
		x.use(j, v)
		if d.reason = v.Reason; !v.Permit {
			d.outcome = audit.OutcomeDeny
		}
	} else {
		d.reason = j.reason(x.categories)
	}
	x.sorted()
	next, ref := g.nextLink(x, j, c.Next)
	if ref != nil {
		return draft{}, ref
	}
	e := g.edits(x, j)
	e.Self, e.Next = g.selfLink(x), next
	d.body = c.AppendSearchset(buf, keep, e)
	return d, nil
}

// selfLink is the query as it was understood, the patient's value replaced; of a page, the page link itself.
func (g *Gate) selfLink(x *exchange) string {
	self := g.base(x.source) + "/" + x.interaction.Type
	if x.interaction.Cursor != "" {
		return self + "?_cursor=" + x.interaction.Cursor
	}
	return self + trimType(x.query)
}
