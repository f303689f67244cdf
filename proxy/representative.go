package proxy

import (
	"slices"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// representative is the key of who represents a patient, as events and blocks have it: of a legal representative that of the number, of
// anybody else that of the issuer's pseudonym. It is empty where the token brings neither.
func (g *Gate) representative(s policy.Subject) consent.PersonKey {
	if s.Kind != policy.KindRepresentative {
		return ""
	}
	if policy.IsLegal(s.Authority) {
		if s.RepresentativeSystem == "" {
			return ""
		}
		return g.parts.Standings.Key(fhir.Identifier{System: s.RepresentativeSystem, Value: s.Representative})
	}
	pseudonym, err := consent.Pseudonym(s.Issuer, s.Pseudonym)
	if err != nil {
		return ""
	}
	return g.parts.Standings.Key(pseudonym)
}

// asNamed asks about a representative whom the patient must have named here: without authority where the patient did not, or not for this data. It
// gives the records that say so.
func (x *exchange) asNamed(d Decider, in policy.Input) (policy.Input, []consent.RecordID) {
	if !x.subject.MustBeNamed {
		return in, nil
	}
	records, given := d.Mandate(in, x.acting)
	if !given {
		in.Request.Actor.Authority = ""
	}
	return in, records
}

// asBlocked asks about a representative by the name under which the patient's flags block that representative, where they do: the key, or what
// the token brings, by which people were blocked before there were keys. Somebody of whom the token brings only a pseudonym could be
// anybody who is blocked by a number, and so counts as blocked where anybody is.
func (x *exchange) asBlocked(request policy.Request, flags consent.Flags) policy.Request {
	if x.subject.Kind != policy.KindRepresentative {
		return request
	}
	blocked, name := flags.RepresentativesBlocked, x.subject.Representative
	isNumber := func(name string) bool { return !isPersonKey(name) }
	if slices.Contains(blocked, string(x.acting)) {
		name = string(x.acting)
	} else if at := slices.IndexFunc(blocked, isNumber); at >= 0 && name == "" {
		name = blocked[at]
	}
	request.Actor.Representative = name
	return request
}
