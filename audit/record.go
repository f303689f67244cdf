package audit

import (
	"errors"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Errors of a store that does not record. Every other error is or wraps ErrUnavailable.
var (
	// ErrMoved: the person's generation is no longer the one decided on. Nothing was recorded.
	ErrMoved = errors.New("audit: the standing changed since the decision")
	// ErrTooLate: the store's clock is past NotAfter. Nothing was recorded.
	ErrTooLate = errors.New("audit: the decision no longer holds")
	// ErrConflict: the standing is not at the generation required by the change. Nothing was changed.
	ErrConflict = errors.New("audit: the standing is at another generation")
	// ErrFull: the person has the maximum number of records on file. Nothing was changed; records can still be ended, and everything
	// refused.
	ErrFull = errors.New("audit: too much on file for one person")
	// ErrUnavailable: the store did not answer, or not properly. The outcome may be unknown.
	ErrUnavailable = errors.New("audit: store unavailable")
)

// Release is one access event that must be durable before any of the data it describes leaves (README, step 8), and the condition under
// which it may be recorded. Committing it again with the same Event.ID does not record it twice, but checks the condition again.
type Release struct {
	Event *Event // the store sets ID (when empty) and Time

	// Conditional says that the event is a disclosure about Event.Person: it is recorded only while that person's standing is at Generation
	// and the store's clock is before NotAfter (zero: no limit).
	Conditional bool
	Generation  uint64
	NotAfter    time.Time
}

// Change is one change of a person's standing, recorded together with its event: both or neither.
type Change struct {
	Request string          // idempotency key: the same id changes once, and returns the same result again
	Person  fhir.Identifier // normalised (consent.NormalizePerson)
	// IfGeneration makes the change conditional (If-Match); nil: any generation.
	IfGeneration *uint64
	// KeepStamps says that Apply may set RecordedAt and WithdrawnAt of what it adds to past instants: an operator imports consents that
	// were recorded elsewhere.
	KeepStamps bool
	// Apply edits the standing; its error is returned unchanged and nothing is written. It may be called more than once.
	Apply func(*consent.Standing) error
	Event *Event
}
