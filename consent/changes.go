package consent

import (
	"slices"
	"time"
)

// The kinds of names whose meaning can change: categories of providers, and categories and groups of data.
const (
	NameOfParty = "party"
	NameOfData  = "data"
)

// Changes are what became of names that consents use, when operators gave categories another meaning: a consent goes on to say what it said
// when it was given, and never more than the operator carried over. A nil pointer is that nothing ever changed.
type Changes struct {
	Carried []Carried `json:"carried,omitempty"`
	Ended   []Ended   `json:"ended,omitempty"`
}

// Carried is that what From stood for is To since an instant: an objection recorded before that names From is about To as well, and so is a
// permit where the operator says so.
type Carried struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"` // NameOfParty or NameOfData
	From    string    `json:"from"`
	To      string    `json:"to"`
	Permits bool      `json:"permits,omitempty"`
}

// Ended is that a name stands for more since an instant, and permits recorded before that use it do not count by it any more.
type Ended struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Name string    `json:"name"`
}

// And gives these changes and later ones. What was carried to a name that is carried on is carried all the way.
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

// names reports whether a name in a statement stands for one of the request.
func (c *Changes) names(s statement, kind, name, asked string) bool {
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
