package redisstore_test

import (
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// TestOnlyWhatTheReplicasHaveIsArchived: either of two replicas can be promoted, so an event that one of them lacks may be lost in
// a failover: it is not acknowledged or archived. What both have can be read and trimmed even when memory is full, which nothing
// else would free.
func TestOnlyWhatTheReplicasHaveIsArchived(t *testing.T) {
	primary := redistest.Start(t)
	primary.Replica()
	replica := primary.Replica()
	o := options(t, primary.Socket())
	o.Replicas = 2
	s := open(t, o)
	given := settled(t, s, "given", permit)
	found := len(entries(t, s))
	if found == 0 {
		t.Fatal("nothing in the outboxes")
	}
	shard := shardWithEntries(t, s)
	replica.Freeze()
	wantErr(t, s.Commit(t.Context(), release(s, alice, given.Generation)), audit.ErrUnavailable)
	if list, err := s.Read(t.Context(), shard, "", 10); len(list) > 0 {
		t.Errorf("got %d entries that the replica does not have, and error %v", len(list), err)
	} else {
		wantErr(t, err, audit.ErrUnavailable)
	}
	_, err := s.FirstUse(t.Context(), "proof", time.Minute)
	wantErr(t, err, audit.ErrUnavailable)
	_, err = s.CountDeclaration(t.Context(), "professional", time.Hour, 9)
	wantErr(t, err, audit.ErrUnavailable)
	replica.Thaw()
	primary.Do("config", "set", "maxmemory", "1")
	var list []audit.Entry
	eventually(t, "the replica in step", func() error {
		list, err = s.Read(t.Context(), shard, "", 10)
		return err
	})
	if len(list) < found {
		t.Fatalf("got %d entries, want at least %d", len(list), found)
	}
	wantErr(t, s.Trim(t.Context(), shard, list[len(list)-1].Position), nil)
	list, err = s.Read(t.Context(), shard, "", 10)
	if wantErr(t, err, nil); len(list) > 0 {
		t.Errorf("%d entries are left after the trim", len(list))
	}
}

// TestAChangeThatNobodyConfirmedIsNotMissed: a change reaches only the master and is gone after the failover. It was not
// acknowledged, so nobody refuses the new master because of it.
func TestAChangeThatNobodyConfirmedIsNotMissed(t *testing.T) {
	primary := redistest.Start(t)
	replica := primary.Replica()
	o := options(t, primary.Socket())
	o.Replicas = 1
	s := open(t, o)
	settled(t, s, "given", permit)
	replica.Do("replicaof", "127.0.0.1", 1)
	alone := o // as if the replica left between the two steps of the change
	alone.Replicas = 0
	change(t, reopen(t, alone), alice, withdraw)
	st, _ := standing(t, s, alice)
	if st.Generation != 2 {
		t.Fatalf("got generation %d at the old master, want the change: nothing is shown", st.Generation)
	}
	wantErr(t, s.Commit(t.Context(), release(s, alice, st.Generation)), audit.ErrUnavailable)
	wantErr(t, s.Check(t.Context()), redisstore.ErrServer)

	replica.Do("replicaof", "no", "one")
	primary.Do("replicaof", "127.0.0.1", replica.Port())
	follows(t, primary)
	primary.Do("replicaof", "no", "one") // the store finds the replica's data at the old address
	replica.Do("replicaof", "127.0.0.1", primary.Port())
	follows(t, replica)
	if st, _ = standing(t, s, alice); st.Generation != 1 {
		t.Fatalf("got generation %d after the failover, want 1", st.Generation)
	}
	eventually(t, "a commit", func() error { return s.Commit(t.Context(), release(s, alice, 1)) })
	if st := settled(t, s, "gone", withdraw); st.Generation != 2 {
		t.Errorf("got generation %d, want 2", st.Generation)
	}
}

// follows waits until a server is a replica in sync.
func follows(t *testing.T, s *redistest.Server) {
	t.Helper()
	eventually(t, "replication", func() error {
		if role, err := s.Client().Do(t.Context(), "role").Slice(); err != nil || len(role) < 4 || role[3] != "connected" {
			return audit.ErrUnavailable
		}
		return nil
	})
}

// shardWithEntries returns the only shard with a non-empty outbox.
func shardWithEntries(t *testing.T, s *redisstore.Store) int {
	t.Helper()
	for shard := range s.Shards() {
		if list, err := s.Read(t.Context(), shard, "", 1); err == nil && len(list) > 0 {
			return shard
		}
	}
	t.Fatal("every outbox is empty")
	return 0
}
