package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// What a store answers besides the errors of package audit (ErrMoved, ErrTooLate, ErrConflict, ErrUnavailable). Those that mean
// "refuse, and do not ask again soon" wrap audit.ErrUnavailable.
var (
	// ErrNotInitialised: no shard has a meta key and nobody remembers one. Initialise makes a new store.
	ErrNotInitialised = fmt.Errorf("%w: not initialised", audit.ErrUnavailable)
	// ErrStoreMismatch: this is another store, it has another number of shards, or the secrets are not those it was made with.
	ErrStoreMismatch = fmt.Errorf("%w: not the configured store, shards or secrets", audit.ErrUnavailable)
	// ErrDataLost: something that was there before is gone: the store was emptied, or is older than what was seen of it. An
	// operator looks at it, restores, replays or accepts (Accept).
	ErrDataLost = fmt.Errorf("%w: data lost, an operator must restore or accept", audit.ErrUnavailable)
	// ErrDiverged: the archive cannot be replayed into this store: it was used after it was restored, or does not come from where
	// the archive begins.
	ErrDiverged = fmt.Errorf("%w: not a backup that the archive continues", audit.ErrUnavailable)
	// ErrSealed: a value does not open, or the history does not hold together: wrong key, damaged or tampered with.
	ErrSealed = fmt.Errorf("%w: sealed value or history is damaged", audit.ErrUnavailable)
	// ErrOutcomeUnknown: a change may or may not be there, or is there but not on enough replicas. The same request id settles it.
	ErrOutcomeUnknown = fmt.Errorf("%w: outcome unknown, ask again by request id", audit.ErrUnavailable)

	// ErrNotFound: no such id.
	ErrNotFound = errors.New("redisstore: not found")
	// ErrTooLarge: one person would have more on file than the bounds allow. Nothing was changed. What ends consents has room of its own.
	ErrTooLarge = fmt.Errorf("%w: over the bounds of the store", audit.ErrFull)
	// ErrInvalid: an argument has a wrong form; a stamp or id was set that only the store may set.
	ErrInvalid = errors.New("redisstore: invalid argument")

	// errOverloaded and errClosed are refusals before anything was sent.
	errOverloaded = fmt.Errorf("%w: overloaded", audit.ErrUnavailable)
	errClosed     = fmt.Errorf("%w: closed", audit.ErrUnavailable)
	// errUnsafe is a refusal since the last Check, which named the setting.
	errUnsafe = fmt.Errorf("%w: the server could lose what it acknowledges", audit.ErrUnavailable)
	// errReplicas: the write is on the master, but too few replicas confirmed it in time.
	errReplicas = fmt.Errorf("%w: too few replicas confirmed", audit.ErrUnavailable)
)

// unavailable says that the store did not answer as it must. The cause stays visible to errors.Is.
func unavailable(cause error) error {
	if errors.Is(cause, audit.ErrUnavailable) {
		return cause
	}
	return fmt.Errorf("%w: %w", audit.ErrUnavailable, cause)
}

// worthRepeating reports whether the same call, sent once more, may end differently: its fate is unknown (the connection broke),
// another server is the master by now, or a replica was late. Calls are idempotent, so repeating is safe; what Redis refused for
// a reason that stays (OOM, MISCONF, a wrong type) is not repeated.
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
	for _, final := range []error{errOverloaded, errClosed, errUnsafe, ErrStoreMismatch, ErrDataLost, ErrDiverged, ErrSealed, context.Canceled} {
		if errors.Is(err, final) {
			return false
		}
	}
	return errors.Is(err, audit.ErrUnavailable)
}

// movedAway reports an answer of a server that is not, or no longer, the master of the shard.
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
