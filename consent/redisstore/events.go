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

// noTime stands in for an event's time in its stored form: only the script knows the time, and stores it separately. No content can
// look like it, because quotes inside a JSON string are escaped.
const noTime = `"time":"0001-01-01T00:00:00Z"`

// timeless renders an event without its time.
func timeless(e audit.Event) []byte {
	e.Time = time.Time{}
	return e.Marshal()
}

// timed fills in the time of a stored event.
func timed(stored string, at time.Time) ([]byte, error) {
	head, tail, found := strings.Cut(stored, noTime)
	if !found {
		return nil, fmt.Errorf("%w: an event without a place for its time", ErrSealed)
	}
	b := make([]byte, 0, len(stored)+8)
	b = append(append(b, head...), `"time":"`...)
	b = append(at.AppendFormat(b, time.RFC3339Nano), '"')
	return append(b, tail...), nil
}

// Events returns a person's newest access events, newest first, at most limit. Older ones are in the archive.
func (s *Store) Events(ctx context.Context, person consent.PersonKey, limit int) ([]audit.Event, error) {
	if err := checkKey(person); err != nil || limit < 1 {
		return nil, fmt.Errorf("events: %w", ErrInvalid)
	}
	limit = min(limit, s.o.EventsPerPerson)
	shard := s.shardOf(person)
	r, err := s.settled(ctx, call{
		script: &eventsScript, shard: shard, keys: []string{keysOf(shard).personEvents(person)}, args: []any{2 * limit},
	})
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	list, err := r.list(0)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	events := make([]audit.Event, 0, len(list.values)/2)
	for i := 0; i < len(list.values) && len(events) < limit; i++ {
		// In lists from before 2026-11-22 an event is one element, "<stamp> <event>".
		at, stored, whole := strings.Cut(list.text(i), " ")
		if !whole {
			if i++; i == len(list.values) {
				break // a gateway of that time, on the same store, shortened the list to an odd length
			}
			stored = list.text(i)
		}
		e, err := parseEvent(at, stored)
		if err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
		events = append(events, e)
	}
	return events, nil
}

// EventsKept is how many of a person's newest events the store keeps.
func (s *Store) EventsKept() int { return s.o.EventsPerPerson }

// elementsKept is how many elements a person's list keeps: each event has two, its stamp and the event.
func (s *Store) elementsKept() int { return 2 * s.o.EventsPerPerson }

// parseEvent reads an event of a person's list.
func parseEvent(at, stored string) (audit.Event, error) {
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return audit.Event{}, fmt.Errorf("%w: an event without a stamp", ErrSealed)
	}
	b, err := timed(stored, instant(n))
	if err != nil {
		return audit.Event{}, err
	}
	return audit.ParseEvent(b)
}
