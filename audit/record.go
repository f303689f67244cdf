package audit

import (
	"errors"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// What a store answers when it does not record. Every other error is ErrUnavailable or wraps it.
var (
	// ErrMoved: the person's generation is no longer the one decided on. Nothing was recorded.
	ErrMoved = errors.New("audit: the standing changed since the decision")
	// ErrTooLate: the store's clock is past NotAfter. Nothing was recorded.
	ErrTooLate = errors.New("audit: the decision no longer holds")
	// ErrConflict: the standing is not at the generation that the change was made for. Nothing was changed.
	ErrConflict = errors.New("audit: the standing is at another generation")
	// ErrFull: as much is on file for the person as can be. Nothing was changed; what is on file can be ended, and everything refused.
	ErrFull = errors.New("audit: too much on file for one person")
	// ErrUnavailable: the store did not answer, or not as it must. The outcome may be unknown.
	ErrUnavailable = errors.New("audit: store unavailable")
)

// Release is one access event that must be durable before anything of what it describes leaves (README, step 8), and the
// condition under which it may be recorded. Committing it again with the same Event.ID records nothing twice and checks the
// condition again.
type Release struct {
	Event *Event // the store sets ID (when empty) and Time

	// Conditional says that the event stands for a disclosure about Event.Person: it is recorded only while that person's
	// standing is at Generation and the store's clock is before NotAfter (zero: no such instant).
	Conditional bool
	Generation  uint64
	NotAfter    time.Time
}

// Change is one change of what is on file for a person, recorded together with its event: both or neither.
type Change struct {
	Request string          // idempotency: the same id changes once, and gives the same answer again
	Person  fhir.Identifier // normalised (consent.NormalizePerson)
	// IfGeneration makes the change conditional (If-Match); nil: whatever the generation is.
	IfGeneration *uint64
	// KeepStamps says that Apply may set RecordedAt and WithdrawnAt of what it adds to instants that have passed: an operator brings
	// consents along that were recorded elsewhere.
	KeepStamps bool
	// Apply edits the standing; its error is returned as it is and nothing is written. It may be called more than once.
	Apply func(*consent.Standing) error
	Event *Event
}
