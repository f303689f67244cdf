package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// Commit is the instant of release: one atomic script checks that the generation is still the one decided on and that the store's
// clock is before NotAfter, and appends the event to the outbox and to the person's own list. When it returns nil the event is durable.
//
// A lost reply is settled by one repeat with the same event id, which finds the event and checks the conditions again. After
// audit.ErrUnavailable the event may still be recorded: over-reporting can happen, under-reporting cannot. The same holds if the
// repeat finds the event but the conditions no longer hold: a request has one event, and this one says that data were released.
// After audit.ErrMoved and audit.ErrTooLate no event is recorded; Event.ID is cleared, since the next attempt records another outcome.
func (s *Store) Commit(ctx context.Context, r audit.Release) error {
	a, err := s.commitAsk(r)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	answer, err := s.do(ctx, a)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	switch answer.status {
	case statusOK:
		r.Event.Time = answer.at
		if r.Conditional {
			if err := s.inStep(answer.at); err != nil { // it went wrong after the standing was read
				return fmt.Errorf("commit: %w", err)
			}
			s.generations.note(r.Event.Person, version{era(answer.sequence), r.Generation})
		}
		return nil
	case statusMoved:
		r.Event.ID = ""
		return fmt.Errorf("commit: %w", audit.ErrMoved)
	case statusLate:
		r.Event.ID = ""
		return fmt.Errorf("commit: %w", audit.ErrTooLate)
	case statusSpent:
		return fmt.Errorf("commit: %w: recorded, but its reply came too late for what was decided", audit.ErrUnavailable)
	}
	return fmt.Errorf("commit: %w: too many events since to tell whether this one was recorded", audit.ErrUnavailable)
}

// commitAsk checks a release, gives its event an id, and makes the ask.
func (s *Store) commitAsk(r audit.Release) (*ask, error) {
	e := r.Event
	switch {
	case e == nil:
		return nil, fmt.Errorf("%w: no event", ErrInvalid)
	case e.Person == "" && r.Conditional:
		return nil, fmt.Errorf("%w: a condition about nobody", ErrInvalid)
	}
	if e.Person != "" {
		if err := checkKey(e.Person); err != nil {
			return nil, err
		}
	}
	attempted := e.ID != ""
	shard, err := s.identify(e)
	if err != nil {
		return nil, err
	}
	a := newAsk()
	a.kind, a.shard, a.id, a.attempted, a.replicas = commits, shard, string(e.ID), attempted, s.o.Replicas
	if a.keys[1] = s.keys[shard].nobodysEvents(); e.Person != "" {
		a.keys[1] = s.keys[shard].personEvents(e.Person)
	}
	a.keys[0] = strings.TrimSuffix(a.keys[1], eventsSuffix)
	if r.Conditional {
		a.generation = strconv.FormatUint(r.Generation, 10)
	}
	a.notAfter, a.payload = micros(r.NotAfter), timeless(*e)
	return a, nil
}

// identify gives an event an id, unless an earlier attempt did, and returns its shard: that of its person, or any if it is about nobody.
func (s *Store) identify(e *audit.Event) (int, error) {
	shard := -1
	if e.Person != "" {
		shard = s.shardOf(e.Person)
	}
	if e.ID != "" {
		named, err := s.shardOfID(string(e.ID))
		if err != nil || shard >= 0 && named != shard {
			return 0, fmt.Errorf("%w: event id", ErrInvalid)
		}
		return named, nil
	}
	if shard < 0 {
		shard = s.anyShard()
	}
	e.ID = audit.EventID(newID(shard))
	return shard, nil
}

// anyShard spreads events about nobody over the shards.
func (s *Store) anyShard() int {
	return s.shardOf(consent.PersonKey(s.secret.hmac("any shard", newID(0))))
}

// micros renders an instant in microseconds, "" for none. It rounds down: a bound may come sooner, never later.
func micros(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}
