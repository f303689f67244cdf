package policy

import (
	"cmp"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Decide answers one question by the rules of decision.md, in their order; the first that answers ends the decision. It is total: every
// input has an answer, and what the rules do not know is denied. Between 8 and 9, an operator's cap on what a provider category needs for
// its work (Config.Necessary) may refuse: the cap is about normal work, and withholds nothing in an emergency.
func (p *Policy) Decide(in Input) Decision {
	if d, admitted := p.Admit(in.Request); !admitted {
		return d // rules 1, 2, 5 to 8, and the purpose in 3 and 4
	}
	switch in.Request.Actor.Kind {
	case KindPatient:
		return decision(cmp.Or(p.ownAccess(in), ReasonSelf)) // 3
	case KindRepresentative:
		return decision(cmp.Or(p.representation(in), ReasonRepresentative)) // 4
	}

	emergency, necessary := in.Request.Purpose == PurposeEmergency, p.isNecessary(in.Request)
	if !emergency && !necessary {
		return decision(ReasonNotForRole)
	}
	state, records := consent.Evaluate(p.query(in), in.Records)
	switch {
	case state == consent.Granted && emergency && !(hasRelation(in.Request.Actor) && necessary): // 9
		return decision(ReasonConsent, ObligationAlert, ObligationReview).by(records)
	case state == consent.Granted:
		return decision(ReasonConsent).by(records)
	case in.Patient.Deceased: // 10
		return decision(ReasonDeceased)
	case emergency && state == consent.Unknown: // 11
		return decision(ReasonEmergencyUnknown, ObligationAlert, ObligationNotifyPatient, ObligationReview)
	case emergency && state == consent.RefusedExceptEmergency:
		return decision(ReasonEmergencyException, ObligationAlert, ObligationNotifyPatient, ObligationReview).by(records)
	case emergency:
		return decision(ReasonEmergencyRefused).by(records)
	case state == consent.Refused, state == consent.RefusedExceptEmergency: // 12
		return decision(ReasonConsentRefused).by(records)
	case state == consent.Withdrawn:
		return decision(ReasonConsentWithdrawn).by(records)
	case p.isImplied(in.Request): // 13
		return decision(ReasonImplied, ObligationNotifyPatient)
	default: // 14
		return decision(ReasonNoConsent)
	}
}

// Speaks decides whether a patient or a representative may see and say what the patient decides. It is Decide, except for those with
// parental authority over somebody of 12 to 15, or the guardian: they may not see that record, yet the patient can consent only together
// with them (decision.md, The consent state, A). They speak along, and see no more than that requires.
func (p *Policy) Speaks(in Input) (d Decision, along bool) {
	d = p.Decide(in)
	if a := in.Request.Actor; d.Reason != ReasonAgeNotAllowed || a.Kind != KindRepresentative {
		return d, false
	} else if a.Authority != "parental" && a.Authority != "guardian" {
		return decision(ReasonRepresentativeNotAuthorised), false
	}
	d = decision(cmp.Or(withheld(in), ReasonRepresentative))
	return d, d.Permit
}

// Admit applies the rules that depend on the request alone, so that a caller they refuse causes no lookup: 1, 2, 5 to 8, and the purpose in
// 3 and 4. Decide starts with it, so it refuses the same callers for the same reasons. Without a data category, a request is admitted as
// far as the category is concerned.
func (p *Policy) Admit(r Request) (d Decision, admitted bool) {
	reason := cmp.Or(
		blockedParty(r),           // 1
		p.assurance(r.Actor),      // 2
		ownPurpose(r),             // 3, 4
		p.providerCategory(r),     // 5
		providerPurpose(r),        // 6
		p.emergencyDeclaration(r), // 7
		treatmentRelation(r),      // 8
	)
	switch reason {
	case "":
		return Decision{}, true
	case ReasonBlockedInsurer:
		return decision(reason, ObligationReportAuthority), false
	default:
		return decision(reason), false
	}
}

// query is the question for package consent. Rule 5 ensures that the caller has exactly one category.
func (p *Policy) query(in Input) consent.Query {
	r := in.Request
	return consent.Query{
		At:            in.At,
		Born:          in.Patient.BirthDate,
		Incapacitated: in.Patient.Flags.Incapacitated,
		Deceased:      in.Patient.Deceased,
		Holder:        consent.Side{Category: string(r.Holder.Category), Organization: r.Holder.Organization},
		Party: consent.Side{
			Category:     string(r.Actor.Categories[0]),
			Organization: r.Actor.Organization,
			Practitioner: r.Actor.Practitioner,
		},
		Category: protected(r.Category),
		Groups:   p.groups[r.Category],
		Channel:  string(r.Channel),
		Purpose:  string(r.Purpose),
		Changes:  p.changes,
	}
}

// protected is the data category to decide on: data of an unknown category is Restricted.
func protected(c fhir.DataCategory) fhir.DataCategory { return cmp.Or(c, fhir.Restricted) }

// decision permits exactly if the reason is a permit's.
func decision(reason Reason, obligations ...Obligation) Decision {
	return Decision{Permit: reason.permits(), Reason: reason, Obligations: obligations}
}

func (d Decision) by(records []consent.RecordID) Decision {
	d.Records = records
	return d
}

func (r Reason) permits() bool {
	switch r {
	case ReasonSelf, ReasonRepresentative, ReasonConsent, ReasonEmergencyUnknown, ReasonEmergencyException, ReasonImplied,
		ReasonAfterDeath:
		return true
	default:
		return false
	}
}
