package proxy

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// exchange is the state of one request on its way through the gate: an explicit parameter, filled step by step, from which its events are
// made. It belongs to one goroutine.
type exchange struct {
	id      string // of the exchange: X-Request-Id
	started time.Time
	address string // of the caller, by Parts.Address
	scheme  string // of the credentials: Bearer or DPoP

	source      *Source // nil outside /fhir/
	interaction fhir.Interaction
	kind        audit.Kind
	name        string // interaction for metrics, from a closed list
	query       string // redacted
	cursor      string // the sealed page link that was followed
	accept      []string
	floors      int // of a batch: how many read floors its answer is held for (level)

	subject       policy.Subject
	authenticated bool
	caller        string            // callerOf the subject; "" until authenticated
	acting        consent.PersonKey // the representative, if any
	purpose       policy.PurposeOfUse

	person consent.PersonKey // whose record, once known

	records     []consent.RecordID
	obligations []policy.Obligation
	emergency   *consent.Declaration // under which the decision was taken
	declaration consent.DeclarationID
	waited      time.Duration // for standings
	categories  []fhir.DataCategory
	disclosed   []string
	reason      policy.Reason

	order *order // of a Desk; nil for a caller of the gate
}

// begin starts an exchange.
func (g *Gate) begin(r *http.Request) *exchange {
	return &exchange{
		id: exchangeID(r.Header), started: g.parts.Now(), address: g.parts.Address(r), scheme: authScheme(r.Header.Get("Authorization")),
		kind: audit.KindAccess, name: "unknown",
	}
}

// exchangeID returns the caller's X-Request-Id only if it is a UUID: any other form could carry a patient identifier into events and logs
// (leaks.md AU-6, HT-20).
func exchangeID(h http.Header) string {
	if values := h.Values("X-Request-Id"); len(values) == 1 && isUUID(values[0]) {
		return values[0]
	}
	return newUUID()
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}

// newUUID makes a random UUID (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand since Go 1.24)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// event describes the exchange so far. It holds no patient identifier (audit.Event).
func (x *exchange) event(outcome audit.Outcome, reason policy.Reason, policyHash string) *audit.Event {
	e := &audit.Event{
		Kind: x.kind, Request: x.id, Person: x.person, Outcome: outcome, Reason: reason,
		Interaction: x.interaction.Code, Type: x.interaction.Type, Query: x.query,
		Actor: x.actor(), Categories: x.categories, Disclosed: x.disclosed,
		Records: x.records, Obligations: x.obligations, Declaration: x.declaration, Policy: policyHash, Address: x.address,
	}
	if x.source != nil {
		e.Source = x.source.ID
	}
	if x.emergency != nil {
		e.Emergency, e.Code, e.Declaration = x.emergency.Reason, x.emergency.Code, x.emergency.ID
	}
	if x.order != nil {
		x.order.describe(e)
	}
	e.Version = e.LowestVersion()
	return e
}

// actor is the subject as recorded, with the purpose that was decided on.
func (x *exchange) actor() audit.Actor {
	if !x.authenticated {
		return audit.Actor{}
	}
	a := audit.NewActor(x.subject)
	a.Purpose, a.Representative = x.purpose, x.acting
	if x.emergency != nil {
		a.Purpose = policy.PurposeEmergency
	}
	return a
}

// callerOf returns the key by which a caller is counted, granted memory, and bound to sealed links.
func callerOf(s policy.Subject) string {
	return s.Issuer + "\x00" + s.ID + "\x00" + s.ClientID + "\x00" + s.Organization + "\x00" + s.Practitioner
}
