package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/fhir"
)

// persons returns all persons of a store, without duplicates.
func persons(t *testing.T, s *redisstore.Store) []consent.PersonKey {
	t.Helper()
	var all []consent.PersonKey
	if err := s.Persons(t.Context(), func(p consent.PersonKey) error { all = append(all, p); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func patients(n int) []fhir.Identifier {
	list := make([]fhir.Identifier, n)
	for i := range list {
		list[i] = fhir.Identifier{System: "https://example.org/id", Value: fmt.Sprint(i)}
	}
	return list
}

func TestPersonsAreAllOfWhomAnythingIsOnFile(t *testing.T) {
	s, server := real(t)
	var want []consent.PersonKey
	for _, p := range patients(20) {
		change(t, s, p, permit)
		want = append(want, s.Key(p))
	}
	slices.Sort(want)
	if got := persons(t, s); !slices.Equal(got, want) {
		t.Errorf("got %d persons, want %d", len(got), len(want))
	}
	// A history without a standing still belongs to a person.
	key := server.Client().Keys(t.Context(), "zs:*p:"+string(want[3])).Val()[0]
	server.Do("del", key)
	if got := persons(t, s); !slices.Equal(got, want) {
		t.Errorf("got %d persons after a standing was taken away, want %d", len(got), len(want))
	}
	other := reopen(t, options(t, server.Socket())) // this one remembers the standing
	if _, err := other.History(t.Context(), want[3]); !errors.Is(err, redisstore.ErrSealed) {
		t.Errorf("got error %v of that history, want ErrSealed", err)
	}
	stop := errors.New("stop")
	if err := s.Persons(t.Context(), func(consent.PersonKey) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got error %v, want the one that ended it", err)
	}
}

func TestManyChangesAreMadeAsEachByItself(t *testing.T) {
	s, server := real(t)
	list := patients(50)
	changes := func(request string) []audit.Change {
		var all []audit.Change
		for _, p := range list {
			all = append(all, audit.Change{Request: request, Person: p, Apply: permit, Event: consentEvent()})
		}
		return all
	}
	refused := errors.New("refused")
	first := changes("one")
	first[7].Apply = func(*consent.Standing) error { return refused }
	five := uint64(5)
	first[8].IfGeneration = &five
	first[9].Event = nil
	for i, c := range s.ChangeAll(t.Context(), first) {
		want := map[int]error{7: refused, 8: audit.ErrConflict, 9: redisstore.ErrInvalid}[i]
		if !errors.Is(c.Err, want) || want == nil && (c.Err != nil || len(c.Standing.Records) != 1 || c.Standing.Generation != 1) {
			t.Errorf("change %d: got %+v, want error %v", i, c, want)
		}
	}
	server.Do("script", "flush")
	for round, request := range []string{"one", "two"} { // the first was done before
		for i, c := range s.ChangeAll(t.Context(), changes(request)) {
			want := round + 1
			if i >= 7 && i <= 9 && round == 0 {
				want = 1
			}
			if c.Err != nil || len(c.Standing.Records) != want || c.Standing.Generation != uint64(want) {
				t.Errorf("%s, change %d: got generation %d and error %v, want %d", request, i, c.Standing.Generation, c.Err, want)
			}
		}
	}
	for _, p := range list {
		st, _ := standing(t, s, p)
		if versions, err := s.History(t.Context(), s.Key(p)); err != nil || len(versions) != 2 || len(st.Records) != 2 {
			t.Errorf("got %d versions, %d records and error %v, want 2", len(versions), len(st.Records), err)
		}
	}
	if got := len(entries(t, s)); got != 100 {
		t.Errorf("got %d events, want one for each change, 100", got)
	}
	server.Kill()
	start := time.Now()
	for i, c := range s.ChangeAll(t.Context(), changes("three")) {
		if !errors.Is(c.Err, audit.ErrUnavailable) {
			t.Errorf("change %d without a server: got error %v", i, c.Err)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("a server that is away was asked for %s", took)
	}
}

// TestAnImportRemembersWhatItWrote: a process that only imports refuses a server that lost some of it, like any other process.
func TestAnImportRemembersWhatItWrote(t *testing.T) {
	s, server := real(t)
	list := patients(20)
	changes := func() []audit.Change {
		var all []audit.Change
		for _, p := range list {
			all = append(all, audit.Change{Person: p, Apply: permit, Event: consentEvent()})
		}
		return all
	}
	made := func() {
		t.Helper()
		for i, c := range s.ChangeAll(t.Context(), changes()) {
			if c.Err != nil {
				t.Fatalf("change %d: %v", i, c.Err)
			}
		}
	}
	made()
	backup := t.TempDir()
	server.Kill()
	copyFolder(t, filepath.Join(server.Folder(), "appendonlydir"), backup)
	server.Run()
	made()
	if got, want := s.Sequences(), reopen(t, options(t, server.Socket())).Sequences(); !maps.Equal(got, want) {
		t.Errorf("got sequences %v, want those of the store, %v", got, want)
	}
	server.Kill()
	copyFolder(t, backup, filepath.Join(server.Folder(), "appendonlydir"))
	server.Run()
	for i, c := range s.ChangeAll(t.Context(), changes()) {
		if !errors.Is(c.Err, redisstore.ErrDataLost) {
			t.Errorf("change %d of an earlier moment of the store: got error %v, want ErrDataLost", i, c.Err)
		}
	}
}

func TestStampsOfAnImportAreKept(t *testing.T) {
	s, _ := real(t)
	then := time.Date(2020, 2, 29, 12, 0, 0, 5, time.FixedZone("", 3600))
	put := func(keep bool, at time.Time) error {
		_, err := s.Change(t.Context(), audit.Change{Person: alice, KeepStamps: keep, Event: consentEvent(), Apply: func(st *consent.Standing) error {
			st.Records = append(st.Records, consent.Record{
				Status: "withdrawn", Decision: "permit", RecordedAt: consent.Time{Time: at}, WithdrawnAt: consent.Time{Time: at.AddDate(1, 0, 0)},
			})
			return nil
		}})
		return err
	}
	wantErr(t, put(false, then), redisstore.ErrInvalid)
	wantErr(t, put(true, time.Now().Add(time.Hour)), redisstore.ErrInvalid)
	if err := put(true, then); err != nil {
		t.Fatal(err)
	}
	change(t, s, alice, permit)
	st, _ := standing(t, s, alice)
	if r := st.Records[0]; !r.RecordedAt.Equal(then) || !r.WithdrawnAt.Equal(then.AddDate(1, 0, 0)) {
		t.Errorf("got %v and %v, want what was brought along", r.RecordedAt, r.WithdrawnAt)
	}
	if !st.Records[1].RecordedAt.Equal(st.Newest) {
		t.Error("the record after it was not stamped by the store")
	}
}
