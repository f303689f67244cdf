package redisstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
)

// clients returns both clients of a store on a topology.
func clients(t *testing.T, o *redisstore.Options, c redisstore.ClientOptions) {
	t.Helper()
	o.Client, o.Changes = redisstore.NewClient(c), redisstore.NewClient(c)
	t.Cleanup(func() { o.Client.Close(); o.Changes.Close() })
}

// eventually repeats what may fail while a topology changes. Every failure must be of the kind that refuses.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for ; ; <-pace.C {
		err := f()
		if err == nil {
			return
		}
		if !errors.Is(err, audit.ErrUnavailable) || time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// TestCluster spreads the shards over three masters and moves one shard while the store runs.
func TestCluster(t *testing.T) {
	nodes := redistest.StartCluster(t)
	var o redisstore.Options
	addresses := []string{nodes[0].Address(), nodes[1].Address(), nodes[2].Address()}
	o = options(t, nodes[0].Socket())
	clients(t, &o, redisstore.ClientOptions{Addresses: addresses})
	o.Shards = 8
	s := open(t, o)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	nodes[1].Do("config", "set", "maxmemory", "1mb")
	wantErr(t, s.CheckWrites(t.Context()), audit.ErrUnavailable)
	nodes[1].Do("config", "set", "maxmemory", "256mb")
	wantErr(t, s.CheckWrites(t.Context()), nil)
	for i := range 40 {
		person := fhir.Identifier{System: "urn:test", Value: fmt.Sprint(i)}
		st := change(t, s, person, permit)
		wantErr(t, s.Commit(t.Context(), release(s, person, st.Generation)), nil)
		wantErr(t, s.Commit(t.Context(), audit.Release{Event: accessEvent()}), nil)
	}
	for i, n := range nodes {
		if n.Do("dbsize").(int64) == 0 {
			t.Errorf("node %d holds nothing", i)
		}
	}
	given := change(t, s, alice, permit)
	shard := string(s.NewRecordID(alice)[:2])
	redistest.MoveSlot(t, nodes, "zs:{s"+shard+"}:meta")
	eventually(t, "standing after the move", func() error { _, _, err := s.Standing(t.Context(), s.Key(alice)); return err })
	eventually(t, "commit after the move", func() error { return s.Commit(t.Context(), release(s, alice, given.Generation)) })
	eventually(t, "change after the move", func() error {
		_, err := s.Change(t.Context(), audit.Change{Request: "move", Person: alice, Apply: withdraw, Event: consentEvent()})
		return err
	})
	wantErr(t, s.Commit(t.Context(), release(s, alice, given.Generation)), audit.ErrMoved)
	if h, err := s.History(t.Context(), s.Key(alice)); err != nil || len(h) != 2 {
		t.Errorf("got %d versions, %v", len(h), err)
	}
}

// settled changes alice's standing, repeating the request id while replicas are slow to confirm.
func settled(t *testing.T, s *redisstore.Store, request string, apply func(*consent.Standing) error) (st consent.Standing) {
	t.Helper()
	eventually(t, "a change", func() (err error) {
		st, err = s.Change(t.Context(), audit.Change{Request: request, Person: alice, Apply: apply, Event: consentEvent()})
		return err
	})
	return st
}

// TestSentinelFailover kills the master under Sentinel: what was acknowledged is on the new master, and the store finds it.
func TestSentinelFailover(t *testing.T) {
	primary := redistest.Start(t)
	replica := primary.Replica()
	sentinel := redistest.StartSentinel(t, primary, "")
	o := options(t, primary.Socket())
	o.Replicas = 1
	clients(t, &o, redisstore.ClientOptions{Addresses: []string{sentinel}, SentinelMaster: "main"})
	s := open(t, o)
	given := settled(t, s, "given", permit)
	gone := settled(t, s, "gone", withdraw)
	primary.Kill()
	wantErr(t, s.Commit(t.Context(), release(s, alice, gone.Generation)), audit.ErrUnavailable)
	replica.Promoted()
	var st consent.Standing
	eventually(t, "standing", func() (err error) { st, _, err = s.Standing(t.Context(), s.Key(alice)); return err })
	if st.Generation != gone.Generation {
		t.Errorf("got generation %d, want %d", st.Generation, gone.Generation)
	}
	// Nothing is released until another replica confirms.
	wantErr(t, s.Commit(t.Context(), release(s, alice, gone.Generation)), audit.ErrUnavailable)
	replica.Replica()
	eventually(t, "commit", func() error { return s.Commit(t.Context(), release(s, alice, gone.Generation)) })
	wantErr(t, s.Commit(t.Context(), release(s, alice, given.Generation)), audit.ErrMoved)
}
