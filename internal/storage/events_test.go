package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// row is a person's events in one place, newest first.
type row struct {
	events []audit.Event
	kept   int
	err    error
}

func (r row) EventsKept() int { return r.kept }

func (r row) Events(_ context.Context, _ consent.PersonKey, limit int) ([]audit.Event, error) {
	return slices.Clone(r.events[:min(limit, len(r.events))]), r.err
}

type archivedRow struct{ row }

func (r archivedRow) Events(_ context.Context, _ consent.PersonKey, before audit.Mark, limit int) ([]audit.Event, error) {
	events := slices.DeleteFunc(slices.Clone(r.events), func(e audit.Event) bool { return !e.Older(before) })
	return events[:min(limit, len(events))], r.err
}

func (r archivedRow) Event(_ context.Context, _ consent.PersonKey, id audit.EventID) (audit.Event, error) {
	if n := slices.IndexFunc(r.events, func(e audit.Event) bool { return e.ID == id }); n >= 0 {
		return r.events[n], r.err
	}
	return audit.Event{}, r.err
}

// years makes n events of one person, newest first, always three at one instant.
func years(n int) []audit.Event {
	var events []audit.Event
	for i := range n {
		at := time.Date(2026, 1, 1, 0, 0, i/3, 0, time.UTC)
		events = append(events, audit.Event{ID: audit.EventID(fmt.Sprintf("%04d", i*7919%10_007)), Time: at})
	}
	sortNewest(events)
	return events
}

func TestPersonEventsAreWholeAcrossStoreAndArchive(t *testing.T) {
	all := years(100)
	for _, tt := range []struct {
		name             string
		kept, archivedTo int // how many the store keeps; where the archive begins, counted from the newest
		whole            bool
	}{
		{"everything is in the store", 200, 100, true},
		{"the archive has all but the newest", 40, 5, true},
		{"the archive has exactly the rest, and the last one kept", 40, 39, true},
		{"the archive is behind", 40, 60, false},
		{"nothing is archived", 40, 100, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := PersonEvents{
				recent:   row{events: all[:min(tt.kept, len(all))], kept: tt.kept},
				archived: archivedRow{row{events: all[tt.archivedTo:]}}, wait: time.Millisecond,
			}
			for i, one := range all {
				e, err := p.Event(t.Context(), "person", one.ID)
				if kept := i < tt.kept; (kept || tt.whole) && (err != nil || e.ID != one.ID) || !kept && !tt.whole && err == nil {
					t.Errorf("event %d: got %q and error %v", i, e.ID, err)
				}
			}
			for _, size := range []int{1, 7, 40, 1000} {
				var got []audit.Event
				var from audit.Mark
				whole := true
				for {
					events, ok, err := p.Events(t.Context(), "person", from, size)
					if err != nil {
						t.Fatal(err)
					}
					whole, got = whole && ok, append(got, events...)
					if len(events) < size {
						break
					}
					from = events[len(events)-1].Mark()
				}
				if whole != tt.whole {
					t.Errorf("by %d: says whole %v, want %v", size, whole, tt.whole)
				}
				if tt.whole && !slices.EqualFunc(got, all, func(a, b audit.Event) bool { return a.ID == b.ID }) {
					t.Errorf("by %d: got %d events, want all %d once and in order", size, len(got), len(all))
				}
			}
		})
	}
	broken := errors.New("broken")
	for name, p := range map[string]PersonEvents{
		"the store":   {recent: row{kept: 5, err: broken}, archived: archivedRow{}},
		"the archive": {recent: row{kept: 5}, archived: archivedRow{row{err: broken}}},
	} {
		if events, _, err := p.Events(t.Context(), "person", audit.Mark{}, 5); !errors.Is(err, broken) || events != nil {
			t.Errorf("%s fails: got %d events and error %v", name, len(events), err)
		}
		if e, err := p.Event(t.Context(), "person", "x"); !errors.Is(err, broken) || e.ID != "" {
			t.Errorf("%s fails: got event %q and error %v", name, e.ID, err)
		}
	}
}
