package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
)

// recentEvents gives a person's newest events; the store does.
type recentEvents interface {
	Events(ctx context.Context, person consent.PersonKey, limit int) ([]audit.Event, error)
	EventsKept() int // how many the store keeps per person
}

// archivedEvents gives a person's events in the archive, newest first.
type archivedEvents interface {
	Events(ctx context.Context, person consent.PersonKey, before audit.Mark, limit int) ([]audit.Event, error)
	Event(ctx context.Context, person consent.PersonKey, id audit.EventID) (audit.Event, error) // zero: there is none
}

var errArchiveBehind = errors.New("the archive does not reach to what the store keeps")

// PersonEvents finds all events of a person: the newest in the store, which has them at once, and older ones in the archive, which gets them a
// little later and keeps them. It implements proxy.Events.
type PersonEvents struct {
	recent   recentEvents
	archived archivedEvents
	wait     time.Duration // at most, for the archive to catch up with what the store no longer holds
}

// NewPersonEvents returns the events of a store and an archive. wait is the longest time that a call waits for the archive to catch up.
func NewPersonEvents(store *redisstore.Store, archive *audit.History, wait time.Duration) PersonEvents {
	return PersonEvents{recent: store, archived: archive, wait: wait}
}

// Events implements proxy.Events.
func (p PersonEvents) Events(ctx context.Context, person consent.PersonKey, before audit.Mark, limit int) (events []audit.Event, whole bool, err error) {
	recent, err := p.recent.Events(ctx, person, p.recent.EventsKept())
	if err != nil {
		return nil, false, fmt.Errorf("events: %w", err)
	}
	cut := len(recent) == p.recent.EventsKept() // older ones are in the archive only
	var oldest audit.Event
	if len(recent) > 0 {
		oldest = recent[len(recent)-1]
	}
	events = slices.DeleteFunc(recent, func(e audit.Event) bool { return !e.Older(before) })
	sortNewest(events)
	if len(events) >= limit && (!cut || events[limit-1].Time.After(oldest.Time)) {
		return events[:limit], true, nil
	}
	archived, err := p.archived.Events(ctx, person, before, limit)
	if err != nil {
		return nil, false, fmt.Errorf("events: %w", err)
	}
	whole = true
	if cut {
		if whole, err = p.reaches(ctx, person, oldest); err != nil {
			return nil, false, fmt.Errorf("events: %w", err)
		}
	}
	events = append(events, archived...)
	sortNewest(events)
	events = slices.CompactFunc(events, func(a, b audit.Event) bool { return a.ID == b.ID })
	return events[:min(limit, len(events))], whole, nil
}

// Event implements proxy.Events.
func (p PersonEvents) Event(ctx context.Context, person consent.PersonKey, id audit.EventID) (audit.Event, error) {
	recent, err := p.recent.Events(ctx, person, p.recent.EventsKept())
	if err != nil {
		return audit.Event{}, fmt.Errorf("event: %w", err)
	}
	if n := slices.IndexFunc(recent, func(e audit.Event) bool { return e.ID == id }); n >= 0 {
		return recent[n], nil
	}
	if len(recent) == p.recent.EventsKept() {
		whole, err := p.reaches(ctx, person, recent[len(recent)-1])
		if err == nil && !whole {
			err = errArchiveBehind
		}
		if err != nil {
			return audit.Event{}, fmt.Errorf("event: %w", err)
		}
	}
	e, err := p.archived.Event(ctx, person, id)
	if err != nil {
		return audit.Event{}, fmt.Errorf("event: %w", err)
	}
	return e, nil
}

func sortNewest(events []audit.Event) {
	slices.SortStableFunc(events, func(a, b audit.Event) int { return audit.Newest(a.Mark(), b.Mark()) })
}

// reaches reports whether the archive has the oldest event that the store still keeps, so that nothing is missing between them. It waits a
// while for it.
func (p PersonEvents) reaches(ctx context.Context, person consent.PersonKey, oldest audit.Event) (bool, error) {
	behind := audit.Mark{Time: oldest.Time.Add(time.Microsecond)}
	patience := time.NewTimer(p.wait)
	defer patience.Stop()
	for {
		archived, err := p.archived.Events(ctx, person, behind, 64)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(archived, func(e audit.Event) bool { return e.ID == oldest.ID }) {
			return true, nil
		}
		select {
		case <-patience.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
