package policy

import (
	"slices"
	"strings"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Each rule of decision.md is a function that returns the reason for its refusal, or "" if it does not answer.

// blockedParty is rule 1: parties barred by law (Wabvpz 15f), by category or by purpose. Nothing lifts it.
func blockedParty(r Request) Reason {
	for _, blocked := range BlockedCategories() {
		if slices.Contains(r.Actor.Categories, blocked) {
			return Reason("blocked-" + string(blocked))
		}
	}
	if isExamination(r.Purpose) {
		return ReasonBlockedMedicalExaminer
	}
	return ""
}

// isExamination reports whether the purpose is a medical examination for work, disability or insurance.
func isExamination(p PurposeOfUse) bool {
	return p == PurposeEmployment || p == PurposeDisability || p == PurposeInsurance
}

// assurance is rule 2. A Policy not made by New has no minimum, and refuses everybody here.
func (p *Policy) assurance(a Actor) Reason {
	if a.Assurance < p.minimumAssurance || !a.Assurance.known() || p.minimumAssurance == AssuranceNone {
		return ReasonInsufficientAssurance
	}
	return ""
}

// isOwn reports whether the rules for patients and their representatives (3, 4) apply, rather than those for providers.
func (a Actor) isOwn() bool { return a.Kind == KindPatient || a.Kind == KindRepresentative }

// ownPurpose is the first check of rules 3 and 4.
func ownPurpose(r Request) Reason {
	if r.Actor.isOwn() && r.Purpose != PurposePatientRequest {
		return ReasonPurposeNotAllowed
	}
	return ""
}

// ownRecord is the second and third check of rules 3 and 4. An empty key is nobody's.
func ownRecord(in Input) Reason {
	switch {
	case in.Request.Actor.PatientKey != in.Patient.Key, in.Patient.Key == "":
		return ReasonPatientMismatch
	case in.Patient.Deceased:
		return ReasonDeceased
	}
	return ""
}

// withheld is the last check of rules 3 and 4: the therapeutic exception (WGBO 448).
func withheld(in Input) Reason {
	if slices.Contains(in.Patient.Flags.WithheldFromPatient, protected(in.Request.Category)) {
		return ReasonWithheldFromPatient
	}
	return ""
}

// ownAccess is the rest of rule 3. A patient of unknown age is too young.
func (p *Policy) ownAccess(in Input) Reason {
	if reason := ownRecord(in); reason != "" {
		return reason
	}
	age, known := consent.Age(in.Patient.BirthDate, in.At)
	if !known || age < p.minimumAge(in.Request.Channel) {
		return ReasonAgeNotAllowed
	}
	return withheld(in)
}

// representation is the rest of rule 4.
func (p *Policy) representation(in Input) Reason {
	if reason := ownRecord(in); reason != "" {
		return reason
	}
	if slices.Contains(in.Patient.Flags.RepresentativesBlocked, in.Request.Actor.Representative) {
		return ReasonRepresentativeBlocked
	}
	age, known := consent.Age(in.Patient.BirthDate, in.At)
	incapacitated := in.Patient.Flags.Incapacitated
	if known && age >= 12 && age < 16 && !incapacitated {
		return ReasonAgeNotAllowed
	}
	if !known || !hasAuthority(in.Request.Actor.Authority, age, incapacitated) {
		return ReasonRepresentativeNotAuthorised
	}
	return withheld(in)
}

// IsAuthority reports whether a word names an authority that can hold for anybody (decision.md, rule 4).
func IsAuthority(word string) bool {
	switch word {
	case "parental", "guardian", "curator", "mentor", "written":
		return true
	default:
		return false
	}
}

// IsLegal reports whether a word names the authority of a legal representative, whose number may be processed to establish it
// (Wabvpz art. 4(2)). The number of a person chosen by the patient may not.
func IsLegal(authority string) bool { return IsAuthority(authority) && authority != "written" }

// hasAuthority reports whether an authority holds for somebody of that age (WGBO 465).
func hasAuthority(authority string, age int, incapacitated bool) bool {
	switch authority {
	case "parental", "guardian":
		return age < 12 || age < 18 && incapacitated
	case "curator", "mentor":
		return age >= 18 && incapacitated
	case "written":
		return age >= 16 && !incapacitated || age >= 18
	default:
		return false
	}
}

// providerCategory is rule 5: a provider of exactly one category, which must be configured.
func (p *Policy) providerCategory(r Request) Reason {
	a := r.Actor
	switch {
	case a.isOwn():
		return ""
	case a.Kind != KindProvider, len(a.Categories) == 0, slices.ContainsFunc(a.Categories, p.isNotConfigured):
		return ReasonUnknownCategory
	case slices.ContainsFunc(a.Categories, func(c ProviderCategory) bool { return c != a.Categories[0] }):
		return ReasonAmbiguousCategory
	}
	return ""
}

func (p *Policy) isNotConfigured(c ProviderCategory) bool { return !slices.Contains(p.categories, c) }

// providerPurpose is rule 6.
func providerPurpose(r Request) Reason {
	if r.Actor.isOwn() {
		return ""
	}
	switch r.Purpose {
	case PurposeTreatment, PurposeEmergency, PurposeResearch:
	default:
		return ReasonPurposeNotAllowed
	}
	if r.Category == fhir.CategoryConsent || r.Category == fhir.CategoryLogging {
		return ReasonNotShareable
	}
	return ""
}

// emergencyDeclaration is rule 7: a natural person of a listed category, who says why, and that consent is impossible.
func (p *Policy) emergencyDeclaration(r Request) Reason {
	if r.Actor.isOwn() || r.Purpose != PurposeEmergency {
		return ""
	}
	listed := func(c ProviderCategory) bool { return slices.Contains(p.emergencyCategories, c) }
	e := r.Emergency
	if e == nil || !e.ConsentImpossible || strings.TrimSpace(e.Reason) == "" ||
		r.Actor.Practitioner == "" || !slices.ContainsFunc(r.Actor.Categories, listed) {
		return ReasonEmergencyNotJustified
	}
	return ""
}

// treatmentRelation is rule 8.
func treatmentRelation(r Request) Reason {
	if !r.Actor.isOwn() && r.Purpose == PurposeTreatment && !hasRelation(r.Actor) {
		return ReasonNoTreatmentRelation
	}
	return ""
}

// hasRelation reports whether a treatment relation was asserted (Wabvpz 1(k)).
func hasRelation(a Actor) bool {
	return a.Relationship == RelationTreating || a.Relationship == RelationDirectlyInvolved || a.Relationship == RelationSubstitute
}

// isNecessary reports whether a provider needs the data for normal work. Rule 5 ensures that it has exactly one category.
func (p *Policy) isNecessary(r Request) bool {
	names, capped := p.necessary[r.Actor.Categories[0]]
	return !capped || p.names(names, r.Category)
}

// isImplied is rule 13: treatment over a channel where consent is implied (a referral), except for Restricted data.
func (p *Policy) isImplied(r Request) bool {
	return r.Purpose == PurposeTreatment && p.channels[r.Channel].Implied && protected(r.Category) != fhir.Restricted
}
