// Package policy is the decision: who may see which data of whom, and why (docs/decision.md). It is pure and total: no clock, no I/O,
// no error result, and the zero Decision denies.
package policy

import (
	"slices"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// AssuranceLevel is the level of assurance of the caller's identity (eIDAS, OIDC acr). The zero value is none.
type AssuranceLevel int

// The levels of eIDAS, in order.
const (
	AssuranceNone AssuranceLevel = iota
	AssuranceLow
	AssuranceSubstantial
	AssuranceHigh
)

// SubjectKind is the capacity in which the caller asks. The zero value has no care role and is refused.
type SubjectKind int

// The kinds of callers (decision.md, request.actor.kind).
const (
	KindOther SubjectKind = iota
	KindPatient
	KindRepresentative
	KindProvider
)

// ProviderCategory is a configured category of providers (gp, pharmacy, …) or a blocked one (insurer, company-doctor, …).
type ProviderCategory string

// The blocked categories (Wabvpz art. 15f), in the order in which the reason of a refusal is chosen.
const (
	BlockedInsurer         ProviderCategory = "insurer"
	BlockedCompanyDoctor   ProviderCategory = "company-doctor"
	BlockedInsuranceDoctor ProviderCategory = "insurance-doctor"
	BlockedMedicalExaminer ProviderCategory = "medical-examiner"
)

// BlockedCategories lists them in that order.
func BlockedCategories() []ProviderCategory {
	return []ProviderCategory{BlockedInsurer, BlockedCompanyDoctor, BlockedInsuranceDoctor, BlockedMedicalExaminer}
}

// IsBlocked reports whether the law bars the category from exchange systems.
func (c ProviderCategory) IsBlocked() bool { return slices.Contains(BlockedCategories(), c) }

// Relationship is the asserted treatment relation (Wabvpz art. 1(k)).
type Relationship string

// The relations that count; anything else is none.
const (
	RelationTreating         Relationship = "treating"
	RelationDirectlyInvolved Relationship = "directly-involved"
	RelationSubstitute       Relationship = "substitute"

	RelationNone    Relationship = "none"    // according to a token or a registry
	RelationUnknown Relationship = "unknown" // a registry was asked, and gave no answer
)

// What can show a treatment relation (Subject.Evidence).
const (
	EvidenceToken    = "token"     // a verified claim
	EvidenceClient   = "client"    // the registration of the client, which is trusted for it
	EvidenceRegistry = "registry:" // a configured registry; its name follows
)

// PurposeOfUse is a code of v3-ActReason.
type PurposeOfUse string

// The purposes that the decision knows.
const (
	PurposeTreatment      PurposeOfUse = "TREAT"
	PurposeEmergency      PurposeOfUse = "ETREAT"
	PurposePatientRequest PurposeOfUse = "PATRQT"
	PurposeResearch       PurposeOfUse = "HRESCH"

	// These three are medical examinations and are always refused (rule 1).
	PurposeEmployment PurposeOfUse = "EMPLOY"
	PurposeDisability PurposeOfUse = "DISABILITY"
	PurposeInsurance  PurposeOfUse = "INSUR"
)

// Channel is the exchange system or route used (regional, lsp, medmij, …).
type Channel string

// Subject is the authenticated caller (XACML Subject): who, in which capacity, at which assurance level, why, over which channel. authn
// makes it from a verified token and from configuration only.
type Subject struct {
	Issuer   string // iss, exactly as configured
	ID       string // sub; a patient's may be an identifier: never log it, see audit
	ClientID string
	TokenID  string // jti
	Name     string

	Kind         SubjectKind
	Assurance    AssuranceLevel
	Categories   []ProviderCategory // all that the signals give, including blocked ones
	Organization string             // "ura:…" or another configured prefix
	Practitioner string             // "uzi:…"; empty if no natural person stands behind the request
	Roles        []string           // UZI role codes
	Secrecy      SecrecyBasis       // of a provider; empty: none
	Relationship Relationship
	Evidence     string         // what shows the relationship: EvidenceToken, EvidenceClient, or EvidenceRegistry and the registry's name
	Registry     string         // the registry to ask for the relationship of a provider if nothing else shows it; "": none
	Purposes     []PurposeOfUse // as asserted; a blocked one blocks, otherwise exactly one is required
	Channel      Channel

	Person               fhir.Identifier // patient and representative: whose record the token is for
	Authority            string          // representative: parental, guardian, curator, mentor, written
	Representative       string          // representative: own id
	RepresentativeSystem string          // its identifier system; "": none
	// Pseudonym is what the issuer calls a representative other than a legal one (IsLegal): keys and events identify that person only by
	// it. Representative, if the token has one, may be a number that must not be processed (Wabvpz art. 4(2); UAVG 46): it is compared with
	// what is on file, and neither kept, hashed nor disclosed.
	Pseudonym   string
	MustBeNamed bool   // representative: the patient must have named that person here (Policy.Mandate)
	Responsible string // "uzi:…": the professional under whose responsibility the caller works; empty without a mandate

	AuthenticatedAt time.Time // auth_time, zero when absent
	Expires         time.Time // exp
}

// Holder is the organization that keeps the record, from the source's configuration.
type Holder struct {
	Organization string           `json:"organization"`
	Category     ProviderCategory `json:"category"`
}

// Patient are the facts about the patient. BirthDate is a civil date "YYYY-MM-DD".
type Patient struct {
	Key       consent.PersonKey
	BirthDate string
	Deceased  bool
	Flags     consent.Flags

	// The first and the last day, in the same form, on which the patient may have died; "" if unknown. Only AfterDeath uses them.
	DiedEarliest, DiedLatest string
}

// Emergency is the break-glass declaration under which ETREAT is requested.
type Emergency struct {
	Reason            string
	ConsentImpossible bool
}

// Actor is the caller as the decision sees it. PatientKey is whose record a patient's or representative's token is for.
type Actor struct {
	Kind           SubjectKind
	Assurance      AssuranceLevel
	Categories     []ProviderCategory
	Organization   string
	Practitioner   string
	Relationship   Relationship
	PatientKey     consent.PersonKey
	Representative string
	Authority      string
}

// Request is everything about the request that the decision depends on.
type Request struct {
	Actor     Actor
	Purpose   PurposeOfUse
	Emergency *Emergency
	Channel   Channel
	Holder    Holder
	Category  fhir.DataCategory
}

// Input is one question to Decide. At is the instant of the decision; nothing reads a clock.
type Input struct {
	At      time.Time
	Request Request
	Patient Patient
	Records []consent.Record
}

// Reason is a stable code for why a decision was taken (decision.md, Rules).
type Reason string

// The reasons. Those that start with ok- are permits.
const (
	ReasonBlockedInsurer         Reason = "blocked-insurer"
	ReasonBlockedCompanyDoctor   Reason = "blocked-company-doctor"
	ReasonBlockedInsuranceDoctor Reason = "blocked-insurance-doctor"
	ReasonBlockedMedicalExaminer Reason = "blocked-medical-examiner"

	ReasonInsufficientAssurance Reason = "insufficient-assurance"
	ReasonPurposeNotAllowed     Reason = "purpose-not-allowed"

	ReasonPatientMismatch             Reason = "patient-mismatch"
	ReasonDeceased                    Reason = "deceased"
	ReasonAgeNotAllowed               Reason = "age-not-allowed"
	ReasonRepresentativeBlocked       Reason = "representative-blocked"
	ReasonRepresentativeNotAuthorised Reason = "representative-not-authorised"
	ReasonWithheldFromPatient         Reason = "withheld-from-patient"
	ReasonSelf                        Reason = "ok-self"
	ReasonRepresentative              Reason = "ok-representative"

	ReasonUnknownCategory       Reason = "unknown-category"
	ReasonAmbiguousCategory     Reason = "ambiguous-category"
	ReasonNotShareable          Reason = "not-shareable"
	ReasonEmergencyNotJustified Reason = "emergency-not-justified"
	ReasonNoTreatmentRelation   Reason = "no-treatment-relation"
	ReasonNotForRole            Reason = "not-for-role" // beyond Config.Necessary

	ReasonConsent            Reason = "ok-consent"
	ReasonEmergencyUnknown   Reason = "ok-emergency-unknown"
	ReasonEmergencyException Reason = "ok-emergency-exception"
	ReasonEmergencyRefused   Reason = "emergency-refused"
	ReasonConsentRefused     Reason = "consent-refused"
	ReasonConsentWithdrawn   Reason = "consent-withdrawn"
	ReasonImplied            Reason = "ok-implied"
	ReasonNoConsent          Reason = "no-consent"
)

// Obligation is what must accompany a permit or a denial: report-authority, alert, review, notify-patient.
type Obligation string

// The obligations. A decision lists them in alphabetical order.
const (
	ObligationAlert           Obligation = "alert"
	ObligationNotifyPatient   Obligation = "notify-patient"
	ObligationReportAuthority Obligation = "report-authority" // Wabvpz 15h
	ObligationReview          Obligation = "review"
)

// Decision is the answer. The zero value denies, without a reason.
type Decision struct {
	Permit      bool
	Reason      Reason
	Obligations []Obligation
	Records     []consent.RecordID // the records that decided, sorted
}
