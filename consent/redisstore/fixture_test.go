package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
)

// bsn is the canary: a valid test BSN that must not occur outside sealed values.
const bsn = "999990019"

var (
	alice = fhir.Identifier{System: "http://fhir.nl/fhir/NamingSystem/bsn", Value: bsn}
	bob   = fhir.Identifier{System: "http://fhir.nl/fhir/NamingSystem/bsn", Value: "999990020"}
)

// options returns the options of all tests; address is a socket or host:port.
func options(t testing.TB, address string) redisstore.Options {
	t.Helper()
	return redisstore.Options{
		Client: redistest.Client(t, address), Changes: redistest.Client(t, address), Shards: 4,
		PersonSecret: slices.Repeat([]byte("p"), 32), SealingKey: slices.Repeat([]byte("s"), 32), StoreID: "test",
	}
}

// open initialises a store and opens it.
func open(t testing.TB, o redisstore.Options) *redisstore.Store {
	t.Helper()
	if err := redisstore.Initialise(t.Context(), o); err != nil {
		t.Fatalf("initialise: %v", err)
	}
	return reopen(t, o)
}

// reopen opens an existing store.
func reopen(t testing.TB, o redisstore.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// real opens a store on a redis-server of its own.
func real(t testing.TB) (*redisstore.Store, *redistest.Server) {
	t.Helper()
	server := redistest.Start(t)
	return open(t, options(t, server.Socket())), server
}

// permit adds a consent record that is valid immediately.
func permit(st *consent.Standing) error {
	st.Records = append(st.Records, consent.Record{
		Status: "active", Decision: "permit", GivenBy: []string{"patient"}, Party: consent.Side{Category: "gp"},
	})
	return nil
}

// withdraw withdraws every permit.
func withdraw(st *consent.Standing) error {
	for i := range st.Records {
		st.Records[i].Status, st.Records[i].WithdrawnBy = "withdrawn", []string{"patient"}
	}
	return nil
}

// change changes a person's standing, or fails the test.
func change(t testing.TB, s *redisstore.Store, person fhir.Identifier, apply func(*consent.Standing) error) consent.Standing {
	t.Helper()
	st, err := s.Change(t.Context(), audit.Change{Person: person, Apply: apply, Event: consentEvent()})
	if err != nil {
		t.Fatalf("change: %v", err)
	}
	return st
}

// standing reads a standing, or fails the test.
func standing(t testing.TB, s *redisstore.Store, person fhir.Identifier) (consent.Standing, time.Time) {
	t.Helper()
	st, now, err := s.Standing(t.Context(), s.Key(person))
	if err != nil {
		t.Fatalf("standing: %v", err)
	}
	return st, now
}

// release is the commit of an access event about a person, decided on a generation.
func release(s *redisstore.Store, person fhir.Identifier, generation uint64) audit.Release {
	e := accessEvent()
	e.Person = s.Key(person)
	return audit.Release{Event: e, Conditional: true, Generation: generation}
}

func accessEvent() *audit.Event {
	return &audit.Event{Version: 1, Kind: audit.KindAccess, Request: "r", Outcome: audit.OutcomePermit, Reason: "ok-consent"}
}

func consentEvent() *audit.Event {
	return &audit.Event{Version: 1, Kind: audit.KindConsent, Request: "r", Outcome: audit.OutcomePermit, Reason: "ok-self"}
}

// entries returns all events of all outboxes.
func entries(t testing.TB, s *redisstore.Store) []audit.Event {
	t.Helper()
	var events []audit.Event
	for shard := range s.Shards() {
		list, err := s.Read(t.Context(), shard, "", 10_000)
		if err != nil {
			t.Fatalf("read outbox: %v", err)
		}
		for _, entry := range list {
			e, err := audit.ParseEvent(entry.Payload)
			if err != nil {
				t.Fatalf("parse entry: %v", err)
			}
			events = append(events, e)
		}
	}
	return events
}

// wantErr fails the test unless err is want and reveals nothing about a patient.
func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
	if err != nil && strings.Contains(err.Error(), bsn) {
		t.Errorf("error tells the identifier: %v", err)
	}
}

// within fails the test if f takes longer: slowness must end in an error, not in a wait. What this process waited for a processor meanwhile does
// not count, up to the same time again: threads wait side by side.
func within(t testing.TB, limit time.Duration, f func(ctx context.Context) error) error {
	t.Helper()
	start, before := time.Now(), waited()
	err := f(t.Context())
	if took, busy := time.Since(start), waited()-before; took-min(max(0, busy), limit) > limit {
		t.Errorf("took %v, %v of it without a processor, want at most %v", took, busy, limit)
	}
	return err
}

// waited returns how long the threads of this process have waited for a processor so far; zero where the system does not tell.
func waited() (all time.Duration) {
	files, _ := filepath.Glob("/proc/self/task/*/schedstat") // nanoseconds running, nanoseconds waiting, turns
	for _, file := range files {
		content, _ := os.ReadFile(file)
		var ran, waits int64
		_, _ = fmt.Sscan(string(content), &ran, &waits)
		all += time.Duration(waits)
	}
	return all
}
