package redisstore

import (
	"bytes"
	"errors"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/fhir"
)

// TestAFirstAttemptAfterItsRepeatRecordsNothing: the network delays the first attempt of a commit until after its repeat, which
// recorded the event. The event is recorded once.
func TestAFirstAttemptAfterItsRepeatRecordsNothing(t *testing.T) {
	embedded, err := StartMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer embedded.Stop()
	client, changes := NewClient(embedded.Client()), NewClient(embedded.Client())
	defer client.Close()
	defer changes.Close()
	o := Options{Client: client, Changes: changes, Shards: 2, PersonSecret: make([]byte, 32), SealingKey: bytes.Repeat([]byte{1}, 32)}
	if err := Initialise(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := s.Key(fhir.Identifier{System: "urn:test", Value: "1"})
	for name, event := range map[string]*audit.Event{
		"about a person": {Version: audit.SchemaVersion, Kind: audit.KindAccess, Outcome: audit.OutcomeDeny, Reason: "no-consent", Person: key},
		"about nobody":   {Version: audit.SchemaVersion, Kind: audit.KindUnauthenticated, Outcome: audit.OutcomeDeny, Reason: "token-expired", Count: 1},
	} {
		first, err := s.commitAsk(audit.Release{Event: event})
		if err != nil {
			t.Fatal(err)
		}
		if first.attempted {
			t.Fatalf("%s: a first attempt says that there was one before", name)
		}
		if err := s.Commit(t.Context(), audit.Release{Event: event}); err != nil { // it has an id now, so this is a repeat
			t.Fatalf("%s: the repeat: %v", name, err)
		}
		if got, err := s.do(t.Context(), first); err != nil || got.status != statusSpent {
			t.Errorf("%s: the first attempt, late: got status %q and error %v, want %s", name, got.status, err, statusSpent)
		}
		if err := s.Commit(t.Context(), audit.Release{Event: event}); err != nil {
			t.Errorf("%s: another repeat, which finds the event: %v", name, err)
		}
		found := 0
		for shard := range o.Shards {
			entries, err := s.Read(t.Context(), shard, "", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range entries {
				if e, err := audit.ParseEvent(entry.Payload); err == nil && e.ID == event.ID {
					found++
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: the event is in the outbox %d times, want once", name, found)
		}
	}
	other := &audit.Event{Version: audit.SchemaVersion, Kind: audit.KindAccess, Outcome: audit.OutcomeDeny, Reason: "no-consent", Person: key}
	if err := s.Commit(t.Context(), audit.Release{Event: other}); err != nil || errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("another event of the same person: %v", err)
	}
}
