package audit

import (
	"time"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/fhir"
)

const systemOutcome = "http://hl7.org/fhir/audit-event-outcome"

// Matches reports whether the event is what a search asks for, by what its FHIR form shows (AuditEvent's search parameters; IHE ATNA ITI-81).
// A date without a zone is one of the given place.
func (e Event) Matches(search fhir.OwnSearch, place *time.Location) bool {
	for _, p := range search.Params {
		if !e.matches(p, place) {
			return false
		}
	}
	return true
}

func (e Event) matches(p fhir.Param, place *time.Location) bool {
	switch p.Name {
	case "date":
		return p.MatchesInstant(e.Time, place)
	case "outcome":
		outcome, _ := e.outcome()
		return p.MatchesToken(fhir.Coding{System: systemOutcome, Code: outcome.Code()})
	case "type":
		kind := e.pattern().kind
		return p.MatchesToken(codingOf(&kind))
	case "subtype":
		return p.MatchesToken(codingOf(e.pattern().subtype))
	case "agent.identifier", "agent:identifier":
		return p.MatchesIdentifier(e.agentIdentifiers()...)
	}
	return false // a parameter that is not understood narrows to nothing
}

func codingOf(c *r4.Coding) fhir.Coding {
	if c == nil || c.System == nil || c.Code == nil {
		return fhir.Coding{}
	}
	return fhir.Coding{System: *c.System, Code: *c.Code}
}

// agentIdentifiers are the identifiers under which the FHIR form names who asked, and for which organization.
func (e Event) agentIdentifiers() []fhir.Identifier {
	identifiers := []fhir.Identifier{{System: e.Actor.Issuer, Value: e.Actor.Subject}}
	for _, known := range []string{e.Actor.Organization, e.Actor.Practitioner} {
		if i := identifier(known); i.System != nil && i.Value != nil {
			identifiers = append(identifiers, fhir.Identifier{System: *i.System, Value: *i.Value})
		}
	}
	return identifiers
}
