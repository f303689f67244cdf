package audit

import "zorgsluis/policy"

// reason is what a reason code means to a reader of events.
type reason struct {
	text   string // in plain words: it is shown to the patient, and to operators
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

// reasons are the codes of decision.md, then those of the gate: every reason that this version gives (internal/arch checks that).
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
	"explained":       {"an operator looked up why a request was answered as it was", 0},
	"unchanged":       {"nothing was changed: this was on file already", 0},

	"sender-unknown":       {"refused: the organization may not send consents, or not from this network address", 0},
	"not-a-recorder":       {"refused: the caller may not record what patients say", 0},
	"not-the-patient":      {"refused: the request names another patient than the caller may speak for", 0},
	"not-the-speaker":      {"refused: the request says that somebody else than the caller speaks", 0},
	"lookup-limit":         {"refused: the caller named too many patients, or read too much that is not there, in a minute", 0},
	"security-context":     {"not made available: the attachment says that it belongs to another record than the one that refers to it", 0},
	"security-label":       {"not made available: the attachment has a label of its own that keeps it back", 0},
	"content-other-person": {"not made available: the attachment names somebody else", 0},
	"type-shared":          {"not made available: this type of resource is given only along with one that refers to it", 0},
	"unattributable":       {"not made available: it is not certain whose data this is", 0},
	"version-hidden":       {"not made available: no version that was asked for may be seen", 0},
	"absent":               {"not made available: there is nothing there", 0},

	"declaration-absent":       {"refused: there is no such emergency declaration of this care provider to end", 0},
	"declaration-body":         {"refused: the emergency declaration lacks its reason or another part, or has one in the wrong form", 0},
	"declaration-patient":      {"refused: the emergency declaration does not name a patient as the sources do", 0},
	"declaration-not-recorded": {"failed: the emergency declaration, or its end, could not be recorded", 0},
	"request-id-reused":        {"refused: another change was made under the same request id", 0},

	"token-missing":           {"refused: the request has no token", 0},
	"authorization-scheme":    {"refused: the Authorization header is neither Bearer nor DPoP", 0},
	"authorization-repeated":  {"refused: the request has more than one Authorization header, or a list in it", 0},
	"authorization-malformed": {"refused: the Authorization header has white space or characters that it may not have", 0},
	"authorization-in-query":  {"refused: the token is in the URL", 0},
	"unauthenticated-counted": {"refused: further callers from this address who were not known, counted in one event", 0},

	"token-malformed":         {"refused: the token does not have the form of one", 0},
	"token-encryption":        {"refused: the token is not encrypted as configured for its issuer", 0},
	"token-inactive":          {"refused: the issuer says that the token is not active", 0},
	"token-header":            {"refused: the header of the token names keys, or has something that is not processed", 0},
	"token-algorithm":         {"refused: the token is signed with an algorithm that is not configured for its issuer", 0},
	"token-type":              {"refused: this is not an access token, or not of the type configured for its issuer", 0},
	"token-key":               {"refused: the issuer has no key of the token's key id that fits its algorithm", 0},
	"token-signature":         {"refused: the signature of the token is wrong", 0},
	"token-issuer":            {"refused: the issuer of the token is not configured", 0},
	"token-audience":          {"refused: the token is meant for somebody else", 0},
	"token-expired":           {"refused: the token has expired", 0},
	"token-time":              {"refused: a time in the token is missing, has a wrong form, or is in the future", 0},
	"token-lifetime":          {"refused: the token is valid for longer than configured for its issuer", 0},
	"token-subject":           {"refused: sub or jti of the token is missing or has a wrong form", 0},
	"token-scope":             {"refused: the scope of the token lacks what is required, has a wrong form, or is narrower than what can be enforced", 0},
	"token-client":            {"refused: the client of the token is missing, not configured, or of another issuer", 0},
	"token-claim":             {"refused: a claim that the configuration uses is missing or has a wrong form", 0},
	"token-claim-unprocessed": {"refused: the token has a claim that changes its meaning and is not processed", 0},
	"token-binding":           {"refused: the token is not bound to a key, as configured for its issuer, or not in a known way", 0},
	"token-certificate":       {"refused: the token is bound to a certificate that the caller did not present", 0},
	"token-proof-scheme":      {"refused: the token is bound to a key for DPoP and was sent as Bearer, or the other way round", 0},
	"token-person":            {"refused: the token of a patient names no valid person, or that of a representative no representative", 0},
	"token-refused":           {"refused: the token failed a last check of the OpenID library", 0},

	"proof-missing":   {"refused: there is no DPoP proof", 0},
	"proof-repeated":  {"refused: there is more than one DPoP proof", 0},
	"proof-malformed": {"refused: the DPoP proof does not have the form of one", 0},
	"proof-header":    {"refused: the header of the DPoP proof names keys, or has something that is not processed", 0},
	"proof-type":      {"refused: the DPoP proof is not of the type dpop+jwt", 0},
	"proof-algorithm": {"refused: the DPoP proof is signed with an algorithm that is not accepted", 0},
	"proof-key":       {"refused: the key in the DPoP proof is missing, private, too small, or does not fit the algorithm", 0},
	"proof-binding":   {"refused: the token is bound to another key than that of the DPoP proof", 0},
	"proof-signature": {"refused: the signature of the DPoP proof is wrong", 0},
	"proof-method":    {"refused: the DPoP proof is for another method", 0},
	"proof-target":    {"refused: the DPoP proof is for another URL; it must begin with public_url", 0},
	"proof-time":      {"refused: a time in the DPoP proof is missing, has a wrong form, or does not fit now; the clocks must agree", 0},
	"proof-token":     {"refused: the DPoP proof is for another token", 0},
	"proof-id":        {"refused: jti of the DPoP proof is missing or has a wrong form", 0},
	"proof-nonce":     {"refused: the DPoP proof has no nonce of the gateway, or an old one", 0},
	"proof-replayed":  {"refused: the DPoP proof was used before", 0},

	"request-target":         {"not understood: the target of the request is not a plain path", 0},
	"request-body":           {"not understood: the body could not be read, or there may be none", 0},
	"request-too-long":       {"refused: the body of the request is too long", 0},
	"request-refused":        {"refused: the request is not in the closed grammar of what is served, such as a parameter that is not listed", 0},
	"header-name":            {"refused: the name of a header has an underscore", 0},
	"content-encoding":       {"refused: the request is compressed", 0},
	"upgrade":                {"refused: the request asks to change the protocol", 0},
	"accept":                 {"refused: the caller accepts no form that is served", 0},
	"media-type":             {"refused: the body is not of a media type that is accepted", 0},
	"method":                 {"refused: the method is not served there", 0},
	"query":                  {"refused: there may be no query", 0},
	"path-unknown":           {"refused: there is nothing at this path", 0},
	"interaction-unknown":    {"refused: this interaction is not served", 0},
	"patient-required":       {"refused: the search does not name a patient", 0},
	"patient-unresolved":     {"refused: the source does not know the patient", 0},
	"patient-ambiguous":      {"refused: the source has several records of the patient, or several persons in one", 0},
	"patient-unusable":       {"refused: the source's record of the patient was replaced, has no birth date, or has a number that is not valid", 0},
	"cursor-invalid":         {"refused: the page link is no link of this caller for this search, or has expired", 0},
	"query-too-long-to-page": {"refused: the query is too long for a page link", 0},
	"batch-too-large":        {"refused: the answer to the batch is too large", 0},
	"attachment-invalid":     {"refused: the link to the attachment is no link of this caller, or has expired", 0},
	"attachment-moved":       {"refused: the resource no longer refers to the attachment", 0},

	"patient-missing":      {"refused: the request does not name the patient", 0},
	"patient-unknown":      {"refused: the request names the patient in a way that no source does", 0},
	"by-missing":           {"refused: the request does not say who speaks", 0},
	"id-differs":           {"refused: the id in the consent is not that in the URL", 0},
	"if-match":             {"refused: If-Match does not name one version", 0},
	"if-match-missing":     {"refused: a change must name its version in If-Match", 0},
	"conditional-create":   {"refused: a consent cannot be created conditionally", 0},
	"version-conflict":     {"refused: what is on file was changed meanwhile", 0},
	"consent-unacceptable": {"refused: the consent breaks a rule for what may be put on file", 0},

	"source-unavailable":    {"failed: the source could not be reached, or broke off its answer", 0},
	"source-timeout":        {"failed: the source did not answer in time", 0},
	"source-status":         {"failed: the source answered with an error", 0},
	"source-media-type":     {"failed: the source did not answer in FHIR JSON", 0},
	"source-content":        {"failed: the answer of the source is not valid FHIR", 0},
	"source-too-large":      {"failed: the answer of the source is too large", 0},
	"source-other-resource": {"failed: the source gave another resource than was asked for", 0},
	"source-other-person":   {"failed: the source gave another person than was asked for", 0},
	"source-self-link":      {"failed: the source ignored a parameter of the search", 0},
	"source-next-origin":    {"failed: the next page of the source is somewhere else", 0},
	"source-next-loop":      {"failed: the next page of the source is the same page again", 0},
	"source-next-too-long":  {"failed: the page link of the source is too long", 0},
	"source-request":        {"failed: the request to the source could not be made", 0},
	"source-busy":           {"failed: too many requests to the source are waiting", 0},
	"page-too-large":        {"failed: the page is too large; a smaller one may do", 0},
	"copy-too-large":        {"failed: the copy is too large; less data at a time may do", 0},
	"history-too-large":     {"failed: the history is too large", 0},
	"lastn-too-large":       {"failed: there are too many observations to choose from; a narrower request may do", 0},

	"caller-gone":           {"not made available: the caller hung up before it had an answer", 0},
	"relations-unavailable": {"failed: the registry of treatment relations gave no usable answer", 0},
	"store-unavailable":     {"failed: the store did not answer", 0},
	"store-other-person":    {"failed: the store has another person under this key", 0},
	"standing-unsettled":    {"failed: what is on file for the patient kept changing during the request", 0},
	"event-not-recorded":    {"failed: the access could not be recorded", 0},
	"consent-not-recorded":  {"failed: the change could not be recorded", 0},
	"outcome-unknown":       {"failed: it is not known whether the change was recorded; the same request id tells", 0},
	"release-too-slow":      {"failed: the answer was not ready while its decision held", 0},
	"keys-unavailable":      {"failed: the keys or the issuer that the token needs were not available", 0},
	"issuer-unavailable":    {"failed: the issuer was not available", 0},
	"in-flight":             {"failed: too many requests at once", 0},
	"memory":                {"failed: too much in memory at once", 0},
	"consent-not-rendered":  {"failed: the consent could not be shown", 0},
	"events-not-rendered":   {"failed: the access events could not be shown", 0},
	"cursor":                {"failed: the page link could not be made", 0},
	"not-bindable":          {"failed: the request to the source could not be bound to the patient", 0},
	"panic":                 {"failed: an error in the gateway; the log says where", 0},
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

// Meaning says in plain words what a reason means, as "refused: there is no treatment relation"; "" if this version does not give it.
func Meaning(r policy.Reason) string { return reasons[r].text }

// describe is AuditEvent.outcomeDesc: the stable code, and its meaning in words.
func (e Event) describe() string {
	if words := Meaning(e.Reason); words != "" {
		return string(e.Reason) + ": " + words
	}
	return string(e.Reason)
}
