package redisstore_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
)

// clients makes both clients of a store on a topology.
func clients(t *testing.T, o *redisstore.Options, c redisstore.ClientOptions) {
	t.Helper()
	o.Client, o.Changes = redisstore.NewClient(c), redisstore.NewClient(c)
	t.Cleanup(func() { o.Client.Close(); o.Changes.Close() })
}

// eventually repeats what may fail while a topology changes. Every failure must be the kind that refuses.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
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

// startCluster makes a cluster of three masters.
func startCluster(t *testing.T) []*redistest.Server {
	t.Helper()
	var nodes []*redistest.Server
	for i := range 3 {
		n := redistest.StartNode(t)
		n.Do("cluster", "addslotsrange", i*5462, min((i+1)*5462, 16384)-1)
		n.Do("config", "set", "cluster-require-full-coverage", "no")
		if i > 0 {
			n.Do("cluster", "meet", "127.0.0.1", nodes[0].Port(), nodes[0].BusPort())
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		eventually(t, "cluster", func() error {
			info := n.Do("cluster", "info").(string)
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384") {
				return audit.ErrUnavailable
			}
			return nil
		})
	}
	return nodes
}

// TestCluster spreads the shards over three masters and moves one of them while the store runs.
func TestCluster(t *testing.T) {
	nodes := startCluster(t)
	var o redisstore.Options
	addresses := []string{nodes[0].Address(), nodes[1].Address(), nodes[2].Address()}
	o = options(t, nodes[0].Socket())
	clients(t, &o, redisstore.ClientOptions{Addresses: addresses})
	o.Shards = 8
	s := open(t, o)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
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
	moveSlot(t, nodes, "zs:{s"+shard+"}:meta")
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

// moveSlot moves the slot of a key, with all that is in it, to another master.
func moveSlot(t *testing.T, nodes []*redistest.Server, key string) {
	t.Helper()
	slot := int(nodes[0].Do("cluster", "keyslot", key).(int64))
	from := nodes[slot/5462]
	to := nodes[(slot/5462+1)%3]
	toID, fromID := to.Do("cluster", "myid"), from.Do("cluster", "myid")
	to.Do("cluster", "setslot", slot, "importing", fromID)
	from.Do("cluster", "setslot", slot, "migrating", toID)
	for _, k := range from.Do("cluster", "getkeysinslot", slot, 10_000).([]any) {
		from.Do("migrate", "127.0.0.1", to.Port(), k, 0, 5000)
	}
	for _, n := range []*redistest.Server{to, from} {
		n.Do("cluster", "setslot", slot, "node", toID)
	}
}

// TestSentinelFailover kills the master under Sentinel: what was acknowledged is on the new one, and the store finds it.
func TestSentinelFailover(t *testing.T) {
	primary := redistest.Start(t)
	replica := primary.Replica()
	sentinel := startSentinel(t, primary)
	o := options(t, primary.Socket())
	o.Replicas = 1
	clients(t, &o, redisstore.ClientOptions{Addresses: []string{sentinel}, SentinelMaster: "main"})
	s := open(t, o)
	given := change(t, s, alice, permit)
	gone := change(t, s, alice, withdraw)
	primary.Kill()
	wantErr(t, s.Commit(t.Context(), release(s, alice, gone.Generation)), audit.ErrUnavailable)
	eventually(t, "promotion", func() error {
		role, err := replica.Client().Do(t.Context(), "role").Slice()
		if err != nil || role[0] != "master" {
			return audit.ErrUnavailable
		}
		return nil
	})
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

// startSentinel watches a master that it calls main, and returns its address.
func startSentinel(t *testing.T, primary *redistest.Server) string {
	t.Helper()
	port := redistest.FreePort(t)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 %d 1\nsentinel down-after-milliseconds main 300\n"+
		"sentinel failover-timeout main 3000\n", port, primary.Port())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", config, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatalf("sentinel: %v", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	address := "127.0.0.1:" + strconv.Itoa(port)
	client := redis.NewSentinelClient(&redis.Options{Addr: address})
	t.Cleanup(func() { client.Close() })
	eventually(t, "sentinel", func() error {
		m, err := client.Master(t.Context(), "main").Result()
		if err != nil || m["num-slaves"] != "1" || m["flags"] != "master" {
			return audit.ErrUnavailable
		}
		return nil
	})
	return address
}
