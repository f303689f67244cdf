package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

const otherKey = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

// lives makes an archive of many small files with n events, every third of them about otherKey and one about nobody. It returns the ids
// about personKey, newest first. Groups of five events have the same instant.
func lives(t *testing.T, folder string, from, n int) []audit.EventID {
	t.Helper()
	box := &outbox{id: "store", shards: make([][]audit.Entry, 1)}
	var own []audit.EventID
	for i := from; i < from+n; i++ {
		e := one(0, i)
		e.ID = audit.EventID(fmt.Sprintf("00-%06d", i*7919%100_003)) // unordered
		e.Time = e.Time.Add(time.Duration(i/5) * time.Second)
		switch {
		case i%3 == 0:
			e.Person = otherKey
		case i == 1:
			e.Person = ""
		default:
			own = append(own, e.ID)
		}
		box.shards[0] = append(box.shards[0], audit.Entry{Position: fmt.Sprintf("%d-0", i+1), Payload: e.Marshal(), Sequence: 1})
	}
	a, err := audit.OpenArchive(folder, testKey(t))
	if err != nil {
		t.Fatal(err)
	}
	a.SegmentBytes, a.Batch = 4<<10, 4
	if err := errors.Join(a.Drain(t.Context(), box), a.Close()); err != nil {
		t.Fatal(err)
	}
	return own
}

// pages reads a person's history to its end.
func pages(t *testing.T, h *audit.History, person consent.PersonKey, size int) []audit.EventID {
	t.Helper()
	var ids []audit.EventID
	var from audit.Mark
	for {
		events, err := h.Events(t.Context(), person, from, size)
		if err != nil {
			t.Fatalf("Events: %v", err)
		}
		for _, e := range events {
			if e.Person != person {
				t.Fatalf("event %s is about somebody else", e.ID)
			}
			ids = append(ids, e.ID)
			from = e.Mark()
		}
		if len(events) < size {
			return ids
		}
	}
}

func TestHistoryGivesEachEventOfAPersonOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "archive")
	h := audit.OpenHistory(folder)
	if got := pages(t, h, personKey, 10); len(got) != 0 {
		t.Errorf("got %v before there is an archive", got)
	}
	own := lives(t, folder, 0, 120)
	check := func(h *audit.History, when string) {
		t.Helper()
		for _, size := range []int{3, 7, 1000} {
			got := pages(t, h, personKey, size)
			want := slices.Clone(own)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, by %d: got %d events, want %d", when, size, len(got), len(want))
			}
		}
		if got := pages(t, h, consent.PersonKey(personKey[1:]+"0"), 10); len(got) != 0 {
			t.Errorf("%s: somebody without events has %v", when, got)
		}
		for _, id := range own {
			if e, err := h.Event(t.Context(), personKey, id); err != nil || e.ID != id || e.Person != personKey {
				t.Errorf("%s: got event %q of %q for %q, and error %v", when, e.ID, e.Person, id, err)
			}
			if e, err := h.Event(t.Context(), otherKey, id); err != nil || e.ID != "" {
				t.Errorf("%s: somebody else gets event %q, and error %v", when, e.ID, err)
			}
		}
		for _, id := range []audit.EventID{"", "00-999999", `"`, "person"} {
			if e, err := h.Event(t.Context(), personKey, id); err != nil || e.ID != "" {
				t.Errorf("%s: got event %q for %q, and error %v", when, e.ID, id, err)
			}
		}
	}
	check(h, "at first")
	own = append(own, lives(t, folder, 120, 60)...)
	check(h, "after more were archived")
	check(audit.OpenHistory(folder), "with the indexes of the other")
	made, err := filepath.Glob(filepath.Join(folder, "*.persons"))
	if err != nil || len(made) < 3 {
		t.Fatalf("got %d indexes, want several", len(made))
	}
	for n, path := range made {
		damaged := [][]byte{nil, []byte("zorgsluis persons 1\n"), nil}[n%3]
		if n%3 == 2 {
			if damaged, err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
			damaged[len(damaged)/2] ^= 1
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check(audit.OpenHistory(folder), "with indexes that are damaged")
}

func TestHistoryStandsStillWhereTheArchiveIsDamaged(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "archive")
	lives(t, folder, 0, 60)
	h := audit.OpenHistory(folder)
	pages(t, h, personKey, 100)
	first := filepath.Join(folder, "events-000001.jsonl")
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(first, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *audit.DamageError
	if events, err := h.Events(t.Context(), personKey, audit.Mark{}, 1000); !errors.As(err, &damage) || damage.File != filepath.Base(first) || damage.Line < 2 {
		t.Errorf("got %d events and error %v, want the damage", len(events), err)
	}
	if e, err := h.Event(t.Context(), personKey, "00-999999"); err != nil || e.ID != "" { // the damaged line is another's, or has another id
		t.Errorf("got event %q and error %v, want none", e.ID, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Event(ended, personKey, "00-999999"); !errors.Is(err, context.Canceled) {
		t.Errorf("one event: got error %v after the end of the context", err)
	}
	if _, err := h.Events(ended, personKey, audit.Mark{}, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v after the end of the context", err)
	}
}

func TestHistoryIsReadBeforeAnybodyAsks(t *testing.T) {
	folder := t.TempDir()
	lives(t, folder, 0, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() { audit.OpenHistory(folder).Run(ctx); close(done) }()
	full, err := filepath.Glob(filepath.Join(folder, "events-*.jsonl"))
	if err != nil || len(full) < 3 {
		t.Fatalf("got %d files, %v: too few", len(full), err)
	}
	full = full[:len(full)-1]
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(time.Minute); ; <-poll.C {
		indexed, err := filepath.Glob(filepath.Join(folder, "*.persons"))
		if err == nil && len(indexed) == len(full) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d files have an index, want %d", len(indexed), len(full))
		}
	}
	cancel()
	<-done
}

func TestMarksGoByTimeAndThenByID(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	e := audit.Event{ID: "b", Time: at}
	for _, tt := range []struct {
		mark audit.Mark
		want bool
	}{
		{audit.Mark{}, true}, {audit.Mark{Time: at, ID: "a"}, false}, {audit.Mark{Time: at, ID: "b"}, false}, {audit.Mark{Time: at, ID: "c"}, true},
		{audit.Mark{Time: at.Add(1), ID: "z"}, true}, {audit.Mark{Time: at.Add(-1), ID: "a"}, false},
	} {
		if got := e.Older(tt.mark); got != tt.want {
			t.Errorf("older than %v: got %v, want %v", tt.mark, got, tt.want)
		}
	}
}
