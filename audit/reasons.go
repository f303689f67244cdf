package audit

import "zorgsluis/policy"

// reason is what a reason code means to a reader of events.
type reason struct {
	text   string // in plain words: it is shown to the patient
	checks checks
}

// checks are the controls of NEN 7513 that a reason implies. Zero: nothing was decided.
type checks int

const (
	decided    checks = 1 << iota // a decision was taken
	authorised                    // the caller was found fit to ask
	consented                     // a permit based on consent, given or assumed by law

	permitted = decided | authorised
)

// reasons are the codes of decision.md, and those of the gate that a patient may see. A code that is missing here is shown as it is.
var reasons = map[policy.Reason]reason{
	"ok-consent":             {"made available, because the patient gave consent", permitted | consented},
	"ok-implied":             {"made available for a referral, for which consent is assumed", permitted | consented},
	"ok-self":                {"made available to the patient", permitted},
	"ok-representative":      {"made available to the representative of the patient", permitted},
	"ok-emergency-unknown":   {"made available in an emergency; the patient had not chosen yet", permitted},
	"ok-emergency-exception": {"made available in an emergency, which the patient allows", permitted | consented},

	policy.ReasonAfterDeath: {"a copy was made available by hand after the death of the patient, on a ground that the law knows", permitted},

	policy.ReasonGroundNotListed:      {"refused: no copy after the death of the patient on a ground that the law does not know", decided},
	policy.ReasonFourEyes:             {"refused: a copy after the death of the patient takes two people", decided},
	policy.ReasonPresumptionMissing:   {"refused: nobody stated that the deceased patient would not have objected", decided},
	policy.ReasonDataNotNamed:         {"refused: a copy after the death of the patient must name the data that its ground needs", decided},
	policy.ReasonRestrictedNotAllowed: {"refused: restricted data is not given after the death of the patient", decided},
	policy.ReasonNotDeceased:          {"refused: the source does not say that the patient has died", decided},
	policy.ReasonAgeAtDeath:           {"refused: the patient did not certainly die before the age of sixteen", decided},
	policy.ReasonObjectedInLife:       {"refused: the patient objected in life", decided | authorised},

	"blocked-insurer":               {"refused: a health insurer may never see this", decided},
	"blocked-company-doctor":        {"refused: a company doctor may never see this", decided},
	"blocked-insurance-doctor":      {"refused: an insurance doctor may never see this", decided},
	"blocked-medical-examiner":      {"refused: this may never be seen for a medical examination", decided},
	"insufficient-assurance":        {"refused: it was not certain enough who asked", decided},
	"sign-in-too-old":               {"refused: the caller had signed in too long ago", decided},
	"purpose-not-allowed":           {"refused: the purpose is not allowed", decided},
	"patient-mismatch":              {"refused: somebody asked for the record of another person", decided},
	"age-not-allowed":               {"refused because of the age of the patient", decided},
	"withheld-from-patient":         {"refused: a care provider keeps this back for now", decided},
	"representative-blocked":        {"refused: this representative may not see the record", decided},
	"representative-not-authorised": {"refused: this person does not represent the patient", decided},
	"unknown-category":              {"refused: it is not known what kind of care provider asked", decided},
	"ambiguous-category":            {"refused: it is not clear what kind of care provider asked", decided},
	"not-shareable":                 {"refused: this is never shared with care providers", decided},
	"no-secrecy-basis":              {"refused: no legal basis is known on which the caller keeps medical secrecy", decided},
	"emergency-not-justified":       {"refused: the conditions of emergency access were not met", decided},

	"not-for-role":          {"refused: this kind of care provider does not need this data for normal work", decided | authorised},
	"no-treatment-relation": {"refused: there is no treatment relation", decided | authorised},
	"deceased":              {"refused: the patient has died", decided | authorised},
	"emergency-refused":     {"refused, in an emergency too, because of what the patient chose", decided | authorised},
	"consent-refused":       {"refused, because the patient refused", decided | authorised},
	"consent-withdrawn":     {"refused, because the patient withdrew the consent", decided | authorised},
	"no-consent":            {"refused: the patient did not give consent", decided | authorised},

	ReasonDeclared:           {"an emergency was declared", permitted},
	ReasonDeclarationEnded:   {"the emergency access was ended", 0},
	ReasonDeclarationLimit:   {"refused: this care provider declared too many emergencies in a short time", 0},
	ReasonReviewJustified:    {"the emergency access was reviewed, and was justified", 0},
	ReasonReviewNotJustified: {"the emergency access was reviewed, and was not justified", 0},
	"consent-lapsing":        {"a notice: the patient reaches an age at which another has to choose; the choice must be made anew", 0},
	"catalogue-changed":      {"a notice: the kinds of care providers or data that consents are about were changed; a consent can be changed or withdrawn at any time", 0},
	ReasonReviewOverdue:      {"the review of the emergency access is late", 0},

	"recorded":        {"a consent or a refusal was put on file", 0},
	"updated":         {"a consent or a refusal was changed", 0},
	"withdrawn":       {"a consent or a refusal was withdrawn", 0},
	"objected":        {"the patient stopped all sharing", 0},
	"imported":        {"a consent or a refusal was taken over from another register", 0},
	"flagged":         {"it was noted who may decide or see", 0},
	"exported":        {"access events were given out to an operator", 0},
	"reported":        {"an operator made a report of who received what", 0},
	ReasonErasureTold: {"an organization that had received these data was told that they were erased, and that it must erase every copy and link", 0},
	"evidence":        {"proof of what was decided was given out", 0},
	"caller-gone":     {"not made available: the caller hung up before it had an answer", 0},
}

// The reasons of this package, beside those of a decision.
const (
	ReasonDeclared         policy.Reason = "declared"          // a break-glass declaration was made
	ReasonDeclarationEnded policy.Reason = "declaration-ended" // it was ended early
	ReasonDeclarationLimit policy.Reason = "declaration-limit" // the professional declared too often

	ReasonReviewJustified    policy.Reason = "review-justified"
	ReasonReviewNotJustified policy.Reason = "review-not-justified"
	ReasonReviewOverdue      policy.Reason = "review-overdue" // the verdict is late; recorded once

	ReasonErasureTold policy.Reason = "erasure-told" // a recipient of data is told that it was erased at its source
)

// describe is AuditEvent.outcomeDesc: the stable code, and its meaning in words.
func (e Event) describe() string {
	if r, known := reasons[e.Reason]; known {
		return string(e.Reason) + ": " + r.text
	}
	return string(e.Reason)
}
