package redisstore_test

import (
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// TestOnlyWhatAReplicaHasIsArchived: an event that no replica has can be gone after a failover, so the archive does not see it. What a
// replica has can be read and trimmed also where memory is full: nothing else empties it.
func TestOnlyWhatAReplicaHasIsArchived(t *testing.T) {
	primary := redistest.Start(t)
	replica := primary.Replica()
	o := options(t, primary.Socket())
	o.Replicas = 1
	s := open(t, o)
	given := change(t, s, alice, permit)
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
	replica.Thaw()
	primary.Do("config", "set", "maxmemory", "1")
	list, err := s.Read(t.Context(), shard, "", 10)
	if wantErr(t, err, nil); len(list) < found {
		t.Fatalf("got %d entries, want at least %d", len(list), found)
	}
	wantErr(t, s.Trim(t.Context(), shard, list[len(list)-1].Position), nil)
	list, err = s.Read(t.Context(), shard, "", 10)
	if wantErr(t, err, nil); len(list) > 0 {
		t.Errorf("%d entries are left after the trim", len(list))
	}
}

// shardWithEntries is the one shard whose outbox is not empty.
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
