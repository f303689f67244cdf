package proxy

import (
	"slices"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// representative returns the key of a representative as used in events and blocks: from the number of a legal representative, from the
// issuer's pseudonym of any other. It is empty if the token has neither.
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

// asNamed removes the authority of a representative whom the patient must name here but did not, or not for this data. It returns the
// records that do.
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

// asBlocked names the representative as the patient's flags do, if they block that representative: by key, or by the token's value, as
// before there were keys. A representative of whom the token has only a pseudonym could be any of those blocked by number, and so counts as
// blocked if there is one.
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
