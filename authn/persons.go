package authn

import (
	"slices"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// persons sets whose record a patient's or representative's token is for. A token that names a representative is never a patient's own, and
// a representative's token must name the representative.
func (r *claimReader) persons(i *issuer, s *policy.Subject) {
	p := &i.paths
	representative, whose := p.representative, p.person
	nested, represents := r.claims[i.Claims.Represents.Claim]
	represents = represents && i.Claims.Represents.Claim != ""
	if represents {
		r.checkRepresents(nested)
		s.Authority = i.Claims.Represents.authority(s.Authority)
		representative, whose = p.person, p.represents // the token's user is the representative
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
		r.refuse(ReasonPerson, "person") // nobody, or a person representing himself
	}
	s.Person = person
}

// pseudonym is what the issuer calls a representative other than a legal one. number is a number of a person system that the token may
// contain for that person. One that contains the number, or could be a BSN, refuses the token: such a number may not identify a person
// chosen by a patient.
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

// checkRepresents looks at what accompanies the person in the claim: if that person acts for another in turn, the request is about the last
// one's record, and the first one's authority over the last is unknown.
func (r *claimReader) checkRepresents(nested any) {
	if _, ok := nested.(map[string]any); !ok {
		r.refuse(ReasonClaim, "represents")
	}
	r.checkChain(nested, "represents")
}

// checkChain refuses anything in a representation claim, or in its elements, that changes its meaning in turn.
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

// mandate checks the claim that says under whose responsibility a professional works. If it names nobody, or the token is not a
// professional's, it means something other than configured.
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

// authority is the word of decision.md for a value in a token; "" for an unknown value.
func (c Represents) authority(value string) string {
	switch {
	case value == "":
		return c.Otherwise
	case c.Authorities != nil:
		return c.Authorities[value]
	}
	return value
}

// person reads an identifier of a person: of the configured system, or of the one that a neighbouring claim names, mapped to the person it
// is known to be here. An invalid identifier refuses the token; given is false if there is none.
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
		return id, true // a representative's own number, without a system
	}
	// The same person under two spellings would evade a block on representatives.
	normal, err := consent.NormalizePerson(id)
	if err != nil {
		r.refuse(ReasonPerson, name) // err is dropped: it contains an identifier of a person
		return fhir.Identifier{}, true
	}
	if known, mapped := i.Persons[normal]; mapped {
		return known, true
	}
	return normal, true
}
