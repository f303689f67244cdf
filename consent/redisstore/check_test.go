package redisstore_test

import (
	"errors"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// TestCheckNamesTheSetting makes one setting of the server wrong at a time.
func TestCheckNamesTheSetting(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, options(t, server.Socket()))
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("a server as it should be: %v", err)
	}
	tests := []struct{ setting, bad, good string }{
		{"appendonly", "no", "yes"},
		{"appendfsync", "everysec", "always"},
		{"no-appendfsync-on-rewrite", "yes", "no"},
		{"maxmemory", "0", "256mb"},
		{"maxmemory-policy", "allkeys-lru", "noeviction"},
	}
	for _, tt := range tests {
		server.Do("config", "set", tt.setting, tt.bad)
		err := s.Check(t.Context())
		wantErr(t, err, redisstore.ErrServer)
		if err != nil && !strings.Contains(err.Error(), tt.setting+":") {
			t.Errorf("%s: got %v, want it named", tt.setting, err)
		}
		server.Do("config", "set", tt.setting, tt.good)
	}
	server.Do("config", "set", "appendfsync", "no", "maxmemory-policy", "allkeys-lru")
	if err := s.Check(t.Context()); err == nil || strings.Count(err.Error(), "set it to") != 2 {
		t.Errorf("two wrong settings: got %v", err)
	}
	server.Do("replicaof", "127.0.0.1", "1")
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not a master") {
		t.Errorf("a replica: got %v", err)
	}
}

// TestNothingIsRecordedWhereItCouldBeLost: after a check finds that the server may lose what it acknowledges, nothing is decided or
// recorded until a check finds that it does not.
func TestNothingIsRecordedWhereItCouldBeLost(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, options(t, server.Socket()))
	wantAll := func(when string, want error) {
		t.Helper()
		_, _, err := s.Standing(t.Context(), s.Key(alice))
		if !errors.Is(err, want) {
			t.Errorf("%s: standing: got %v, want %v", when, err, want)
		}
		if err := s.Commit(t.Context(), audit.Release{Event: &audit.Event{Version: 1, Kind: audit.KindAccess}}); !errors.Is(err, want) {
			t.Errorf("%s: commit: got %v, want %v", when, err, want)
		}
		_, err = s.Change(t.Context(), audit.Change{Person: alice, Event: &audit.Event{Version: 1, Kind: audit.KindConsent}, Apply: func(*consent.Standing) error { return nil }})
		if !errors.Is(err, want) {
			t.Errorf("%s: change: got %v, want %v", when, err, want)
		}
	}
	wantAll("as it should be", nil)
	for setting, bad := range map[string]string{"appendonly": "no", "appendfsync": "everysec", "maxmemory-policy": "allkeys-lru"} {
		good := server.Client().ConfigGet(t.Context(), setting).Val()[setting]
		server.Do("config", "set", setting, bad)
		wantErr(t, s.Check(t.Context()), redisstore.ErrServer)
		wantAll(setting+" "+bad, audit.ErrUnavailable)
		server.Do("config", "set", setting, good)
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantAll(setting+" "+good, nil)
	}
}

// TestCheckWhereConfigIsRefused is a managed Redis: the operator declares what the server does not reveal.
func TestCheckWhereConfigIsRefused(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	s := open(t, o)
	server.Do("acl", "setuser", "default", "-config")
	if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "appendfsync") {
		t.Errorf("nothing declared: got %v", err)
	}
	o.Declared = map[string]string{
		"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no", "maxmemory": "1073741824",
		"maxmemory-policy": "noeviction",
	}
	if err := reopen(t, o).Check(t.Context()); err != nil {
		t.Errorf("declared: %v", err)
	}
	o.Declared["appendfsync"] = "everysec"
	if err := reopen(t, o).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "appendfsync: set it to always") {
		t.Errorf("declared wrongly: got %v", err)
	}
}

// TestCheckCountsReplicas requires as many replicas as are configured.
func TestCheckCountsReplicas(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, options(t, server.Socket()))
	o := options(t, server.Socket())
	o.Replicas = 1
	wanting := reopen(t, o)
	if err := wanting.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "0 replicas are connected, 1 are configured") {
		t.Errorf("got %v", err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("none wanted: %v", err)
	}
}

// TestCheckWrites: a server that still answers reads, and takes no more writes.
func TestCheckWrites(t *testing.T) {
	s, server := real(t)
	for name, tt := range map[string]struct{ ail, heal []any }{
		"memory is full":  {[]any{"config", "set", "maxmemory", "1mb"}, []any{"config", "set", "maxmemory", "256mb"}},
		"no rights":       {[]any{"acl", "setuser", "default", "-@write"}, []any{"acl", "setuser", "default", "+@all"}},
		"too few copies":  {[]any{"config", "set", "min-replicas-to-write", "1"}, []any{"config", "set", "min-replicas-to-write", "0"}},
		"another's copy":  {[]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}},
		"as it should be": {[]any{"ping"}, []any{"ping"}},
	} {
		server.Do(tt.ail...)
		if err := s.CheckWrites(t.Context()); (err == nil) != (name == "as it should be") {
			t.Errorf("%s: got %v", name, err)
		}
		server.Do(tt.heal...)
	}
	if left := server.Do("ttl", "zs:{s00}:probe").(int64); left <= 0 {
		t.Errorf("the key that was written stays for %d", left)
	}
	server.Do("flushall")
	if err := s.CheckWrites(t.Context()); err == nil || server.Do("dbsize").(int64) != 0 {
		t.Errorf("a server that is not ours: got %v, and %v keys, want an error and none", err, server.Do("dbsize"))
	}
}

// TestMemoryAlarm fills the server.
func TestMemoryAlarm(t *testing.T) {
	s, server := real(t)
	m, err := s.Memory(t.Context())
	if err != nil || m.Used == 0 || m.Max != 256<<20 || m.Alarm() {
		t.Errorf("got %+v, %v", m, err)
	}
	server.Do("set", "filler", strings.Repeat("x", 8<<20))
	server.Do("config", "set", "maxmemory", "12mb")
	if m, err = s.Memory(t.Context()); err != nil || !m.Alarm() {
		t.Errorf("got %+v, %v, want an alarm", m, err)
	}
}

// TestMemoryStoreIsRefused: a store that persists nothing cannot pass the check of a production start.
func TestMemoryStoreIsRefused(t *testing.T) {
	m, err := redisstore.StartMemory()
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	defer m.Stop()
	s := open(t, options(t, m.Client().Addresses[0]))
	wantErr(t, s.Check(t.Context()), redisstore.ErrServer)
	if m.Kept() {
		t.Error("says that it keeps what is stored")
	}
}
