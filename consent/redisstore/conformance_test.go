package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
)

// TestStore is one suite for every server that runs the scripts: the demo's fallback must behave like the real server.
func TestStore(t *testing.T) {
	tests := []struct {
		name string
		run  func(t *testing.T, s *redisstore.Store)
	}{
		{"a person of whom nothing is on file", nothingOnFile},
		{"a consent is given, read and withdrawn", givenAndWithdrawn},
		{"stamps are the store's and survive later changes", stampsAreTheStores},
		{"a stamp that the store did not set is refused", foreignStamps},
		{"a declaration lasts from its stamp, ends early, is reviewed", declarationLife},
		{"a change is made once per request id", onceByRequestID},
		{"a conditional change", conditionalChange},
		{"an edit that fails changes nothing", failingEdit},
		{"bounds of one person", boundsOfOnePerson},
		{"ids lead to the person", idsLeadToThePerson},
		{"history is a chain of versions", historyIsAChain},
		{"a commit under the generation decided on", commitUnderGeneration},
		{"a commit after not_after", commitTooLate},
		{"a commit that is repeated", commitRepeated},
		{"an event about nobody", eventAboutNobody},
		{"the person's own events", ownEvents},
		{"the outbox is read and trimmed", outboxReadAndTrimmed},
		{"declarations are limited per professional", declarationsLimited},
		{"a proof is used once", usedOnce},
		{"arguments of a wrong form", wrongArguments},
	}
	engines := []struct {
		name  string
		start func(t *testing.T) string
	}{
		{"redis-server", func(t *testing.T) string { return redistest.Start(t).Socket() }},
		{"in memory", func(t *testing.T) string {
			m, err := redisstore.StartMemory()
			if err != nil {
				t.Fatalf("start: %v", err)
			}
			t.Cleanup(func() { m.Stop() })
			return m.Client().Addresses[0]
		}},
	}
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			address := engine.start(t)
			client := redistest.Client(t, address)
			for _, tt := range tests {
				t.Run(tt.name, func(t *testing.T) {
					if err := client.FlushAll(t.Context()).Err(); err != nil {
						t.Fatalf("flush: %v", err)
					}
					tt.run(t, open(t, options(t, address)))
				})
			}
		})
	}
}

func nothingOnFile(t *testing.T, s *redisstore.Store) {
	st, now := standing(t, s, alice)
	if st.Generation != 0 || len(st.Records) != 0 || !st.Newest.IsZero() {
		t.Errorf("got %+v, want the zero standing", st)
	}
	if d := time.Since(now).Abs(); d > time.Minute {
		t.Errorf("the store's clock is %v off", d)
	}
}

func givenAndWithdrawn(t *testing.T, s *redisstore.Store) {
	before, _ := standing(t, s, alice)
	made := change(t, s, alice, permit)
	read, now := standing(t, s, alice)
	if made.Generation != before.Generation+1 || read.Generation != made.Generation || !read.Newest.Equal(made.Newest) {
		t.Errorf("got generations %d and %d, want %d", made.Generation, read.Generation, before.Generation+1)
	}
	r := read.Records[0]
	if r.ID == "" || r.ID != made.Records[0].ID || read.Person != alice {
		t.Errorf("got %+v, want what was made: %+v", read, made)
	}
	if !r.RecordedAt.Equal(read.Newest) || r.RecordedAt.After(now) {
		t.Errorf("recorded at %v, newest %v, now %v", r.RecordedAt, read.Newest, now)
	}
	change(t, s, alice, withdraw)
	read, _ = standing(t, s, alice)
	if w := read.Records[0]; w.Status != "withdrawn" || !w.WithdrawnAt.Equal(read.Newest) || !w.WithdrawnAt.After(w.RecordedAt.Time) {
		t.Errorf("got %+v", w)
	}
	if other, _ := standing(t, s, bob); other.Generation != 0 {
		t.Error("another person got something on file")
	}
}

func stampsAreTheStores(t *testing.T, s *redisstore.Store) {
	var stamps []time.Time
	for range 3 {
		st := change(t, s, alice, permit)
		stamps = append(stamps, st.Newest)
	}
	st, _ := standing(t, s, alice)
	for i, r := range st.Records {
		if !r.RecordedAt.Equal(stamps[i]) {
			t.Errorf("record %d: got %v, want %v", i, r.RecordedAt, stamps[i])
		}
		if i > 0 && !stamps[i].After(stamps[i-1]) {
			t.Errorf("stamps do not go forward: %v", stamps)
		}
	}
}

func foreignStamps(t *testing.T, s *redisstore.Store) {
	at := consent.Time{Time: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	change(t, s, alice, permit)
	edits := map[string]func(*consent.Standing) error{
		"recorded_at of a new record": func(st *consent.Standing) error {
			st.Records = append(st.Records, consent.Record{Status: "active", RecordedAt: at})
			return nil
		},
		"recorded_at of a record on file": func(st *consent.Standing) error { st.Records[0].RecordedAt = at; return nil },
		"withdrawn_at": func(st *consent.Standing) error {
			st.Records[0].Status, st.Records[0].WithdrawnAt = "withdrawn", at
			return nil
		},
		"declared_at": func(st *consent.Standing) error {
			st.Declarations = append(st.Declarations, consent.Declaration{DeclaredAt: at.Time, Expires: at.Add(time.Hour)})
			return nil
		},
		"a declaration without an end": func(st *consent.Standing) error {
			st.Declarations = append(st.Declarations, consent.Declaration{})
			return nil
		},
	}
	for name, edit := range edits {
		_, err := s.Change(t.Context(), audit.Change{Person: alice, Apply: edit, Event: consentEvent()})
		if !errors.Is(err, redisstore.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if st, _ := standing(t, s, alice); st.Generation != 1 {
		t.Errorf("got generation %d, want 1", st.Generation)
	}
}

func declarationLife(t *testing.T, s *redisstore.Store) {
	id := s.NewDeclarationID(alice)
	declare := func(st *consent.Standing) error {
		d := consent.Declaration{ID: id, Issuer: "i", Practitioner: "uzi:1", Reason: "unconscious"}
		d.Expires = d.DeclaredAt.Add(time.Hour)
		st.Declarations = append(st.Declarations, d)
		return nil
	}
	change(t, s, alice, declare)
	change(t, s, alice, permit) // seals the stamps of the declaration
	st, _ := standing(t, s, alice)
	d := st.Declarations[0]
	if d.Expires.Sub(d.DeclaredAt) != time.Hour || time.Since(d.DeclaredAt).Abs() > time.Minute {
		t.Errorf("declared %v, expires %v", d.DeclaredAt, d.Expires)
	}
	open, err := s.OpenReviews(t.Context())
	if err != nil || len(open) != 1 || open[0].Declaration != id || open[0].Person != s.Key(alice) || !open[0].DeclaredAt.Equal(d.DeclaredAt) {
		t.Errorf("got open reviews %+v, %v", open, err)
	}
	change(t, s, alice, func(st *consent.Standing) error { st.Declarations[0].Expires = st.Newest; return nil })
	st, _ = standing(t, s, alice)
	if !st.Declarations[0].Expires.Equal(st.Newest) || !st.Declarations[0].DeclaredAt.Equal(d.DeclaredAt) {
		t.Errorf("ended early: got %+v at %v", st.Declarations[0], st.Newest)
	}
	change(t, s, alice, func(st *consent.Standing) error {
		st.Declarations[0].Review = &consent.Review{Justified: true, By: "officer"}
		return nil
	})
	st, _ = standing(t, s, alice)
	if r := st.Declarations[0].Review; r == nil || !r.At.Equal(st.Newest) {
		t.Errorf("got review %+v", r)
	}
	if open, err := s.OpenReviews(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("got open reviews %+v, %v, want none", open, err)
	}
}

func onceByRequestID(t *testing.T, s *redisstore.Store) {
	events := []*audit.Event{consentEvent(), consentEvent()}
	var made [2]consent.Standing
	for i, e := range events {
		st, err := s.Change(t.Context(), audit.Change{Request: "put-1", Person: alice, Apply: permit, Event: e})
		if err != nil {
			t.Fatalf("change: %v", err)
		}
		made[i] = st
		change(t, s, alice, permit) // others make changes meanwhile
	}
	if made[0].Generation != 1 || made[1].Generation != 1 || len(made[1].Records) != 1 || made[0].Records[0].ID != made[1].Records[0].ID {
		t.Errorf("got %+v and %+v, want the same twice", made[0], made[1])
	}
	if events[0].ID != events[1].ID || !events[0].Time.Equal(events[1].Time) || events[1].Generation != 1 {
		t.Errorf("got events %v and %v, want the same", events[0].ID, events[1].ID)
	}
	if st, _ := standing(t, s, alice); st.Generation != 3 || len(entries(t, s)) != 3 {
		t.Errorf("got generation %d and %d events, want 3", st.Generation, len(entries(t, s)))
	}
	if st, err := s.Change(t.Context(), audit.Change{Request: "put-1", Person: bob, Apply: permit, Event: consentEvent()}); err != nil ||
		st.Person != bob || st.Generation != 1 {
		t.Errorf("the same request id for another person: got %+v, %v", st, err)
	}
}

func conditionalChange(t *testing.T, s *redisstore.Store) {
	zero, one := uint64(0), uint64(1)
	put := func(g *uint64) error {
		_, err := s.Change(t.Context(), audit.Change{Person: alice, IfGeneration: g, Apply: permit, Event: consentEvent()})
		return err
	}
	wantErr(t, put(&one), audit.ErrConflict)
	wantErr(t, put(&zero), nil)
	wantErr(t, put(&zero), audit.ErrConflict)
	wantErr(t, put(&one), nil)
	if got := len(entries(t, s)); got != 2 {
		t.Errorf("got %d events, want 2", got)
	}
}

func failingEdit(t *testing.T, s *redisstore.Store) {
	refused := errors.New("refused")
	_, err := s.Change(t.Context(), audit.Change{
		Person: alice, Apply: func(*consent.Standing) error { return refused }, Event: consentEvent(),
	})
	if err != refused {
		t.Errorf("got %v, want the error of the edit as it is", err)
	}
	if st, _ := standing(t, s, alice); st.Generation != 0 || len(entries(t, s)) != 0 {
		t.Error("something was written")
	}
}

func boundsOfOnePerson(t *testing.T, s *redisstore.Store) {
	add := func(n int, r consent.Record) func(*consent.Standing) error {
		return func(st *consent.Standing) error {
			r.Status, r.GivenBy = "active", []string{"patient"}
			for range n {
				st.Records = append(st.Records, r)
			}
			return nil
		}
	}
	end := func(st *consent.Standing) error {
		for i := range st.Records {
			st.Records[i].Status, st.Records[i].WithdrawnBy = "withdrawn", []string{"patient"}
		}
		return nil
	}
	gp, everything := consent.Record{Decision: "permit", Party: consent.Side{Category: "gp"}}, consent.Record{Decision: "deny"}
	refused := func(person fhir.Identifier, why string, apply func(*consent.Standing) error) {
		t.Helper()
		_, err := s.Change(t.Context(), audit.Change{Person: person, Apply: apply, Event: consentEvent()})
		if !errors.Is(err, redisstore.ErrTooLarge) || !errors.Is(err, audit.ErrFull) {
			t.Errorf("%s: got %v, want ErrTooLarge", why, err)
		}
	}
	if st := change(t, s, alice, add(redisstore.MaxRecords, gp)); len(st.Records) != redisstore.MaxRecords {
		t.Errorf("got %d records", len(st.Records))
	}
	refused(alice, "one more", add(1, gp))
	change(t, s, alice, add(1, everything))
	change(t, s, alice, add(redisstore.MaxObjections-1, everything))
	refused(alice, "one objection too many", add(1, everything))
	if st := change(t, s, alice, end); st.Records[0].WithdrawnAt.IsZero() {
		t.Error("nothing was withdrawn")
	}

	// The last eighth of the bytes is reserved for ending consents.
	long := gp
	long.Method = string(make([]byte, 950))
	change(t, s, bob, add(800, long))
	refused(bob, "more bytes", add(1, consent.Record{Decision: "permit", Party: gp.Party, Method: string(make([]byte, 128<<10))}))
	refused(bob, "other bytes", func(st *consent.Standing) error {
		st.Records[0].Method = string(make([]byte, 128<<10))
		return nil
	})
	refused(bob, "an objection, and more beside", func(st *consent.Standing) error {
		st.Flags.RepresentativesBlocked = []string{string(make([]byte, 1<<20))}
		return nil
	})
	change(t, s, bob, add(1, everything))
	change(t, s, bob, end)
}

func idsLeadToThePerson(t *testing.T, s *redisstore.Store) {
	id := s.NewRecordID(alice)
	add := func(id consent.RecordID) func(*consent.Standing) error {
		return func(st *consent.Standing) error {
			st.Records = append(st.Records, consent.Record{ID: id, Status: "active"})
			return nil
		}
	}
	change(t, s, alice, add(id))
	if got, err := s.Lookup(t.Context(), string(id)); err != nil || got != s.Key(alice) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, unknown := range []string{string(s.NewRecordID(alice)), "00", "", "zs:{s00}:meta", "00-" + string(make([]byte, 32))} {
		_, err := s.Lookup(t.Context(), unknown)
		wantErr(t, err, redisstore.ErrNotFound)
	}
	for name, bad := range map[string]consent.RecordID{"the same id again": id, "an id of no shard": "c1", "an id of no person": "99-" + id[3:]} {
		_, err := s.Change(t.Context(), audit.Change{Person: alice, Apply: add(bad), Event: consentEvent()})
		if !errors.Is(err, redisstore.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Another person of the same shard cannot take an id either.
	other := alice
	for i := 0; s.NewRecordID(other)[:2] != id[:2] || other == alice; i++ {
		other = fhir.Identifier{System: "urn:test", Value: fmt.Sprint(i)}
	}
	_, err := s.Change(t.Context(), audit.Change{Person: other, Apply: add(id), Event: consentEvent()})
	wantErr(t, err, redisstore.ErrInvalid)
}

func historyIsAChain(t *testing.T, s *redisstore.Store) {
	if h, err := s.History(t.Context(), s.Key(alice)); err != nil || len(h) != 0 {
		t.Errorf("of nobody: got %v, %v", h, err)
	}
	want := []consent.Standing{change(t, s, alice, permit), change(t, s, alice, permit), change(t, s, alice, withdraw)}
	h, err := s.History(t.Context(), s.Key(alice))
	if err != nil || len(h) != len(want) {
		t.Fatalf("got %d versions, %v", len(h), err)
	}
	for i, v := range h {
		if v.Generation != uint64(i+1) || !v.Newest.Equal(want[i].Newest) || fmt.Sprint(v.Records) != fmt.Sprint(want[i].Records) {
			t.Errorf("version %d: got %+v, want %+v", i+1, v.Standing, want[i])
		}
	}
}

func commitUnderGeneration(t *testing.T, s *redisstore.Store) {
	wantErr(t, s.Commit(t.Context(), release(s, alice, 0)), nil)
	st := change(t, s, alice, permit)
	r := release(s, alice, st.Generation)
	wantErr(t, s.Commit(t.Context(), r), nil)
	if r.Event.ID == "" || time.Since(r.Event.Time).Abs() > time.Minute {
		t.Errorf("got id %q and time %v", r.Event.ID, r.Event.Time)
	}
	change(t, s, alice, withdraw)
	moved := release(s, alice, st.Generation)
	wantErr(t, s.Commit(t.Context(), moved), audit.ErrMoved)
	if moved.Event.ID != "" {
		t.Error("the id of what was not recorded is kept")
	}
	moved.Conditional = false // a refusal is recorded whatever the generation
	wantErr(t, s.Commit(t.Context(), moved), nil)
	if got := len(entries(t, s)); got != 5 {
		t.Errorf("got %d events, want 2 changes and 3 accesses", got)
	}
}

func commitTooLate(t *testing.T, s *redisstore.Store) {
	_, now := standing(t, s, alice)
	r := release(s, alice, 0)
	r.NotAfter = now
	wantErr(t, s.Commit(t.Context(), r), audit.ErrTooLate)
	r.NotAfter = now.Add(time.Hour)
	wantErr(t, s.Commit(t.Context(), r), nil)
	if got := len(entries(t, s)); got != 1 {
		t.Errorf("got %d events, want 1", got)
	}
}

func commitRepeated(t *testing.T, s *redisstore.Store) {
	r := release(s, alice, 0)
	wantErr(t, s.Commit(t.Context(), r), nil)
	first := r.Event.Time
	wantErr(t, s.Commit(t.Context(), r), nil)
	if !r.Event.Time.Equal(first) || len(entries(t, s)) != 1 {
		t.Errorf("got %v and %d events, want %v and 1", r.Event.Time, len(entries(t, s)), first)
	}
	change(t, s, alice, permit)
	if err := s.Commit(t.Context(), r); !errors.Is(err, audit.ErrUnavailable) || errors.Is(err, audit.ErrMoved) {
		t.Errorf("got %v for an event that is known, and not under this generation: want no second one", err)
	}

	nobody := audit.Release{Event: accessEvent()}
	wantErr(t, s.Commit(t.Context(), nobody), nil)
	first = nobody.Event.Time
	wantErr(t, s.Commit(t.Context(), nobody), nil)
	if got := len(entries(t, s)); got != 3 || !nobody.Event.Time.Equal(first) {
		t.Errorf("about nobody: got %v and %d events in all, want %v and 3", nobody.Event.Time, got, first)
	}
}

func eventAboutNobody(t *testing.T, s *redisstore.Store) {
	for range 20 {
		wantErr(t, s.Commit(t.Context(), audit.Release{Event: accessEvent()}), nil)
	}
	if got := len(entries(t, s)); got != 20 {
		t.Errorf("got %d events, want 20", got)
	}
	shards := 0
	for shard := range s.Shards() {
		if list, err := s.Read(t.Context(), shard, "", 1); err == nil && len(list) > 0 {
			shards++
		}
	}
	if shards < 2 {
		t.Error("all events about nobody are in one shard")
	}
}

func ownEvents(t *testing.T, s *redisstore.Store) {
	var want []audit.EventID
	for range 5 {
		r := release(s, alice, 0)
		r.Event.Query = `Observation?code="time":"0001-01-01T00:00:00Z"`
		wantErr(t, s.Commit(t.Context(), r), nil)
		want = append([]audit.EventID{r.Event.ID}, want...)
	}
	wantErr(t, s.Commit(t.Context(), release(s, bob, 0)), nil)
	events, err := s.Events(t.Context(), s.Key(alice), 3)
	if err != nil || len(events) != 3 {
		t.Fatalf("got %d events, %v", len(events), err)
	}
	for i, e := range events {
		if e.ID != want[i] || e.Person != s.Key(alice) || time.Since(e.Time).Abs() > time.Minute {
			t.Errorf("event %d: got %+v", i, e)
		}
	}
}

func outboxReadAndTrimmed(t *testing.T, s *redisstore.Store) {
	for range 5 {
		wantErr(t, s.Commit(t.Context(), release(s, alice, 0)), nil)
	}
	st := change(t, s, alice, permit)
	shard := int(s.NewRecordID(alice)[1] - '0')
	all, err := s.Read(t.Context(), shard, "", 100)
	if err != nil || len(all) != 6 {
		t.Fatalf("got %d entries, %v", len(all), err)
	}
	if all[0].Sequence != 0 || all[5].Sequence != 1 || s.Sequences()[shard] != 1 {
		t.Errorf("got sequences %d to %d", all[0].Sequence, all[5].Sequence)
	}
	if e, err := audit.ParseEvent(all[5].Payload); err != nil || !e.Time.Equal(st.Newest) || e.Generation != 1 {
		t.Errorf("got %+v, %v", e, err)
	}
	rest, err := s.Read(t.Context(), shard, all[1].Position, 2)
	if err != nil || len(rest) != 2 || rest[0].Position != all[2].Position {
		t.Errorf("after the second: got %+v, %v", rest, err)
	}
	wantErr(t, s.Trim(t.Context(), shard, all[3].Position), nil)
	left, err := s.Read(t.Context(), shard, "", 100)
	if err != nil || len(left) != 2 || left[0].Position != all[4].Position {
		t.Errorf("after trimming: got %d entries, %v", len(left), err)
	}
}

func declarationsLimited(t *testing.T, s *redisstore.Store) {
	var got []bool
	for range 4 {
		ok, err := s.CountDeclaration(t.Context(), "issuer|uzi:1", time.Hour, 3)
		if err != nil {
			t.Fatalf("count: %v", err)
		}
		got = append(got, ok)
	}
	if want := []bool{true, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if ok, err := s.CountDeclaration(t.Context(), "issuer|uzi:2", time.Hour, 3); !ok || err != nil {
		t.Errorf("another professional: got %v, %v", ok, err)
	}
	if ok, err := s.CountDeclaration(t.Context(), "issuer|uzi:1", time.Hour, 5); !ok || err != nil {
		t.Errorf("a higher limit: got %v, %v", ok, err)
	}
}

func wrongArguments(t *testing.T, s *redisstore.Store) {
	for _, key := range []consent.PersonKey{"", "*", consent.PersonKey(bsn), s.Key(alice)[1:] + "\n", "{" + s.Key(alice)[1:]} {
		_, _, err := s.Standing(t.Context(), key)
		wantErr(t, err, redisstore.ErrInvalid)
		_, err = s.Events(t.Context(), key, 1)
		wantErr(t, err, redisstore.ErrInvalid)
		_, err = s.History(t.Context(), key)
		wantErr(t, err, redisstore.ErrInvalid)
		if key != "" {
			e := accessEvent()
			e.Person = key
			wantErr(t, s.Commit(t.Context(), audit.Release{Event: e}), redisstore.ErrInvalid)
		}
	}
	wantErr(t, s.Commit(t.Context(), audit.Release{}), redisstore.ErrInvalid)
	wantErr(t, s.Commit(t.Context(), audit.Release{Event: accessEvent(), Conditional: true}), redisstore.ErrInvalid)
	r := release(s, alice, 0)
	r.Event.ID = "00-1"
	wantErr(t, s.Commit(t.Context(), r), redisstore.ErrInvalid)
	_, err := s.Read(t.Context(), 99, "", 1)
	wantErr(t, err, redisstore.ErrInvalid)
	_, err = s.Read(t.Context(), 0, "+", 1)
	wantErr(t, err, redisstore.ErrInvalid)
	wantErr(t, s.Trim(t.Context(), 0, "-"), redisstore.ErrInvalid)
	_, err = s.Change(t.Context(), audit.Change{Person: alice, Apply: permit})
	wantErr(t, err, redisstore.ErrInvalid)
	wrong := consentEvent()
	wrong.Person = s.Key(bob)
	_, err = s.Change(t.Context(), audit.Change{Person: alice, Apply: permit, Event: wrong})
	wantErr(t, err, redisstore.ErrInvalid)
}
