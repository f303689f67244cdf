package authn

import (
	"slices"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// persons fills in whose record a patient's or representative's token is for. A token that names a representative is never a
// patient's own, and one that is for a representative must name him.
func (r *claimReader) persons(i *issuer, s *policy.Subject) {
	p := &i.paths
	representative, whose := p.representative, p.person
	nested, represents := r.claims[i.Claims.Represents.Claim]
	represents = represents && i.Claims.Represents.Claim != ""
	if represents {
		r.checkRepresents(nested)
		s.Authority = i.Claims.Represents.authority(s.Authority)
		representative, whose = p.person, p.represents // the user of the token is the one who represents
	}
	by, given := r.person(i, "representative", representative)
	represents = represents || given || s.Authority != ""
	if s.Kind == policy.KindPatient && represents {
		s.Kind = policy.KindRepresentative
	}
	switch s.Kind {
	case policy.KindRepresentative:
		s.Representative, s.RepresentativeSystem = by.Value, by.System
		if !policy.IsLegal(s.Authority) {
			s.Pseudonym = r.pseudonym(i, by, r.one("representative", representative.path))
			s.ID = s.Pseudonym // sub may be the number
			s.MustBeNamed = i.NamedOnly
		} else if !given {
			r.refuse(ReasonPerson, "representative")
		}
	case policy.KindPatient:
	default:
		if represents {
			r.refuse(ReasonPerson, "representative")
		}
		return
	}
	person, given := r.person(i, "person", whose)
	if !given || person.System == "" || person == by {
		r.refuse(ReasonPerson, "person") // nobody, or somebody who represents himself
	}
	s.Person = person
}

// pseudonym is what the issuer calls a representative who is no legal one, of whom the token may bring a number of a system for persons. One
// that is the number again, or could be a BSN, refuses the token: such a number may not stand for who was chosen by a patient.
func (r *claimReader) pseudonym(i *issuer, by fhir.Identifier, number string) string {
	isNumber := slices.Contains(i.personSystems(), by.System)
	name, _ := r.claims["sub"].(string)
	switch {
	case i.paths.pseudonym != nil:
		name = r.one("pseudonym", i.paths.pseudonym)
	case by.Value != "" && !isNumber:
		name = by.Value
	}
	known, err := consent.Pseudonym(i.URL, name)
	if err != nil || isNumber && (strings.Contains(name, number) || strings.Contains(name, by.Value)) {
		r.refuse(ReasonPerson, "pseudonym")
	}
	return known.Value
}

// personSystems are the identifier systems by which tokens of the issuer name persons.
func (i *issuer) personSystems() []string {
	systems := []string{consent.SystemBSN, i.Claims.Person.System, i.Claims.Represents.Person.System}
	for _, system := range i.IdentifierTypes {
		systems = append(systems, system)
	}
	return slices.DeleteFunc(systems, func(system string) bool { return system == "" })
}

// checkRepresents looks at what is in the claim beside the person: where that person acts for another in turn, it is the last one whose
// record is asked for, and the authority of the first over the last is not known.
func (r *claimReader) checkRepresents(nested any) {
	if _, ok := nested.(map[string]any); !ok {
		r.refuse(ReasonClaim, "represents")
	}
	r.checkChain(nested, "represents")
}

// checkChain refuses what lies in a claim of representation, or in the elements of one, and changes its meaning in turn.
func (r *claimReader) checkChain(nested any, element string) {
	if list, ok := nested.([]any); ok {
		for _, one := range list {
			r.checkChain(one, element)
		}
	}
	object, _ := nested.(map[string]any)
	for _, name := range unprocessedClaims {
		if hasMember(object, name) {
			r.refuse(ReasonUnprocessed, element)
		}
	}
}

// mandate checks the claim that says under whose responsibility a professional works. A token that has it and names nobody there, or that is
// no professional's, means something else than what was configured.
func (r *claimReader) mandate(i *issuer, s *policy.Subject) {
	path := i.paths.responsible.path
	if path == nil || !slices.Contains(mandateClaims, path[0].name) {
		return
	}
	nested, given := r.claims[path[0].name]
	if !given {
		return
	}
	if s.Responsible == "" || s.Kind != policy.KindProvider {
		r.refuse(ReasonClaim, "responsible")
	}
	r.checkChain(nested, "responsible")
}

// authority gives the word of decision.md for what a token says. A value that has none gives no authority.
func (c Represents) authority(value string) string {
	switch {
	case value == "":
		return c.Otherwise
	case c.Authorities != nil:
		return c.Authorities[value]
	}
	return value
}

// person reads an identifier of a person: of the configured system, or of the one that a claim beside it names, and as the one person
// that it is known to be here. An identifier that is no good refuses the token; given is false where there is none.
func (r *claimReader) person(i *issuer, name string, p identifierPath) (id fhir.Identifier, given bool) {
	id = fhir.Identifier{System: p.system, Value: r.one(name, p.path)}
	if id.Value == "" {
		return fhir.Identifier{}, false
	}
	if p.typ != nil {
		system, known := i.IdentifierTypes[r.one(name, p.typ)]
		if !known {
			r.refuse(ReasonPerson, name)
			return fhir.Identifier{}, true
		}
		id.System = system
	}
	if id.System == "" {
		return id, true // a representative's own number, of no system
	}
	// The same person under two spellings would pass a block on representatives.
	normal, err := consent.NormalizePerson(id)
	if err != nil {
		r.refuse(ReasonPerson, name) // err is dropped: it is about an identifier of a person
		return fhir.Identifier{}, true
	}
	if known, mapped := i.Persons[normal]; mapped {
		return known, true
	}
	return normal, true
}
