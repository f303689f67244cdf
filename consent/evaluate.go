package consent

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"zorgsluis/fhir"
)

// State is the result of a person's records for one request (decision.md, The consent state). The zero value is Unknown. States are ordered
// by strength: among equally specific statements, the higher kind wins.
type State int

// The states.
const (
	Unknown                State = iota // nothing on file concerns the request
	Granted                             // a permit
	RefusedExceptEmergency              // an objection that an emergency may open
	Withdrawn                           // a permit that was withdrawn, without a new choice
	Refused                             // an objection
)

// Query is one request, as far as the consent state depends on it, and the facts about the patient.
type Query struct {
	At            time.Time
	Born          string // civil date of birth, "YYYY-MM-DD"
	Incapacitated bool
	Deceased      bool

	Holder   Side              // who holds the data: organization and category
	Party    Side              // who asks: category, organization, practitioner; or the person
	Category fhir.DataCategory // the requested category
	Groups   []string          // every group that covers it: its own, and those that include that one
	Channel  string
	Purpose  string // TREAT, ETREAT or HRESCH; for a person PurposeMandate

	Changes *Changes // of the meaning of names
}

// Evaluate returns the consent state for a request, and the records that decided it, sorted. It follows decision.md, A to D, step by step.
// The order of the records does not matter.
func Evaluate(q Query, records []Record) (State, []RecordID) {
	var few [8]statement                   // most persons have few: without an allocation
	said := q.statements(records, few[:0]) // A
	said = latestOfEachScope(said)         // B
	said = endedByTotal(said)
	said = slices.DeleteFunc(said, func(s statement) bool { return !q.about(&s) }) // C
	return mostSpecific(said)                                                      // D
}

// compareScope orders statements by scope: zero if the scope is the same. Lists are compared as sets (B). It compares no more than it must:
// with many records a decision spends most of its time here.
func (s *statement) compareScope(t *statement) int {
	if order := s.record.Holder.compare(&t.record.Holder); order != 0 {
		return order
	}
	if order := s.record.Party.compare(&t.record.Party); order != 0 {
		return order
	}
	if order := strings.Compare(s.record.Channel, t.record.Channel); order != 0 {
		return order
	}
	return cmp.Or(slices.Compare(s.data, t.data), slices.Compare(s.purposes, t.purposes))
}

func (named *Side) compare(other *Side) int {
	if *named == *other {
		return 0
	}
	return cmp.Or(
		strings.Compare(named.Category, other.Category),
		strings.Compare(named.Organization, other.Organization),
		strings.Compare(named.Practitioner, other.Practitioner),
		cmp.Compare(named.Person, other.Person),
	)
}

// set returns the same list for lists that are equal as sets, and for no others.
func set(list []string) []string {
	if len(list) < 2 {
		return list
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// latestOfEachScope drops statements for whose scope there is a later one (B). Statements of the same instant all stay.
func latestOfEachScope(said []statement) []statement {
	slices.SortFunc(said, func(a, b statement) int { return cmp.Or(a.compareScope(&b), b.said().Compare(a.said())) })
	latest := said[:0]
	for _, s := range said {
		if n := len(latest); n > 0 && s.compareScope(&latest[n-1]) == 0 && s.said().Before(latest[n-1].said()) {
			continue
		}
		latest = append(latest, s)
	}
	return latest
}

// endedByTotal drops every permit said at or before a total objection (B).
func endedByTotal(said []statement) []statement {
	var ended time.Time
	for _, s := range said {
		if s.objection() && s.record.dimensions() == 0 && s.said().After(ended) {
			ended = s.said()
		}
	}
	return slices.DeleteFunc(said, func(s statement) bool { return s.kind == Granted && !s.said().After(ended) })
}

// elsewhere reports whether a record names another party, holder or channel than the request's (C), which saves looking at most records of a
// person who chose for each organization. It depends on nothing but the scope, so that a scope is left out as a whole, and the latest
// statement of another stays the same (B); a total objection names nothing, and is never left out. What a name stands for can have changed:
// that is left to about.
func (q *Query) elsewhere(r *Record) bool {
	party := r.Party
	if q.Changes != nil {
		party.Category = ""
	}
	return !party.matches(&q.Party) || r.Channel != "" && r.Channel != q.Channel || q.Changes == nil && !r.Holder.matches(&q.Holder)
}

// about reports whether a statement that is not elsewhere concerns this request (C).
func (q *Query) about(s *statement) bool {
	return q.aboutHolder(s) && q.aboutParty(s) && q.aboutData(s) && q.aboutPurpose(s.record.Purposes)
}

// matches reports whether everything named equals the request's.
func (named *Side) matches(asked *Side) bool {
	return (named.Category == "" || named.Category == asked.Category) &&
		(named.Organization == "" || named.Organization == asked.Organization) &&
		(named.Practitioner == "" || named.Practitioner == asked.Practitioner) &&
		(named.Person == "" || named.Person == asked.Person)
}

// aboutHolder reports whether the holder is meant: by what is named, or by what its name stood for.
func (q *Query) aboutHolder(s *statement) bool {
	named, asked := &s.record.Holder, &q.Holder
	name := cmp.Or(named.Category, named.Organization)
	if named.matches(asked) {
		return q.Changes.names(s, NameOfHolder, name, name)
	}
	return name != "" && name != asked.Organization && q.Changes.names(s, NameOfHolder, name, asked.Organization)
}

// aboutParty reports whether the statement covers the category of the party, if it names one, by what its name covers.
func (q *Query) aboutParty(s *statement) bool {
	named := s.record.Party.Category
	return named == "" || q.Changes.names(s, NameOfParty, named, q.Party.Category)
}

// aboutData reports whether the statement covers the data category. A permit that names no data does not open Restricted; an objection that
// names none covers everything.
func (q *Query) aboutData(s *statement) bool {
	if len(s.record.Data) == 0 {
		return s.objection() || q.Category != fhir.Restricted
	}
	return slices.ContainsFunc(s.record.Data, func(name string) bool {
		return q.Changes.names(s, NameOfData, name, string(q.Category)) ||
			slices.Contains(q.Groups, name) && q.Changes.names(s, NameOfData, name, name)
	})
}

// aboutPurpose reports whether the statement covers the purpose: none named means treatment, also in an emergency, and an emergency counts
// as treatment too.
func (q *Query) aboutPurpose(named []string) bool {
	switch q.Purpose {
	case "TREAT":
		return len(named) == 0 || slices.Contains(named, "TREAT")
	case "ETREAT":
		return len(named) == 0 || slices.Contains(named, "TREAT") || slices.Contains(named, "ETREAT")
	default:
		return slices.Contains(named, q.Purpose)
	}
}

// mostSpecific is the winning kind among the statements about a request, and the records that made them (D).
func mostSpecific(said []statement) (State, []RecordID) {
	state := Unknown
	var best *Record
	var records []RecordID
	for _, s := range said {
		switch order := cmp.Or(compareSpecificity(s.record, best), cmp.Compare(s.kind, state)); {
		case order > 0:
			state, best, records = s.kind, s.record, []RecordID{s.record.ID}
		case order == 0:
			records = append(records, s.record.ID)
		}
	}
	slices.Sort(records)
	return state, records
}

// compareSpecificity orders records by how much they name; nil comes first.
func compareSpecificity(a, b *Record) int {
	if b == nil {
		return 1
	}
	return cmp.Or(cmp.Compare(a.individualSides(), b.individualSides()), cmp.Compare(a.dimensions(), b.dimensions()))
}

// individualSides is the number of sides that name an organization, a practitioner or a person.
func (r *Record) individualSides() int {
	return count(r.Holder.individual(), r.Party.individual())
}

// dimensions is the number of dimensions in which the record names anything; a total objection names nothing.
func (r *Record) dimensions() int {
	return count(r.Holder != Side{}, r.Party != Side{}, len(r.Data) > 0, r.Channel != "", len(r.Purposes) > 0)
}

// IsTotalObjection reports whether a record refuses without naming holder, party, data, channel or purpose: it ends every permit said until
// then (decision.md, The consent state, B).
func (r *Record) IsTotalObjection() bool {
	return r.Decision == DecisionDeny && r.dimensions() == 0
}

func (named Side) individual() bool {
	return named.Organization != "" || named.Practitioner != "" || named.Person != ""
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

// CompareSpecificity orders records as the decision does (D): the sign says which of the two takes precedence.
func (r Record) CompareSpecificity(other Record) int { return compareSpecificity(&r, &other) }
