package redisstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// kind is the kind of an ask. A batch has asks of one kind.
type kind int

const (
	commits kind = iota
	standings
)

// ask is one standing or commit that waits for its batch.
type ask struct {
	kind  kind
	shard int
	keys  [2]string // commit: person and events; standing: person and history

	// For a commit, as in commits.lua. attempted means that an earlier attempt may have recorded the event.
	generation, notAfter, id string
	payload                  []byte
	attempted                bool
	replicas                 int // how many must confirm

	// For a standing, the commands of its batch.
	history *redis.IntCmd
	person  *redis.SliceCmd

	answer chan answer // buffered: the batch never waits for the caller
	timer  *time.Timer
	left   atomic.Bool // the caller no longer waits
}

// answer is the result of an ask.
type answer struct {
	status   string
	now      time.Time // by the store's clock
	sequence uint64
	stored   stored    // for a standing that is OK
	at       time.Time // for a commit that is OK: when its event was recorded
	err      error
}

var noID = ""

// attempt is the id by which to find the event of an earlier attempt.
func (a *ask) attempt() *string {
	if a.attempted {
		return &a.id
	}
	return &noID
}

// committed turns the script's result for this commit into an answer.
func committed(status string) answer {
	switch status {
	case statusWrong:
		return answer{err: errWrongType}
	case statusMoved, statusLate, statusSpent, statusUnsure:
		return answer{status: status}
	}
	at, err := reply{values: []any{status}}.instant(0)
	return answer{status: statusOK, at: at, err: err}
}

// parseStored reads a person's hash as HMGET gives it: generation, stamp and value, each of which may be absent.
func parseStored(list []any) (stored, error) {
	for i, absent := range []string{"0", "0", ""} {
		switch list[i].(type) {
		case nil:
			list[i] = absent
		case string:
		default:
			return stored{}, errReply
		}
	}
	return reply{values: list}.stored(0)
}

// asks are reused: each request has two. One whose answer was not received is not, since its batch may still hold it.
var asks = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &ask{answer: make(chan answer, 1), timer: t}
}}

func newAsk() *ask { return asks.Get().(*ask) }

// do queues an ask and waits for its answer. If the outcome is unknown, it repeats the ask once: asks are idempotent. The ask must
// not be used afterwards.
func (s *Store) do(ctx context.Context, a *ask) (answer, error) {
	if err := s.refuses(); err != nil {
		return answer{}, err
	}
	s.counters.calls.Add(1)
	a.timer.Reset(s.o.Timeout)
	r, answered := s.enqueue(ctx, a)
	if answered && worthRepeating(r.err) && ctx.Err() == nil {
		s.counters.repeats.Add(1)
		if movedAway(r.err) {
			s.refresh(ctx)
		}
		a.attempted = true
		r, answered = s.enqueue(ctx, a)
	}
	a.timer.Stop()
	if answered {
		answers, timer := a.answer, a.timer
		*a = ask{answer: answers, timer: timer}
		asks.Put(a)
	}
	return r, r.err
}

// refresh looks up the masters again.
func (s *Store) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.attempt())
	defer cancel()
	refresh(ctx, s.o.Client)
}

// enqueue is one attempt of do. When the context or the time of the call ends, the caller is answered at once, whatever the batch
// does; nobody receives the batch's answer then.
func (s *Store) enqueue(ctx context.Context, a *ask) (_ answer, answered bool) {
	select {
	case <-s.closed:
		return answer{err: errClosed}, true
	case s.batcherOf(a.kind, a.shard).queue <- a:
	default:
		s.counters.shed.Add(1)
		return answer{err: errOverloaded}, true
	}
	var err error
	select {
	case r := <-a.answer:
		return r, true
	case <-a.timer.C:
		err = fmt.Errorf("%w: %w", audit.ErrUnavailable, context.DeadlineExceeded)
	case <-ctx.Done():
		err = fmt.Errorf("%w: %w", audit.ErrUnavailable, ctx.Err())
	case <-s.closed:
		err = errClosed
	}
	a.left.Store(true)
	return answer{err: err}, false
}
