package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"zorgsluis/fhir"
)

// sourcePage is one page of a source, read and scanned.
type sourcePage struct {
	at           position // where it begins
	typ          string   // of its matches
	fetched      *fetched
	contents     *fhir.Contents
	after        *position // what follows in the plan; nil at the end
	ofMedication bool      // of the plan
	medications  map[fhir.LocalReference]*fhir.Resource
}

// release gives back the memory of one page.
func (s *sourcePage) release() {
	s.fetched.release()
	contents.Put(s.contents)
}

// gathered are the pages of a source from which one page of ours is made.
type gathered struct {
	pages      []*sourcePage
	rest       *position     // what follows them in the plan; nil at the end
	companions []*sourcePage // of shared resources, for $everything
}

// release gives back the memory. Nothing that was read from the pages may be used afterwards.
func (r *gathered) release() {
	for _, p := range slices.Concat(r.pages, r.companions) {
		p.release()
	}
	r.pages, r.companions = nil, nil
}

// gather asks the source page by page until more matches than count are permitted, the plan ends, or the bound is reached. One match
// more than the page holds is looked for so that there is a next link only if a further permitted row exists (leaks.md OR-7).
func (g *Gate) gather(ctx context.Context, x *exchange, j *judge, p plan, start position, count int) (*gathered, *refusal) {
	result := &gathered{}
	found, bytes := 0, int64(0)
	at := &start
	for found <= count && at != nil && len(result.pages) < len(p.searches)+maxExtraPages {
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
			if page.isMatch(i) && page.permits(j, i) {
				found++
			}
		}
		found -= page.skipped(j)
		if bytes += int64(len(page.fetched.body)); bytes > g.parts.Limits.ResponseBody {
			result.release()
			return nil, refuse(causeTooLarge, "page-too-large")
		}
		at = page.after
	}
	result.rest = at
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
	page := &sourcePage{at: at, typ: p.searches[at.Search].Type, fetched: f, contents: contents.Get().(*fhir.Contents), ofMedication: p.ofMedication}
	if ref := page.read(x, p, j); ref != nil {
		page.release()
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
	s.noteMedications()
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
	if _, ok := (position{s.at.Search, next, mostRows}).fill(); !ok {
		return &refusal{cause: causeBadSource, reason: "source-next-too-long", err: fmt.Errorf(
			"a page link of the source has %d bytes below its base, more than %d: it has to refer to its searches more shortly", len(next), positionSize)}
	}
	return nil
}

// everyMatch is more than a source can have.
const everyMatch = int(^uint(0) >> 1)

// mostRows is more than a page of a source can hold.
const mostRows = 9_999_999

// isMatch reports whether a resource is one that was searched for. What the source adds beside is an include, or nothing.
func (s *sourcePage) isMatch(i int) bool {
	r := &s.contents.Resources[i]
	return (r.Mode == fhir.ModeMatch || r.Mode == fhir.ModeUnsaid) && r.Type == s.typ
}

// permits asserts for a resource what judge.permits does, and that every Medication to which it refers for what it is about may be seen: each
// search asks for them. One that did not come along hides a match only where the search asked about it: then the answer would tell the
// code of one that may not be seen (leaks.md OR-3, CA-6).
func (s *sourcePage) permits(j *judge, i int) bool {
	r := &s.contents.Resources[i]
	if !j.permits(r) {
		return false
	}
	for ref := range medications(j.exchange.source.Version, r) {
		m, along := s.medications[ref]
		if along && !j.permitsShared(m) || !along && s.ofMedication && s.isMatch(i) {
			return false
		}
	}
	return true
}

// noteMedications notes the Medications that came along.
func (s *sourcePage) noteMedications() {
	for i := range s.contents.Resources {
		if r := &s.contents.Resources[i]; r.Type == typeMedication {
			if s.medications == nil {
				s.medications = map[fhir.LocalReference]*fhir.Resource{}
			}
			s.medications[name(r)] = r
		}
	}
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
		if s.permits(j, i) {
			n++
		}
	}
	return n
}

// pick is a resource that is given.
type pick struct {
	page *sourcePage
	i    int
	mode fhir.Mode
}

func (p pick) resource() *fhir.Resource { return &p.page.contents.Resources[p.i] }

func (p pick) name() string { return p.page.contents.Name(p.i) }

// matches picks the permitted matches of a page, in the order of the source, and says where the next page begins: nil where there
// is none.
func (r *gathered) matches(j *judge, count int) (picks []pick, more *position) {
	for _, page := range r.pages {
		picks = slices.Grow(picks, min(count-len(picks), len(page.contents.Resources)))
		matches := 0
		for i := range page.contents.Resources {
			if !page.isMatch(i) {
				continue
			}
			if matches++; matches <= page.at.Skip || !page.permits(j, i) {
				continue
			}
			if len(picks) == count {
				return picks, &position{Search: page.at.Search, Next: page.at.Next, Skip: matches - 1}
			}
			picks = append(picks, pick{page, i, fhir.ModeMatch})
		}
	}
	return picks, r.rest
}

// includes picks what came along with the matches: permitted resources of this person, and of shared types, each of which an include
// that was asked for connects with a picked one. What nothing connects is not given (leaks.md IN-8): it may be there for the sake of a
// hidden one. Nor may a page tell where the pages of the source end, which is the place of hidden rows too: a match that is not
// picked can come along as well, since at the source it would on another page; and the order is our own.
func (r *gathered) includes(j *judge, picks []pick, asked []fhir.Include) []pick {
	var candidates []pick
	for _, page := range r.pages {
		for i := range page.contents.Resources {
			if page.isMatch(i) || page.contents.Resources[i].Mode != fhir.ModeMatch {
				candidates = append(candidates, pick{page, i, fhir.ModeInclude})
			}
		}
	}
	n := network{asked: asked, given: map[fhir.LocalReference]bool{}, reached: map[fhir.LocalReference]bool{}}
	for _, p := range picks {
		n.give(p)
	}
	for _, p := range candidates {
		n.reverse(p)
	}
	var included []pick
	for again := len(candidates) > 0; again; {
		again = false
		rest := candidates[:0]
		for _, p := range candidates {
			one := p.resource()
			if n.given[name(one)] || !n.reached[name(one)] || !p.page.permits(j, p.i) && !j.permitsShared(one) {
				rest = append(rest, p)
				continue
			}
			included, again = append(included, p), true
			n.give(p)
		}
		candidates = rest
	}
	slices.SortStableFunc(included, func(a, b pick) int { return strings.Compare(name(a.resource()).String(), name(b.resource()).String()) })
	return included
}

func name(r *fhir.Resource) fhir.LocalReference { return fhir.LocalReference{Type: r.Type, ID: r.ID} }

// network is how the resources that are given hang together: which they are, and to which the includes that were asked for lead from
// them. An include leads by the elements of its parameter only: a resource that is named by another one came along for the sake of
// something else, which may be hidden.
type network struct {
	asked          []fhir.Include
	given, reached map[fhir.LocalReference]bool
}

// give takes a resource in, and follows the includes from it: those that iterate, and from a match the others too.
func (n *network) give(p pick) {
	n.given[name(p.resource())] = true
	for _, in := range n.asked {
		if in.Reverse || p.mode != fhir.ModeMatch && !in.Iterate {
			continue
		}
		for ref := range p.page.contents.Follow(p.i, in) {
			n.reached[ref] = true
		}
	}
}

// reverse notes a resource that a reverse include leads to, as long as only matches are given.
func (n *network) reverse(p pick) {
	for _, in := range n.asked {
		if !in.Reverse {
			continue
		}
		for ref := range p.page.contents.Follow(p.i, in) {
			if n.given[ref] {
				n.reached[name(p.resource())] = true
			}
		}
	}
}
