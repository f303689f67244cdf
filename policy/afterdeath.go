package policy

import (
	"slices"
	"strings"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Ground is a reason to give data of a deceased person without that person's consent (BW 7:458a).
type Ground string

// The grounds. The list is closed: a dispute about a will and personal interests of relatives are not grounds.
const (
	GroundProcedure  Ground = "procedure-against-provider" // lid 1 onder c: a weighty interest, shown to be plausible, that makes the data necessary
	GroundHereditary Ground = "hereditary-condition"       // the same
	GroundIncident   Ground = "incident"                   // lid 1 onder b: a relative who was told of an incident (Wkkgz 10 lid 3)
	GroundParents    Ground = "parents-under-16"           // lid 2: whoever had authority over somebody who died before 16
)

// Grounds lists them.
func Grounds() []Ground {
	return []Ground{GroundProcedure, GroundHereditary, GroundIncident, GroundParents}
}

// tooOldForParents is the age from which parents have no ground of their own (BW 7:458a lid 2).
const tooOldForParents = 16

// Handover is what a holder of records states when giving a copy of a deceased person's data by hand.
type Handover struct {
	Ground              Ground
	By, ApprovedBy      string   // two people
	NoObjectionPresumed bool     // they found no reason to presume that the deceased would have objected
	Data                []string // data categories and groups that the ground needs (lid 3)
	Restricted          bool     // the operator allows Restricted among them
}

// The reasons of a handover.
const (
	ReasonAfterDeath Reason = "ok-after-death"

	ReasonGroundNotListed      Reason = "ground-not-listed"
	ReasonFourEyes             Reason = "four-eyes"
	ReasonPresumptionMissing   Reason = "presumption-missing"
	ReasonDataNotNamed         Reason = "data-not-named"
	ReasonRestrictedNotAllowed Reason = "restricted-not-allowed"
	ReasonNotDeceased          Reason = "not-deceased"
	ReasonAgeAtDeath           Reason = "age-at-death"
	ReasonObjectedInLife       Reason = "objected-in-life"
)

// Admit checks what depends on the statement alone, so that a refusal causes no lookup. AfterDeath starts with it.
func (h Handover) Admit() (d Decision, admitted bool) {
	never := func(name string) bool {
		return name == string(fhir.CategoryConsent) || name == string(fhir.CategoryLogging) || name == string(fhir.NeverDisclosed)
	}
	switch {
	case !slices.Contains(Grounds(), h.Ground):
		return decision(ReasonGroundNotListed), false
	case !fourEyes(h.By, h.ApprovedBy):
		return decision(ReasonFourEyes), false
	case !h.NoObjectionPresumed:
		return decision(ReasonPresumptionMissing), false
	case len(h.Data) == 0:
		return decision(ReasonDataNotNamed), false
	case slices.ContainsFunc(h.Data, never):
		return decision(ReasonNotShareable), false
	case slices.Contains(h.Data, string(fhir.Restricted)) && !h.Restricted:
		return decision(ReasonRestrictedNotAllowed), false
	}
	return Decision{}, true
}

// fourEyes reports whether two names are given, of different people as far as names can tell.
func fourEyes(by, approved string) bool {
	one, other := strings.Join(strings.Fields(by), " "), strings.Join(strings.Fields(approved), " ")
	return one != "" && other != "" && !strings.EqualFold(one, other)
}

// AfterDeath decides whether a data category may be part of what is handed over. It is not a rule of Decide, which still denies everybody
// whom the deceased gave no consent for that time: here a person weighs the ground, and this function enforces what the law leaves no room
// to weigh. Of in.Request it uses holder and data category.
func (p *Policy) AfterDeath(h Handover, in Input) Decision {
	if d, admitted := h.Admit(); !admitted {
		return d
	}
	patient := in.Patient
	diedFrom, _ := day(patient.DiedEarliest)
	switch {
	case !patient.Deceased, diedFrom.After(in.At):
		return decision(ReasonNotDeceased)
	case h.Ground == GroundParents && !diedBefore(tooOldForParents, patient, in.At):
		return decision(ReasonAgeAtDeath)
	case h.Ground == GroundParents && len(patient.Flags.RepresentativesBlocked) > 0: // lid 2: not against good care
		return decision(ReasonRepresentativeBlocked)
	case p.groups == nil, !p.names(h.Data, in.Request.Category): // a Policy not made by New names nothing
		return decision(ReasonDataNotNamed)
	}
	if objections := p.objections(h, in, diedFrom); len(objections) > 0 {
		return decision(ReasonObjectedInLife).by(objections)
	}
	return decision(ReasonAfterDeath)
}

// objections are the records in which the deceased objected to the request (lid 4). What parents refused for a child they can reconsider,
// so it does not bar them.
func (p *Policy) objections(h Handover, in Input, died time.Time) []consent.RecordID {
	q := consent.Query{
		Holder:   consent.Side{Category: string(in.Request.Holder.Category), Organization: in.Request.Holder.Organization},
		Category: protected(in.Request.Category),
		Groups:   p.groups[in.Request.Category],
		Changes:  p.changes,
	}
	return q.Objections(in.Records, died, h.Ground == GroundParents)
}

// diedBefore reports whether somebody was certainly younger than age at death: on the latest possible day, which is today if the day is
// unknown.
func diedBefore(age int, patient Patient, now time.Time) bool {
	died, known := day(patient.DiedLatest)
	if !known || died.After(now) {
		died = now
	}
	reached, known := consent.Age(patient.BirthDate, died)
	return known && reached >= 0 && reached < age
}

// day is the beginning of a civil date; not ok if it is none.
func day(date string) (time.Time, bool) {
	t, err := time.ParseInLocation(time.DateOnly, date, consent.Zone())
	return t, err == nil
}

// names reports whether a list of data categories and groups covers a data category. Data of an unknown category is Restricted, which is in
// no group, so the list must name it.
func (p *Policy) names(list []string, category fhir.DataCategory) bool {
	return slices.Contains(list, string(protected(category))) ||
		slices.ContainsFunc(p.groups[category], func(group string) bool { return slices.Contains(list, group) })
}
