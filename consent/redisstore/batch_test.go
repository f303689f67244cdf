package redisstore_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
)

// person returns a person of a shard.
func person(s *redisstore.Store, shard int) fhir.Identifier {
	for i := 0; ; i++ {
		p := fhir.Identifier{System: "urn:test", Value: fmt.Sprint(i)}
		if strings.HasPrefix(string(s.NewRecordID(p)), fmt.Sprintf("%02d-", shard)) {
			return p
		}
	}
}

// together makes all calls wait for one batch of each kind: the server is frozen while they queue behind other batches.
func together(t *testing.T, s *redisstore.Store, server *redistest.Server, calls ...func()) {
	t.Helper()
	server.Freeze()
	begun := s.Counters()
	var all sync.WaitGroup
	all.Go(func() { s.Standing(context.Background(), s.Key(alice)) })
	all.Go(func() { s.Commit(context.Background(), release(s, alice, 99)) })
	for s.Counters().Batches < begun.Batches+2 {
		runtime.Gosched()
	}
	for _, c := range calls {
		all.Go(c)
	}
	for s.Counters().Calls < begun.Calls+2+uint64(len(calls)) {
		runtime.Gosched()
	}
	server.Thaw()
	all.Wait()
}

// TestOneOfABatch spoils what one call of a batch uses: only that call fails.
func TestOneOfABatch(t *testing.T) {
	const commitsOnly = "its person's events are something else"
	for _, tt := range []struct {
		name  string
		spoil func(server *redistest.Server, shard, person string)
		want  error // of the commit, and of the standing unless it does not use that
	}{
		{"its shard has no meta key", func(r *redistest.Server, shard, _ string) { r.Do("del", shard+"meta") }, redisstore.ErrDataLost},
		{"its shard is of another store", func(r *redistest.Server, shard, _ string) { r.Do("hset", shard+"meta", "store", "x") }, redisstore.ErrStoreMismatch},
		{"its shard is behind", func(r *redistest.Server, shard, _ string) { r.Do("hset", shard+"meta", "seq", "0") }, redisstore.ErrDataLost},
		{"its shard's meta key is something else", func(r *redistest.Server, shard, _ string) {
			r.Do("del", shard+"meta")
			r.Do("set", shard+"meta", "x")
		}, redisstore.ErrSealed},
		{"its person is something else", func(r *redistest.Server, _, person string) {
			r.Do("del", person)
			r.Do("set", person, "x")
		}, redisstore.ErrSealed},
		{commitsOnly, func(r *redistest.Server, _, person string) {
			r.Do("del", person+":events")
			r.Do("set", person+":events", "x")
		}, redisstore.ErrSealed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, server := real(t)
			for shard := range 4 {
				change(t, s, person(s, shard), permit)
			}
			spoiled := person(s, 1)
			tt.spoil(server, "zs:{s01}:", "zs:{s01}:p:"+string(s.Key(spoiled)))
			var calls []func()
			for shard := range 4 {
				p, want, wantRead := person(s, shard), error(nil), error(nil)
				if p == spoiled {
					want = tt.want
				}
				if tt.name != commitsOnly {
					wantRead = want
				}
				calls = append(calls,
					func() {
						st, _, err := s.Standing(t.Context(), s.Key(p))
						if wantErr(t, err, wantRead); wantRead == nil && st.Person != p {
							t.Errorf("the standing of another person was given")
						}
					},
					func() { wantErr(t, s.Commit(t.Context(), release(s, p, 1)), want) })
			}
			together(t, s, server, calls...)
		})
	}
}

// TestEachOfABatch: every call of one batch gets its own answer.
func TestEachOfABatch(t *testing.T) {
	s, server := real(t)
	st := change(t, s, alice, permit)
	_, now := standing(t, s, alice)
	late := release(s, alice, st.Generation)
	late.NotAfter = now
	known := release(s, alice, st.Generation)
	wantErr(t, s.Commit(t.Context(), known), nil)
	first := known.Event.Time
	before := len(entries(t, s))
	commit := func(r audit.Release, want error) func() {
		return func() { wantErr(t, s.Commit(t.Context(), r), want) }
	}
	together(t, s, server,
		commit(release(s, alice, st.Generation), nil), commit(release(s, alice, 0), audit.ErrMoved), commit(late, audit.ErrTooLate), commit(known, nil),
		commit(release(s, bob, 0), nil), commit(release(s, bob, 1), audit.ErrMoved), commit(audit.Release{Event: accessEvent()}, nil),
		func() {
			if st, _ := standing(t, s, alice); st.Generation != 1 || st.Person != alice {
				t.Errorf("alice: got %+v", st)
			}
		},
		func() {
			if st, _ := standing(t, s, bob); st.Generation != 0 || len(st.Records) != 0 {
				t.Errorf("bob: got %+v", st)
			}
		})
	if got := len(entries(t, s)) - before; got != 3 {
		t.Errorf("got %d events, want 3", got)
	}
	if !known.Event.Time.Equal(first) {
		t.Errorf("what was recorded at %v is said to be of %v", first, known.Event.Time)
	}
}

// TestManyEventsOfOnePerson: the person's own list is bounded, and if so many events came within a minute that an event may have
// been displaced, a repeated commit is refused: it is unknown whether the event was recorded.
func TestManyEventsOfOnePerson(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	o.EventsPerPerson = 4
	s := open(t, o)
	first := release(s, alice, 0)
	wantErr(t, s.Commit(t.Context(), first), nil)
	for range 200 {
		wantErr(t, s.Commit(t.Context(), release(s, alice, 0)), nil)
	}
	wantErr(t, s.Commit(t.Context(), first), audit.ErrUnavailable)
	if got := len(entries(t, s)); got != 201 {
		t.Errorf("got %d events, want 201", got)
	}
	key := "zs:{s" + string(s.NewRecordID(alice)[:2]) + "}:p:" + string(s.Key(alice)) + ":events"
	if got := server.Do("llen", key).(int64); got > 2*4+64 {
		t.Errorf("%d elements are kept", got)
	}
	events, err := s.Events(t.Context(), s.Key(alice), 100)
	if err != nil || len(events) != 4 {
		t.Errorf("got %d events, %v, want 4", len(events), err)
	}
}

// TestEventsOfAnEarlierVersion: lists from before 2026-11-22 have stamp and event in one element. They are still read, also under newer
// events, and a repeated commit still finds its first attempt.
func TestEventsOfAnEarlierVersion(t *testing.T) {
	s, server := real(t)
	first := release(s, alice, 0)
	wantErr(t, s.Commit(t.Context(), first), nil)
	at := first.Event.Time
	key := "zs:{s" + string(s.NewRecordID(alice)[:2]) + "}:p:" + string(s.Key(alice)) + ":events"
	elements := server.Do("lrange", key, 0, -1).([]any)
	server.Do("del", key)
	server.Do("lpush", key, elements[0].(string)+" "+elements[1].(string))
	second := release(s, alice, 0)
	wantErr(t, s.Commit(t.Context(), second), nil)

	wantErr(t, s.Commit(t.Context(), first), nil)
	if !first.Event.Time.Equal(at) {
		t.Errorf("what was recorded at %v is said to be of %v", at, first.Event.Time)
	}
	if got := len(entries(t, s)); got != 2 {
		t.Errorf("got %d events, want 2", got)
	}
	server.Do("rpush", key, elements[0]) // the stamp of an event that an earlier version cut off
	for limit, want := range map[int][]audit.Release{1: {second}, 2: {second, first}, 3: {second, first}} {
		events, err := s.Events(t.Context(), s.Key(alice), limit)
		if err != nil || len(events) != len(want) {
			t.Fatalf("got %d events, %v, want %d", len(events), err, len(want))
		}
		for i, e := range events {
			if w := want[i].Event; e.ID != w.ID || !e.Time.Equal(w.Time) {
				t.Errorf("event %d of %d: got %s at %v, want %s at %v", i, limit, e.ID, e.Time, w.ID, w.Time)
			}
		}
	}
}

// TestOutboxOfAWrongType: an event that cannot be added to the outbox is not added to the person's own list either.
func TestOutboxOfAWrongType(t *testing.T) {
	s, server := real(t)
	wantErr(t, s.Commit(t.Context(), release(s, alice, 0)), nil)
	shard := "zs:{s" + string(s.NewRecordID(alice)[:2]) + "}:"
	server.Do("del", shard+"events")
	server.Do("set", shard+"events", "x")
	wantErr(t, s.Commit(t.Context(), release(s, alice, 0)), redisstore.ErrSealed)
	if got := server.Do("llen", shard+"p:"+string(s.Key(alice))+":events").(int64); got != 2 {
		t.Errorf("%d elements are in the person's list, want 2", got)
	}
}
