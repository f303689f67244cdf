package audit

import (
	"slices"
	"time"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/fhir"
)

const systemOutcome = "http://hl7.org/fhir/audit-event-outcome"

// Matches returns the form in which an event matches a search, judged by what that form shows (AuditEvent's search parameters; IHE ATNA
// ITI-81), and whether one does. An event is shown once: as itself, or, if the search asks for their type or subtype, as its decision or
// disclosure. A date without a zone is in the given place.
func (e Event) Matches(search fhir.OwnSearch, place *time.Location, o FHIROptions) (Form, bool) {
	byType := slices.ContainsFunc(search.Params, func(p fhir.Param) bool { return p.Name == "type" || p.Name == "subtype" })
	for _, form := range e.Forms(o) {
		if !slices.ContainsFunc(search.Params, func(p fhir.Param) bool { return !e.matches(p, form, place) }) {
			return form, true
		}
		if !byType {
			break
		}
	}
	return FormEvent, false
}

func (e Event) matches(p fhir.Param, f Form, place *time.Location) bool {
	switch p.Name {
	case "date":
		return p.MatchesInstant(e.Time, place)
	case "outcome":
		return p.MatchesToken(fhir.Coding{System: systemOutcome, Code: e.outcomeIn(f).Code()})
	case "type":
		return p.MatchesToken(codingOf(e.pattern(f).kind))
	case "subtype":
		return slices.ContainsFunc(e.pattern(f).subtypes, func(c r4.Coding) bool { return p.MatchesToken(codingOf(c)) })
	case "agent.identifier", "agent:identifier":
		return p.MatchesIdentifier(e.agentIdentifiers()...)
	}
	return false // an unknown parameter matches nothing
}

func codingOf(c r4.Coding) fhir.Coding { return fhir.Coding{System: *c.System, Code: *c.Code} }

// agentIdentifiers are the identifiers that the FHIR form has for who asked, and for which organization.
func (e Event) agentIdentifiers() []fhir.Identifier {
	identifiers := []fhir.Identifier{{System: e.Actor.Issuer, Value: e.Actor.Subject}}
	for _, known := range []string{e.Actor.Organization, e.Actor.Practitioner} {
		if i := identifier(known); i.System != nil && i.Value != nil {
			identifiers = append(identifiers, fhir.Identifier{System: *i.System, Value: *i.Value})
		}
	}
	return identifiers
}
