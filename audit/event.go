// Package audit keeps access events: what happened, their FHIR AuditEvent form (IHE BALP, NEN 7513), and the archive.
package audit

import (
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// EventID identifies an event: "<shard>-<random>".
type EventID string

// Kind says what an event is about. Reading back an event of an unknown kind fails.
type Kind string

// The kinds of events.
const (
	KindAccess          Kind = "access"          // an interaction with a source, permitted or refused
	KindLog             Kind = "log"             // the access events were viewed, exported or reported on, or somebody is told of an erasure
	KindConsent         Kind = "consent"         // a consent record was made, changed or withdrawn, or the patient is to be told of a change
	KindPerson          Kind = "person"          // a flag was set
	KindBreakGlass      Kind = "break-glass"     // a declaration was made, ended or refused
	KindReview          Kind = "review"          // a declaration was reviewed, or its review is overdue
	KindUnauthenticated Kind = "unauthenticated" // callers that could not be authenticated; Count of them
)

// Outcome says how the exchange ended.
type Outcome string

// The outcomes: AuditEvent.outcome 0, 4 and 8.
const (
	OutcomePermit Outcome = "permit"
	OutcomeDeny   Outcome = "deny"
	OutcomeError  Outcome = "error"
)

// SchemaVersion is the event format version that this code writes (docs/events.md), except for events with members of a later one.
// MandateVersion added the representative, the authority, and the responsible professional; EvidenceVersion the secrecy basis, what showed
// the treatment relation, and who is told; HandoverVersion the members of a copy given by hand. A reader refuses any other version.
const (
	SchemaVersion   = 1
	MandateVersion  = 2
	EvidenceVersion = 3
	HandoverVersion = 4
)

// Event is one access event. It contains no patient identifier: the person is a key, a patient's own subject id is left out, and the
// patient's value in a query is replaced. The store sets ID and Time.
type Event struct {
	ID      EventID   `json:"id"`
	Time    time.Time `json:"time"`
	Version int       `json:"v"` // LowestVersion
	Kind    Kind      `json:"kind"`
	Request string    `json:"request_id"` // X-Request-Id of the exchange

	Person  consent.PersonKey `json:"person,omitempty"`
	Outcome Outcome           `json:"outcome"`
	Reason  policy.Reason     `json:"reason"`

	Source      string    `json:"source,omitempty"`
	Interaction fhir.Code `json:"interaction,omitempty"`
	Type        string    `json:"type,omitempty"`
	Query       string    `json:"query,omitempty"` // redacted, "Observation?patient=***&code=…"

	Actor Actor `json:"actor"`

	Categories []fhir.DataCategory `json:"categories,omitempty"` // made ready for release
	// Disclosed are references of what was made ready, at most MaxDisclosed; DisclosedTotal is how many there were if the list was cut,
	// else zero. A Patient's own id is replaced: "Patient/***".
	Disclosed      []string            `json:"disclosed,omitempty"`
	DisclosedTotal int                 `json:"disclosed_total,omitempty"`
	Records        []consent.RecordID  `json:"records,omitempty"` // consent records that decided
	Obligations    []policy.Obligation `json:"obligations,omitempty"`

	Emergency   string                `json:"emergency_reason,omitempty"` // in the professional's own words
	Code        string                `json:"emergency_code,omitempty"`   // of the configured reasons
	Grounds     string                `json:"grounds,omitempty"`          // of a verdict, an early end, a notice, an erasure or a copy by hand
	Declaration consent.DeclarationID `json:"declaration,omitempty"`
	Consent     consent.RecordID      `json:"consent,omitempty"` // the record that was changed
	Generation  uint64                `json:"generation,omitempty"`
	Count       int                   `json:"count,omitempty"`
	Address     string                `json:"address,omitempty"` // of the peer
	Policy      string                `json:"policy,omitempty"`  // hash of the configured policy

	// Since EvidenceVersion.
	Recipient string `json:"recipient,omitempty"` // organization that is told; of a handover, who receives the copy, in words

	// Since HandoverVersion: a copy given by hand after the patient's death.
	LegalGround policy.Ground `json:"legal_ground,omitempty"`
	ApprovedBy  string        `json:"approved_by,omitempty"` // who approved it; the actor gives it
	Digest      string        `json:"digest,omitempty"`      // of the copy: SHA-256, in hex
}

// Actor is who asked, as events keep it: without the subject id of a patient or representative.
type Actor struct {
	Issuer       string                    `json:"issuer,omitempty"`
	Subject      string                    `json:"subject,omitempty"`
	Client       string                    `json:"client,omitempty"`
	Token        string                    `json:"token,omitempty"` // jti
	Kind         string                    `json:"kind,omitempty"`
	Name         string                    `json:"name,omitempty"`
	Organization string                    `json:"organization,omitempty"`
	Practitioner string                    `json:"practitioner,omitempty"`
	Roles        []string                  `json:"roles,omitempty"`
	Categories   []policy.ProviderCategory `json:"categories,omitempty"`
	Assurance    string                    `json:"assurance,omitempty"`
	Relationship policy.Relationship       `json:"relationship,omitempty"`
	Purpose      policy.PurposeOfUse       `json:"purpose,omitempty"`
	Channel      policy.Channel            `json:"channel,omitempty"`

	// Since MandateVersion.
	Responsible    string            `json:"responsible,omitempty"`    // professional under whose responsibility the caller worked (NEN 7513)
	Representative consent.PersonKey `json:"representative,omitempty"` // of a representative: the person key, or the key of somebody the patient chose
	Authority      string            `json:"authority,omitempty"`      // of a representative

	// Since EvidenceVersion.
	Secrecy  policy.SecrecyBasis `json:"secrecy,omitempty"`  // of a provider
	Evidence string              `json:"evidence,omitempty"` // what showed the relationship: token, client, registry:…
}

// LowestVersion is the lowest format version that has all members of this event.
func (e Event) LowestVersion() int {
	switch {
	case e.isHandover():
		return HandoverVersion
	case e.Recipient != "":
		return EvidenceVersion
	}
	return e.Actor.Version()
}

// isHandover reports whether the event is about a copy given by hand, or refused.
func (e Event) isHandover() bool { return e.LegalGround != "" }

// Version is the lowest format version that has all members of this actor.
func (a Actor) Version() int {
	if a.Secrecy != "" || a.Evidence != "" {
		return EvidenceVersion
	}
	if a.Responsible != "" || a.Representative != "" || a.Authority != "" {
		return MandateVersion
	}
	return SchemaVersion
}

// ByGateway makes an event of something the gateway does by itself: permitted, under the policy with this hash. request makes it repeatable
// and is cut off at 64 bytes.
func ByGateway(kind Kind, reason policy.Reason, request, policyHash string) *Event {
	return &Event{
		Version: SchemaVersion, Kind: kind, Request: request[:min(len(request), 64)], Outcome: OutcomePermit, Reason: reason,
		Actor: Actor{Kind: "other", Name: "zorgsluis", Roles: []string{"gateway"}}, Policy: policyHash,
	}
}
