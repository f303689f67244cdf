package proxy

import (
	"context"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// serveVersions serves vread and history of one resource, if the source's configuration allows them. An older version can have had another
// patient or category: both the version served and the current one must be permitted (leaks.md RD-8, RD-9).
func (g *Gate) serveVersions(ctx context.Context, x *exchange, request policy.Request) (answer, *refusal) {
	current, j, ref := g.current(ctx, x, request)
	if ref != nil {
		return answer{}, ref
	}
	defer current.release()
	// A resource that is withheld now costs the same work as an absent one: its versions are not fetched.
	if r := &current.contents.Resources[0]; !current.permits(j, r) {
		return answer{}, hidden(g.deniedResource(x, j, current))
	}
	versions, ref := g.versions(ctx, x, fhir.LocalReference{Type: x.interaction.Type, ID: x.interaction.ID})
	if ref != nil {
		return answer{}, ref
	}
	defer versions.release()
	a, ref := g.settle(ctx, x, j, func(j *judge) (draft, *refusal) { return g.draftVersions(x, j, current, versions) })
	return a, hidden(ref)
}

// versions fetches the requested version or history. A history is fetched in the largest page, not the caller's: whether that is full would
// reveal how many versions there are, withheld ones too.
func (g *Gate) versions(ctx context.Context, x *exchange, want fhir.LocalReference) (*readAnswer, *refusal) {
	if x.interaction.Code == fhir.CodeVRead {
		return g.readResource(ctx, x, want, "/"+x.interaction.Outbound(x.source.Version, ""))
	}
	f, ref := g.fetch(ctx, x, ask{path: "/" + x.interaction.WithCount(fhir.MaxCount).Outbound(x.source.Version, "")})
	if ref != nil {
		return nil, ref
	}
	if !f.found {
		return nil, refuse(causeNotFound, "absent")
	}
	a := &readAnswer{fetched: f, contents: contents.Get().(*fhir.Contents)}
	if err := x.source.Reader.History(f.body, want, a.contents); err != nil {
		a.release()
		return nil, &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	if a.contents.Next != "" { // a paged history would have to be served whole
		a.release()
		return nil, refuse(causeTooLarge, "history-too-large")
	}
	return a, nil
}

// draftVersions decides on the current version first, then on each one served.
func (g *Gate) draftVersions(x *exchange, j *judge, current, versions *readAnswer) (draft, *refusal) {
	if r := &current.contents.Resources[0]; !current.permits(j, r) {
		return draft{}, g.deniedResource(x, j, current)
	}
	c := versions.contents
	keep := make([]bool, len(c.Resources))
	most, kept := x.interaction.Count(), 0
	for i := range c.Resources {
		if most > 0 && kept == most {
			break
		}
		if keep[i] = current.permits(j, &c.Resources[i]); keep[i] {
			x.disclose(j, c.Name(i), c.Resources[i].Categories)
			kept++
		}
	}
	if kept == 0 {
		return draft{}, refuse(causeForbidden, "version-hidden")
	}
	x.sorted()
	d := draft{outcome: audit.OutcomePermit, reason: j.reason(x.categories)}
	e := g.edits(x, j)
	if x.interaction.Code == fhir.CodeVRead {
		d.body = c.AppendResource(nil, 0, e)
		return d, nil
	}
	e.Self = g.selfLink(x)
	d.body = c.AppendHistory(nil, x.source.Version, keep, e)
	return d, nil
}
