package proxy

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"zorgsluis/fhir"
)

// sourcePage is one page of a source, read and scanned.
type sourcePage struct {
	at           position // where the page begins
	typ          string   // of its matches
	fetched      *fetched
	contents     *fhir.Contents
	after        *position // what follows in the plan; nil at the end
	ofMedication bool      // of the plan
	medications  map[fhir.LocalReference]*fhir.Resource
}

// release returns the memory of the page.
func (s *sourcePage) release() {
	s.fetched.release()
	contents.Put(s.contents)
}

// gathered are the source pages from which one page of ours is made.
type gathered struct {
	pages      []*sourcePage
	rest       *position     // what follows them in the plan; nil at the end
	companions []*sourcePage // of shared resources, for $everything
}

// release returns the memory. Nothing read from the pages may be used afterwards.
func (r *gathered) release() {
	for _, p := range slices.Concat(r.pages, r.companions) {
		p.release()
	}
	r.pages, r.companions = nil, nil
}

// gather fetches source pages until more than p.count matches are permitted, the plan ends, or the limit is reached. It looks for one match
// more than the page holds, so that there is a next link only if there is another permitted row (leaks.md OR-7).
func (g *Gate) gather(ctx context.Context, x *exchange, j *judge, p plan, start position) (*gathered, *refusal) {
	result := &gathered{}
	found, bytes := 0, int64(0)
	at := &start
	for found <= p.count && at != nil && len(result.pages) < len(p.searches)+maxExtraPages {
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
		if bytes += int64(len(page.fetched.body)); bytes > g.parts.Limits.ResponseBody {
			result.release()
			return nil, refuse(causeTooLarge, "page-too-large")
		}
		if at = page.after; at != nil { // otherwise it does not matter how many there are
			for range page.permitted(j) {
				found++
			}
		}
	}
	result.rest = at
	return result, nil
}

// nextSearch returns the start of the search after that of at; nil if it is the last.
func (p plan) nextSearch(at position) *position {
	if at.Search+1 < len(p.searches) {
		return &position{Search: at.Search + 1}
	}
	return nil
}

// sourcePage fetches one page of the source.
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
	// A source that ignored a parameter returned more than was asked for (leaks.md SE-12).
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

// isMatch reports whether a resource is a match of the search. Whatever else the source adds is an include, or nothing.
func (s *sourcePage) isMatch(i int) bool {
	r := &s.contents.Resources[i]
	return (r.Mode == fhir.ModeMatch || r.Mode == fhir.ModeUnsaid) && r.Type == s.typ
}

// permits is judge.permits, and every Medication that says what the resource is about must be permitted too: each search asks for them. One
// that did not come along withholds a match only if the search asked about it: otherwise the answer would reveal the code of a withheld one
// (leaks.md OR-3, CA-6).
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

// permitted yields the permitted matches from the start of our page on: how many matches of the page precede one, and which resource it is.
func (s *sourcePage) permitted(j *judge) iter.Seq2[int, int] {
	return func(yield func(before, i int) bool) {
		matches := 0
		for i := range s.contents.Resources {
			if !s.isMatch(i) {
				continue
			}
			if matches >= s.at.Skip && s.permits(j, i) && !yield(matches, i) {
				return
			}
			matches++
		}
	}
}

// pick is a resource chosen for the answer.
type pick struct {
	page *sourcePage
	i    int
	mode fhir.Mode
}

func (p pick) resource() *fhir.Resource { return &p.page.contents.Resources[p.i] }

func (p pick) name() string { return p.page.contents.Name(p.i) }

// matches picks up to count permitted matches, in the order of the source. more is where the next page begins; nil if there is none.
func (r *gathered) matches(j *judge, count int) (picks []pick, more *position) {
	for _, page := range r.pages {
		picks = slices.Grow(picks, min(count-len(picks), len(page.contents.Resources)))
		for before, i := range page.permitted(j) {
			if len(picks) == count {
				return picks, &position{Search: page.at.Search, Next: page.at.Next, Skip: before}
			}
			picks = append(picks, pick{page, i, fhir.ModeMatch})
		}
	}
	return picks, r.rest
}

// includes picks what came along with the matches: permitted resources of this person and of shared types that a requested include connects
// with a pick. What nothing connects is left out (leaks.md IN-8): it may be there because of a withheld match. Nor may a page reveal where
// the source's pages end, because withheld rows fill those too: so a match that is not picked can be included as well, as it would be on
// another page of the source, and the order is our own.
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

// network tracks which resources are given, and which ones the requested includes reach from them. An include follows only the elements of
// its parameter: a resource that another element refers to came along for something else, which may be withheld.
type network struct {
	asked          []fhir.Include
	given, reached map[fhir.LocalReference]bool
}

// give adds a resource and follows the includes from it: those that iterate, and from a match the others too.
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

// reverse marks a resource as reached if a reverse include leads from it to a given one. It is called while only matches are given.
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
