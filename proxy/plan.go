package proxy

import (
	"zorgsluis/fhir"
)

// defaultCount is the page size that the gateway requests from a source, unless the caller asks for more. A smaller one is never requested,
// so that no page reveals how many rows a source had before the filter: with pages as small as a caller likes, a few withheld rows would
// fill more pages than one of ours may take.
const defaultCount = 50

// maxExtraPages limits the source pages, beyond one per search, that one page of ours may take (leaks.md PG-7). Only after that many source
// pages of withheld rows in a row (500 rows) does a page of ours end early, with a next link.
const maxExtraPages = 10

// plan is an interaction as the source is asked: the searches that make it up, in order, and the matches per page.
type plan struct {
	searches     []fhir.Interaction
	count        int
	ofMedication bool // it asks about the Medications that matches refer to
}

// position is where in a plan a page begins: which search, where the source continues, and how many matches of that source page to skip.
type position struct {
	Search int    `json:"y"`
	Next   string `json:"n,omitempty"` // relative to the source's base, with query; empty: the start of the search
	Skip   int    `json:"k,omitempty"`
}

// plan returns the plan of an interaction about one patient.
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
		searches, p.count = []fhir.Interaction{search}, fhir.MaxCount // all rows must be seen
	}
	for _, s := range searches {
		p.ofMedication = p.ofMedication || s.OfMedication()
		p.searches = append(p.searches, s.WithMedication(x.source.Version).WithCount(max(p.count, defaultCount)))
	}
	return p
}

// path returns what to request from the source at a position; "" if the table cannot bind the search to the patient.
func (p plan) path(x *exchange, at position, patient fhir.ID) string {
	if at.Next != "" {
		return at.Next
	}
	if query := p.searches[at.Search].Outbound(x.source.Version, patient); query != "" {
		return "/" + query
	}
	return ""
}

// valid reports whether an unsealed position still lies in the plan.
func (p plan) valid(at position) bool {
	return at.Search >= 0 && at.Search < len(p.searches) && at.Skip >= 0
}
