package proxy

import (
	"context"
	"maps"
	"slices"
	"strings"

	"zorgsluis/fhir"
)

// maxCompanionRounds bounds how far references are followed: a prescription names a role, the role a practitioner, and that is it.
const maxCompanionRounds = 3

// accompany fetches the resources of shared types that come along with what is kept, as they do at a source (R4 §8.1.16). They are asked
// for by the ids that kept resources name: what the source is asked tells nothing of what is hidden. Where the standing moves later and
// more is kept, what only that refers to is not there.
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

// companionPages fetches one search for companions, all its pages. A source that does not have the type has none of them.
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

// maxCompanionPages bounds how many pages of companions one page of ours takes.
const maxCompanionPages = 100

// along picks the permitted shared resources of the pages of companions from one on.
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

// companionsOf picks what comes along with the picks, each once, by name: what one of them refers to, or what came along for it. As with
// an include, a later page that refers to it as well has it again: each page is whole by itself.
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
