package proxy

import (
	"context"

	"zorgsluis/fhir"
)

// sourcePage is one page of a source, read and scanned.
type sourcePage struct {
	at       position // where it begins
	typ      string   // of its matches
	fetched  *fetched
	contents *fhir.Contents
	after    *position // what follows in the plan; nil at the end
}

// gathered are the pages of a source from which one page of ours is made.
type gathered struct{ pages []*sourcePage }

// release gives back the memory. Nothing that was read from the pages may be used afterwards.
func (r *gathered) release() {
	for _, p := range r.pages {
		p.fetched.release()
		contents.Put(p.contents)
	}
	r.pages = nil
}

// gather asks the source page by page until more matches than count are permitted, the plan ends, or the bound is reached. One match
// more than the page holds is looked for so that there is a next link only if a further permitted row exists (leaks.md OR-7).
func (g *Gate) gather(ctx context.Context, x *exchange, j *judge, p plan, start position, count int) (*gathered, *refusal) {
	result := &gathered{}
	found, bytes := 0, int64(0)
	for at := &start; at != nil && len(result.pages) < len(p.searches)+maxExtraPages; {
		if at.Next == "" && len(p.searches) > 1 && !j.first(x.source.Classifier.TypeCategories(p.searches[at.Search].Type)).Permit {
			at = p.nextSearch(*at) // nothing of this type could be kept
			continue
		}
		page, ref := g.sourcePage(ctx, x, j, p, *at)
		if ref != nil {
			result.release()
			return nil, ref
		}
		result.pages = append(result.pages, page)
		for i := range page.contents.Resources {
			if page.isMatch(i) && j.permits(&page.contents.Resources[i]) {
				found++
			}
		}
		found -= page.skipped(j)
		if bytes += int64(len(page.fetched.body)); bytes > g.parts.Limits.ResponseBody {
			result.release()
			return nil, refuse(causeTooLarge, "page-too-large")
		}
		if found > count {
			break
		}
		at = page.after
	}
	return result, nil
}

// nextSearch is the beginning of the search after the one at which at lies.
func (p plan) nextSearch(at position) *position {
	if at.Search+1 < len(p.searches) {
		return &position{Search: at.Search + 1}
	}
	return nil
}

// sourcePage asks for one page of the source.
func (g *Gate) sourcePage(ctx context.Context, x *exchange, j *judge, p plan, at position) (*sourcePage, *refusal) {
	path := p.path(x, at, j.person.id)
	if path == "" {
		return nil, refuse(causeInternal, "not-bindable")
	}
	f, ref := g.fetch(ctx, x, ask{path: path})
	if ref != nil {
		return nil, ref
	}
	if !f.found {
		return nil, refuse(causeBadSource, "source-status")
	}
	page := &sourcePage{at: at, typ: p.searches[at.Search].Type, fetched: f, contents: contents.Get().(*fhir.Contents)}
	if ref := page.read(x, p, j); ref != nil {
		f.release()
		contents.Put(page.contents)
		return nil, ref
	}
	return page, nil
}

// read scans the page and finds what follows it.
func (s *sourcePage) read(x *exchange, p plan, j *judge) *refusal {
	if err := x.source.Reader.Searchset(s.fetched.body, s.contents); err != nil {
		return &refusal{cause: causeBadSource, reason: "source-content", err: err}
	}
	// A source that ignored a parameter gave more than was asked for (leaks.md SE-12).
	if s.at.Next == "" && !p.searches[s.at.Search].SelfLinkCovers(x.source.Version, s.contents.Self, x.source.Base, j.person.id) {
		return refuse(causeBadSource, "source-self-link")
	}
	if s.contents.Next == "" {
		s.after = p.nextSearch(s.at)
		return nil
	}
	next, ok := below(x.source.Base, s.contents.Next)
	if !ok {
		return refuse(causeBadSource, "source-next-origin")
	}
	if next == s.at.Next {
		return refuse(causeBadSource, "source-next-loop")
	}
	s.after = &position{Search: s.at.Search, Next: next}
	return nil
}

// isMatch reports whether a resource is one that was searched for. What the source adds beside is an include, or nothing.
func (s *sourcePage) isMatch(i int) bool {
	r := &s.contents.Resources[i]
	return r.Mode == fhir.ModeMatch && r.Type == s.typ
}

// skipped is how many permitted matches lie before the beginning of our page.
func (s *sourcePage) skipped(j *judge) int {
	n, matches := 0, 0
	for i := range s.contents.Resources {
		if !s.isMatch(i) {
			continue
		}
		if matches++; matches > s.at.Skip {
			break
		}
		if j.permits(&s.contents.Resources[i]) {
			n++
		}
	}
	return n
}

// pick is a resource that is given.
type pick struct {
	page *sourcePage
	i    int
}

func (p pick) resource() *fhir.Resource { return &p.page.contents.Resources[p.i] }

// matches picks the permitted matches of a page, in the order of the source, and says where the next page begins: nil where there
// is none.
func (r *gathered) matches(j *judge, count int) (picks []pick, more *position) {
	for _, page := range r.pages {
		matches := 0
		for i := range page.contents.Resources {
			if !page.isMatch(i) {
				continue
			}
			if matches++; matches <= page.at.Skip || !j.permits(&page.contents.Resources[i]) {
				continue
			}
			if len(picks) == count {
				return picks, &position{Search: page.at.Search, Next: page.at.Next, Skip: matches - 1}
			}
			picks = append(picks, pick{page, i})
		}
	}
	if len(r.pages) == 0 {
		return picks, nil
	}
	return picks, r.pages[len(r.pages)-1].after
}

// includes picks what came along with the matches: permitted resources of this person, and of shared types, that a picked one refers
// to or that refer to a picked one, directly or through another. What nothing connects is not given (leaks.md IN-8).
func (r *gathered) includes(j *judge, picks []pick) []pick {
	var candidates []pick
	for _, page := range r.pages {
		for i := range page.contents.Resources {
			if page.contents.Resources[i].Mode == fhir.ModeInclude {
				candidates = append(candidates, pick{page, i})
			}
		}
	}
	given, referred := map[fhir.LocalReference]bool{}, map[fhir.LocalReference]bool{}
	for _, p := range picks {
		note(given, referred, p.resource())
	}
	var included []pick
	for again := len(candidates) > 0; again; {
		again = false
		rest := candidates[:0]
		for _, p := range candidates {
			one := p.resource()
			if given[name(one)] || !connected(given, referred, one) || !j.permits(one) && !j.permitsShared(one) {
				rest = append(rest, p)
				continue
			}
			included, again = append(included, p), true
			note(given, referred, one)
		}
		candidates = rest
	}
	return included
}

func name(r *fhir.Resource) fhir.LocalReference { return fhir.LocalReference{Type: r.Type, ID: r.ID} }

func note(given, referred map[fhir.LocalReference]bool, r *fhir.Resource) {
	given[name(r)] = true
	for _, ref := range r.References {
		referred[ref] = true
	}
	if r.Attributed {
		referred[fhir.LocalReference{Type: "Patient", ID: r.Patient}] = true
	}
}

// connected reports whether a picked resource refers to r, or r, of a type that belongs to patients, to a picked one.
func connected(given, referred map[fhir.LocalReference]bool, r *fhir.Resource) bool {
	if referred[name(r)] || r.Shared {
		return referred[name(r)]
	}
	for _, ref := range r.References {
		if given[ref] {
			return true
		}
	}
	return r.Attributed && given[fhir.LocalReference{Type: "Patient", ID: r.Patient}]
}
