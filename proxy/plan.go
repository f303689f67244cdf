package proxy

import (
	"zorgsluis/fhir"
)

// The page size that the gateway asks of a source, unless the caller asks for more: our own, so that no page tells how many rows a source
// had before the filter. With pages as small as a caller likes, few hidden rows would be more pages than one of ours may take, and
// that tells of them.
const defaultCount = 50

// maxExtraPages bounds how many more pages of a source than searches one page of ours may take (leaks.md PG-7). Only where a source
// has that many pages of hidden rows in a row, 500 rows, does a page of ours end early, with a link to go on.
const maxExtraPages = 10

// plan is what an interaction comes to at the source: the searches that make it up, in the order in which they are answered, and how
// many matches a page holds.
type plan struct {
	searches     []fhir.Interaction
	count        int
	ofMedication bool // it asks about the Medications that matches refer to
}

// position is where in a plan a page begins: which search, where the source goes on, how many matches of that page of the source
// were given already.
type position struct {
	Search int    `json:"y"`
	Next   string `json:"n,omitempty"` // relative to the source's base, with query; empty: the search's beginning
	Skip   int    `json:"k,omitempty"`
}

// plan makes the plan of an interaction about one patient.
func (g *Gate) plan(x *exchange, i fhir.Interaction) plan {
	p := plan{count: i.Count()}
	if p.count == 0 {
		p.count = defaultCount
	}
	searches := []fhir.Interaction{i}
	switch i.Code {
	case fhir.CodeEverything:
		searches = i.Everything(x.source.Version)
	case fhir.CodeLastN:
		search, _ := i.LastN()
		searches, p.count = []fhir.Interaction{search}, fhir.MaxCount // all of it has to be seen
	}
	for _, s := range searches {
		p.ofMedication = p.ofMedication || s.OfMedication()
		p.searches = append(p.searches, s.WithMedication(x.source.Version).WithCount(max(p.count, defaultCount)))
	}
	return p
}

// path is what to ask the source at a position; "" where the table knows no way to bind the search to the patient.
func (p plan) path(x *exchange, at position, patient fhir.ID) string {
	if at.Next != "" {
		return at.Next
	}
	if query := p.searches[at.Search].Outbound(x.source.Version, patient); query != "" {
		return "/" + query
	}
	return ""
}

// valid reports whether a position that was sealed still lies in the plan.
func (p plan) valid(at position) bool {
	return at.Search >= 0 && at.Search < len(p.searches) && at.Skip >= 0
}
