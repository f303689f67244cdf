package consent

import (
	"slices"
	"time"
)

// The kinds of names whose meaning can change: categories of providers, categories and groups of data, and who holds data: a category or an
// organization, whose meaning is carried to the organization that holds the data now.
const (
	NameOfParty  = "party"
	NameOfHolder = "holder"
	NameOfData   = "data"
)

// Changes are what became of the names in consents when operators gave categories another meaning. A consent keeps the meaning that it had
// when it was given, plus only what the operator carried over. nil: nothing ever changed.
type Changes struct {
	Carried []Carried `json:"carried,omitempty"`
	Ended   []Ended   `json:"ended,omitempty"`
}

// Carried says that since an instant the name To covers what From covered. An objection recorded before that names From also applies to To;
// a permit does only if the operator says so (Permits).
type Carried struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // NameOfParty, NameOfHolder or NameOfData
	From    string    `json:"from"`
	To      string    `json:"to"`
	Permits bool      `json:"permits,omitempty"`
}

// Ended says that since an instant a name covers more than before. Permits recorded before no longer open anything by that name.
type Ended struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Name string    `json:"name"`
}

// And combines these changes with later ones. If A was carried to B and later B to C, A is carried to C too.
func (c *Changes) And(later Changes) *Changes {
	all := &Changes{}
	if c != nil {
		all.Carried, all.Ended = slices.Clone(c.Carried), slices.Clone(c.Ended)
	}
	for _, next := range later.Carried {
		for _, before := range all.Carried {
			if before.Kind == next.Kind && before.To == next.From {
				all.Carried = append(all.Carried, Carried{before.At, before.Kind, before.From, next.To, before.Permits && next.Permits})
			}
		}
		all.Carried = append(all.Carried, next)
	}
	all.Ended = append(all.Ended, later.Ended...)
	return all
}

// names reports whether a name in a statement covers one of the request.
func (c *Changes) names(s *statement, kind, name, asked string) bool {
	switch {
	case c == nil:
		return name == asked
	case name == asked:
		return s.objection() || !c.ended(s.record, kind, name)
	}
	return slices.ContainsFunc(c.Carried, func(of Carried) bool {
		return of.Kind == kind && of.From == name && of.To == asked && s.record.RecordedAt.Before(of.At) && (of.Permits || s.objection())
	})
}

func (c *Changes) ended(r *Record, kind, name string) bool {
	return slices.ContainsFunc(c.Ended, func(of Ended) bool { return of.Kind == kind && of.Name == name && r.RecordedAt.Before(of.At) })
}
