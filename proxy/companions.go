package proxy

import (
	"context"
	"maps"
	"slices"
	"strings"

	"zorgsluis/fhir"
)

// maxCompanionRounds limits how deep references are followed: a prescription names a role, the role a practitioner, and no further.
const maxCompanionRounds = 3

// accompany fetches the companions of the picks: the shared resources that they refer to, and that come along at a source as well (R4
// §8.1.16). Only ids from kept resources are requested, so the requests reveal nothing of withheld ones. If the standing changes later and
// more is kept, companions of the added resources are missing.
func (g *Gate) accompany(ctx context.Context, x *exchange, j *judge, found *gathered, picks []pick) *refusal {
	asked := map[fhir.LocalReference]bool{}
	for _, p := range picks {
		asked[name(p.resource())] = true
	}
	for range maxCompanionRounds {
		missing := map[string][]fhir.ID{}
		for _, p := range picks {
			for _, ref := range p.resource().References {
				if !asked[ref] && x.interaction.BringsAlong(x.source.Version, ref.Type) {
					asked[ref] = true
					missing[ref.Type] = append(missing[ref.Type], ref.ID)
				}
			}
		}
		from := len(found.companions)
		for _, typ := range slices.Sorted(maps.Keys(missing)) {
			slices.Sort(missing[typ])
			for ids := range slices.Chunk(missing[typ], fhir.MaxCompanions) {
				if ref := g.companionPages(ctx, x, found, x.interaction.CompanionSearch(x.source.Version, typ, ids)); ref != nil {
					return ref
				}
			}
		}
		if picks = found.along(j, from); len(picks) == 0 {
			break
		}
	}
	return nil
}

// companionPages fetches all pages of one search for companions. A source without the type has none.
func (g *Gate) companionPages(ctx context.Context, x *exchange, found *gathered, search string) *refusal {
	for path := "/" + search; ; {
		f, ref := g.fetch(ctx, x, ask{path: path})
		if ref != nil || !f.found {
			return ref
		}
		page := &sourcePage{fetched: f, contents: contents.Get().(*fhir.Contents)}
		found.companions = append(found.companions, page)
		if err := x.source.Reader.Searchset(f.body, page.contents); err != nil {
			return &refusal{cause: causeBadSource, reason: "source-content", err: err}
		}
		if found.size() > int(g.parts.Limits.ResponseBody) || len(found.companions) > maxCompanionPages {
			return refuse(causeTooLarge, "page-too-large")
		}
		if page.contents.Next == "" {
			return nil
		}
		next, ok := below(x.source.Base, page.contents.Next)
		if !ok {
			return refuse(causeBadSource, "source-next-origin")
		}
		path = next
	}
}

// maxCompanionPages limits the pages of companions that one page of ours takes.
const maxCompanionPages = 100

// along picks the permitted shared resources from the companion pages, starting at page from.
func (r *gathered) along(j *judge, from int) (picks []pick) {
	for _, page := range r.companions[from:] {
		for i := range page.contents.Resources {
			if j.permitsShared(&page.contents.Resources[i]) {
				picks = append(picks, pick{page, i, fhir.ModeInclude})
			}
		}
	}
	return picks
}

// companionsOf picks the companions of picks, each once, sorted by name: what a pick or one of its companions refers to. As with an
// include, every page that refers to a companion contains it: each page is complete in itself.
func (r *gathered) companionsOf(j *judge, picks []pick) []pick {
	if len(r.companions) == 0 {
		return nil
	}
	referred, given := map[fhir.LocalReference]bool{}, map[fhir.LocalReference]bool{}
	note := func(p pick) {
		given[name(p.resource())] = true
		for _, ref := range p.resource().References {
			referred[ref] = true
		}
	}
	for _, p := range picks {
		note(p)
	}
	var along []pick
	candidates := r.along(j, 0)
	for range maxCompanionRounds {
		for _, p := range candidates {
			if one := name(p.resource()); referred[one] && !given[one] {
				along = append(along, p)
				note(p)
			}
		}
	}
	slices.SortFunc(along, func(a, b pick) int {
		return strings.Compare(name(a.resource()).String(), name(b.resource()).String())
	})
	return along
}
