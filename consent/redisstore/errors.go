package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// The errors of a store besides those of package audit (ErrMoved, ErrTooLate, ErrConflict, ErrUnavailable). Those that mean
// "refuse, and do not retry soon" wrap audit.ErrUnavailable.
var (
	// ErrNotInitialised: no shard has a meta key, and no earlier store is known. Initialise makes a new one.
	ErrNotInitialised = fmt.Errorf("%w: not initialised", audit.ErrUnavailable)
	// ErrStoreMismatch: this is another store, it has another number of shards, or it was made with other secrets.
	ErrStoreMismatch = fmt.Errorf("%w: not the configured store, shards or secrets", audit.ErrUnavailable)
	// ErrDataLost: the store was emptied, or is older than what was seen of it. An operator must look at it, and restore, replay or
	// accept (Accept).
	ErrDataLost = fmt.Errorf("%w: data lost, an operator must restore or accept", audit.ErrUnavailable)
	// ErrDiverged: the archive cannot be replayed into this store, which was used after it was restored, or is older than where the
	// archive begins.
	ErrDiverged = fmt.Errorf("%w: not a backup that the archive continues", audit.ErrUnavailable)
	// ErrSealed: a value does not open, or the history is inconsistent: wrong key, damage or tampering.
	ErrSealed = fmt.Errorf("%w: sealed value or history is damaged", audit.ErrUnavailable)
	// ErrOutcomeUnknown: a change may or may not have been made, or is not on enough replicas. The same request id settles it.
	ErrOutcomeUnknown = fmt.Errorf("%w: outcome unknown, ask again by request id", audit.ErrUnavailable)

	// ErrNotFound: no such id.
	ErrNotFound = errors.New("redisstore: not found")
	// ErrTooLarge: the standing would exceed the bounds. Nothing was changed. Changes that only end consents have reserved room.
	ErrTooLarge = fmt.Errorf("%w: over the bounds of the store", audit.ErrFull)
	// ErrInvalid: an argument is malformed, or sets a stamp or id that only the store may set.
	ErrInvalid = errors.New("redisstore: invalid argument")

	// errOverloaded and errClosed are refusals before anything was sent.
	errOverloaded = fmt.Errorf("%w: overloaded", audit.ErrUnavailable)
	errClosed     = fmt.Errorf("%w: closed", audit.ErrUnavailable)
	// errUnsafe is a refusal because of the last Check, which named the setting.
	errUnsafe = fmt.Errorf("%w: the server could lose what it acknowledges", audit.ErrUnavailable)
	// errOutdated refuses a call since the last Check, which found another catalogue.
	errOutdated = fmt.Errorf("%w: another instance has activated another catalogue", audit.ErrUnavailable)
	// errReplicas: the write is on the master, but too few replicas confirmed it in time.
	errReplicas = fmt.Errorf("%w: too few replicas confirmed", audit.ErrUnavailable)
)

// unavailable wraps a cause in audit.ErrUnavailable. The cause stays visible to errors.Is.
func unavailable(cause error) error {
	if errors.Is(cause, audit.ErrUnavailable) {
		return cause
	}
	return fmt.Errorf("%w: %w", audit.ErrUnavailable, cause)
}

// worthRepeating reports whether repeating the call may end differently: the outcome is unknown (the connection broke), another
// server is now the master, or a replica was late. Calls are idempotent, so repeating is safe. Lasting errors of Redis (OOM,
// MISCONF, a wrong type) are not repeated.
func worthRepeating(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, errReplicas) || movedAway(err) {
		return true
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		return false
	}
	for _, final := range []error{errOverloaded, errClosed, errUnsafe, errOutdated, errClock, ErrStoreMismatch, ErrDataLost, ErrDiverged, ErrSealed, context.Canceled} {
		if errors.Is(err, final) {
			return false
		}
	}
	return errors.Is(err, audit.ErrUnavailable)
}

// movedAway reports an error reply of a server that is not, or no longer, the master of the shard.
func movedAway(err error) bool {
	return hasReply(err, "MOVED ", "ASK ", "READONLY ", "TRYAGAIN ", "CLUSTERDOWN ")
}

// hasReply reports whether err is an error reply of the server with one of these codes.
func hasReply(err error, codes ...string) bool {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return false
	}
	for _, code := range codes {
		if strings.HasPrefix(reply.Error(), code) {
			return true
		}
	}
	return false
}
