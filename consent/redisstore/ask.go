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

// kind is what is asked. A batch is of one kind.
type kind int

const (
	commits kind = iota
	standings
)

// ask is one standing or one commit that waits for its batch.
type ask struct {
	kind  kind
	shard int
	keys  [2]string // of a commit: person and events; of a standing: person and history

	// Of a commit, in the terms of commits.lua. attempted says that an attempt before this one may have recorded the event.
	generation, notAfter, id string
	payload                  []byte
	attempted                bool
	replicas                 int // how many must confirm

	// Of a standing, what its batch asks Redis.
	history *redis.IntCmd
	person  *redis.SliceCmd

	answer chan answer // has room for one: the batch never waits for the caller
	timer  *time.Timer
	left   atomic.Bool // the caller does not wait any more
}

// answer is what came of an ask.
type answer struct {
	status   string
	now      time.Time // of the store
	sequence uint64
	stored   stored    // of a standing that is OK
	at       time.Time // when the event of a commit that is OK was recorded
	err      error
}

var noID = ""

// attempt is the id by which to find what an attempt before this one recorded.
func (a *ask) attempt() *string {
	if a.attempted {
		return &a.id
	}
	return &noID
}

// committed makes an answer of what the script said of this commit.
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

// asks are reused: each request has two. One whose answer nobody took is not, since its batch may still hold it.
var asks = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &ask{answer: make(chan answer, 1), timer: t}
}}

func newAsk() *ask { return asks.Get().(*ask) }

// do queues an ask and waits for its answer. One whose fate is unknown is repeated once: asks are idempotent. The ask must not be
// used any more.
func (s *Store) do(ctx context.Context, a *ask) (answer, error) {
	if s.unkept.Load() {
		return answer{}, errUnsafe
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

// refresh looks up anew who the masters are.
func (s *Store) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.attempt())
	defer cancel()
	refresh(ctx, s.o.Client)
}

// enqueue is one attempt of do. When the context ends, or the time of the call, the caller is answered at once, whatever the batch
// does; then nobody has the batch's answer.
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
