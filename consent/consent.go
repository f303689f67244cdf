// Package consent is what patients decided: consent records, break-glass declarations, and the standing of one person
// (docs/decision.md, "The consent state"). It is pure: no I/O, no clock, no logging, no context.
package consent

import (
	"time"

	"zorgsluis/fhir"
)

// PersonKey is the pseudonym of a person: lower-case hex of HMAC-SHA-256 over the length-prefixed (system, value). It is the only
// form in which a person appears in Redis keys, logs and events.
type PersonKey string

// RecordID identifies a consent record, DeclarationID a break-glass declaration: "<shard>-<random>".
type (
	RecordID      string
	DeclarationID string
)

// Standing is everything on file for one person at one generation. The zero value is a person with nothing on file.
type Standing struct {
	Person       fhir.Identifier `json:"person"`
	Generation   uint64          `json:"-"`
	Records      []Record        `json:"records,omitempty"`
	Declarations []Declaration   `json:"declarations,omitempty"`
	Flags        Flags           `json:"flags"`
	// Newest is the latest stamp on file; no decision is taken for an earlier instant.
	Newest time.Time `json:"-"`
}

// Flags are set by a provider (gateway person), not by the patient.
type Flags struct {
	Incapacitated          bool                `json:"incapacitated,omitempty"`
	RepresentativesBlocked []string            `json:"representatives_blocked,omitempty"`
	WithheldFromPatient    []fhir.DataCategory `json:"withheld_from_patient,omitempty"`
}

// Declaration is a break-glass declaration. It is valid for one issuer, practitioner, organization, client and person.
type Declaration struct {
	ID                DeclarationID `json:"id"`
	Issuer            string        `json:"issuer"`
	Client            string        `json:"client"`
	Practitioner      string        `json:"practitioner"`
	Organization      string        `json:"organization"`
	Code              string        `json:"code,omitempty"` // one of the configured reasons
	Reason            string        `json:"reason"`         // in the professional's own words
	ConsentImpossible bool          `json:"consent_impossible"`
	NoAlternative     bool          `json:"no_alternative,omitempty"`
	DeclaredAt        time.Time     `json:"declared_at"`
	Expires           time.Time     `json:"expires"`
	Overdue           bool          `json:"overdue,omitempty"` // an event recorded that its review is late
	Review            *Review       `json:"review,omitempty"`
}

// Review is the verdict on a declaration.
type Review struct {
	Justified bool      `json:"justified"`
	By        string    `json:"by"`
	Why       string    `json:"why"`
	At        time.Time `json:"at"`
}

// The values of Record.Status, Record.Decision, Record.GivenBy and Record.WithdrawnBy.
const (
	StatusActive         = "active"
	StatusWithdrawn      = "withdrawn"
	StatusEnteredInError = "entered-in-error"

	// PurposeMandate is the only purpose of a record about a person, and of no other record (v3-ActReason, patient request).
	PurposeMandate = "PATRQT"

	DecisionPermit = "permit"
	DecisionDeny   = "deny"

	ByPatient        = "patient"
	ByRepresentative = "representative"
)

// Record is one consent record in the form of the specification (decision.md, Input). Zero times are open.
type Record struct {
	ID                 RecordID    `json:"id"`
	Status             string      `json:"status"`
	Decision           string      `json:"decision"`
	EmergencyException bool        `json:"emergency_exception,omitempty"`
	Holder             Side        `json:"holder"`
	Party              Side        `json:"party"`
	PartyName          string      `json:"party_name,omitempty"` // the patient's name for a person
	Data               []string    `json:"data"`
	Channel            string      `json:"channel"`
	Purposes           []string    `json:"purposes"`
	ValidFrom          Time        `json:"valid_from"`
	ValidTo            Time        `json:"valid_to"`
	RecordedAt         Time        `json:"recorded_at"`
	GivenBy            []string    `json:"given_by"`
	Posthumous         bool        `json:"posthumous,omitempty"`
	WithdrawnAt        Time        `json:"withdrawn_at,omitzero"`
	WithdrawnBy        []string    `json:"withdrawn_by,omitempty"`
	RecordedBy         string      `json:"recorded_by,omitempty"`
	Method             string      `json:"method,omitempty"`
	Information        Information `json:"information,omitzero"`
}

// Information is what the patient was shown before choosing (decision.md, "What a write must refuse").
type Information struct {
	ID       string `json:"id"`
	Version  string `json:"version"`
	Language string `json:"language"`
	SHA256   string `json:"sha256"`
}

// Side is the holder or the party of a record: nothing named means any; at most one field may be set. Person is for a party only: somebody
// chosen by the patient to see the record on the patient's behalf (a mandate), as the key of the pseudonym.
type Side struct {
	Category     string    `json:"category,omitempty"`
	Organization string    `json:"organization,omitempty"`
	Practitioner string    `json:"practitioner,omitempty"`
	Person       PersonKey `json:"person,omitempty"`
}

// Time is an instant written as RFC 3339, or as "" if it is open.
type Time struct{ time.Time }

// MarshalJSON writes "" for the zero time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte(`""`), nil
	}
	return t.Time.MarshalJSON()
}

// UnmarshalJSON reads "" as the zero time.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == `""` {
		t.Time = time.Time{}
		return nil
	}
	return t.Time.UnmarshalJSON(b)
}
