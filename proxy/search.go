package proxy

import (
	"context"
	"slices"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// serveSearch serves a search about one person, and the operations made of searches: the request is narrowed to that person, and the answer
// is checked resource by resource.
func (g *Gate) serveSearch(ctx context.Context, x *exchange, request policy.Request) (answer, *refusal) {
	m, start, ref := g.target(ctx, x)
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
	p := g.plan(x, x.interaction)
	if !p.valid(start) {
		return answer{}, refuse(causeNotFound, "cursor-invalid")
	}
	if x.interaction.Code == fhir.CodeLastN {
		return g.serveLastN(ctx, x, j, p)
	}
	found, ref := g.gather(ctx, x, j, p, start)
	if ref != nil {
		return answer{}, ref
	}
	defer found.release()
	if x.interaction.Code == fhir.CodeEverything {
		picks, _ := found.matches(j, p.count)
		if ref := g.accompany(ctx, x, j, found, picks); ref != nil {
			return answer{}, ref
		}
	}
	return g.page(ctx, x, j, found, func(j *judge) (choice, *refusal) {
		picks, more := found.matches(j, p.count)
		return choice{picks, more}, nil
	})
}

// choice is the rows that a page shows, and the position of those that follow; nil at the end.
type choice struct {
	picks []pick
	more  *position
}

// page renders what choose picks from the gathered pages, under the standing that it is recorded on.
func (g *Gate) page(ctx context.Context, x *exchange, j *judge, found *gathered, choose func(*judge) (choice, *refusal)) (answer, *refusal) {
	buf, give, ref := g.buffer(x, found.size()+4096)
	if ref != nil {
		return answer{}, ref
	}
	a, ref := g.settle(ctx, x, j, func(j *judge) (draft, *refusal) {
		if ref := g.permitsAny(x, j); ref != nil { // the standing may have changed since the first look
			return draft{}, ref
		}
		chosen, ref := choose(j)
		if ref != nil {
			return draft{}, ref
		}
		d, ref := g.draftPage(x, j, found, chosen, buf[:0])
		if ref == nil {
			buf = d.body
		}
		return d, ref
	})
	if ref != nil {
		give()
		return answer{}, ref
	}
	a.free = func() { give(); putBuffer(buf) }
	return a, nil
}

// target finds whose record is searched and where the page begins: from the parsed interaction, or a cursor that we sealed.
func (g *Gate) target(ctx context.Context, x *exchange) (*mapped, position, *refusal) {
	if x.interaction.Cursor != "" {
		c, ref := g.openCursor(x)
		if ref != nil {
			return nil, position{}, ref
		}
		m, ref := g.resolveID(ctx, x, c.Patient)
		if ref != nil {
			return nil, position{}, ref
		}
		if m.key != c.Person { // the source has reassigned its ids: the link is about somebody else
			return nil, position{}, refuse(causeNotFound, "cursor-invalid")
		}
		return m, c.At, nil
	}
	name, ref := g.whose(x)
	if ref != nil {
		return nil, position{}, ref
	}
	m, ref := g.resolve(ctx, x, name)
	return m, position{}, ref
}

// whose returns which patient a search is about. If it names nobody, the token of a patient or representative binds it to its own record
// (MedMij queries carry no patient); everybody else must name one.
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

// permitsAny refuses a search, before the source is asked, if the caller may see nothing at all of the person. If anything is permitted,
// the rest is simply not there.
func (g *Gate) permitsAny(x *exchange, j *judge) *refusal {
	v := j.first(x.source.Classifier.TypeCategories(x.interaction.Type))
	if v.Permit || j.first(g.parts.Categories).Permit {
		return nil
	}
	x.use(j, v)
	return g.denied(x, v.Reason)
}

// draftPage notes what a page discloses, and renders it.
func (g *Gate) draftPage(x *exchange, j *judge, found *gathered, chosen choice, buf []byte) (draft, *refusal) {
	picks := chosen.picks
	if x.interaction.HasIncludes() {
		picks = append(picks[:len(picks):len(picks)], found.includes(j, picks, x.interaction.Includes(x.source.Version))...)
	}
	picks = append(picks[:len(picks):len(picks)], found.companionsOf(j, picks)...)
	x.disclosed = slices.Grow(x.disclosed, len(picks))
	for _, p := range picks {
		x.disclose(j, p.name(), p.resource().Categories)
	}
	d := draft{outcome: audit.OutcomePermit}
	if len(x.categories) == 0 { // no patient data: the event says whether such data would have been permitted
		v := j.first(x.source.Classifier.TypeCategories(x.interaction.Type))
		x.use(j, v)
		if d.reason = v.Reason; !v.Permit {
			d.outcome = audit.OutcomeDeny
		}
	} else {
		d.reason = j.reason(x.categories)
	}
	x.sorted()
	next, ref := g.nextLink(x, j, chosen.more)
	if ref != nil {
		return draft{}, ref
	}
	e := g.edits(x, j)
	e.Self, e.Next = g.selfLink(x), next
	set := fhir.NewSearchset(buf, e)
	var holder *fhir.Resource
	link := func(binary fhir.ID) string { return g.attachmentLink(x, j, holder, binary) }
	for _, p := range picks {
		holder = p.resource()
		set.AddAs(p.page.contents, p.i, p.mode, link)
	}
	d.body = set.Bytes()
	return d, nil
}

// size returns the size of the gathered pages in bytes.
func (r *gathered) size() int {
	n := 0
	for _, page := range slices.Concat(r.pages, r.companions) {
		n += len(page.fetched.body)
	}
	return n
}

// selfLink returns the request as understood, with the patient's value replaced; for a page link, that link.
func (g *Gate) selfLink(x *exchange) string {
	if x.cursor != "" {
		return g.base(x.source) + "/" + x.interaction.Page(x.cursor)
	}
	return g.base(x.source) + "/" + x.query
}
