package redisstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// TestOpenRefuses covers every way in which the store found is not the expected one.
func TestOpenRefuses(t *testing.T) {
	server := redistest.Start(t)
	fresh := func() redisstore.Options { return options(t, server.Socket()) }
	_, err := redisstore.Open(t.Context(), fresh())
	wantErr(t, err, redisstore.ErrDataLost) // its id is configured, so it existed
	unnamed := fresh()
	unnamed.StoreID = ""
	_, err = redisstore.Open(t.Context(), unnamed)
	wantErr(t, err, redisstore.ErrNotInitialised)

	s := open(t, fresh())
	change(t, s, alice, permit)
	if got := reopen(t, unnamed).StoreID(); got != "test" {
		t.Errorf("got store id %q", got)
	}
	tests := []struct {
		name string
		edit func(o *redisstore.Options)
		want error
	}{
		{"another store", func(o *redisstore.Options) { o.StoreID = "other" }, redisstore.ErrStoreMismatch},
		{"fewer shards", func(o *redisstore.Options) { o.Shards = 2 }, redisstore.ErrStoreMismatch},
		{"more shards", func(o *redisstore.Options) { o.Shards = 8 }, redisstore.ErrDataLost},
		{"another person secret", func(o *redisstore.Options) { o.PersonSecret[0]++ }, redisstore.ErrStoreMismatch},
		{"another sealing key", func(o *redisstore.Options) { o.SealingKey[0]++ }, redisstore.ErrStoreMismatch},
		{"behind the archive", func(o *redisstore.Options) { o.Watermarks = map[int]uint64{0: 9} }, redisstore.ErrDataLost},
		{"a short secret", func(o *redisstore.Options) { o.PersonSecret = o.PersonSecret[:31] }, redisstore.ErrInvalid},
		{"one secret for both", func(o *redisstore.Options) { o.PersonSecret = o.SealingKey }, redisstore.ErrInvalid},
		{"no client", func(o *redisstore.Options) { o.Client = nil }, redisstore.ErrInvalid},
	}
	for _, tt := range tests {
		o := fresh()
		tt.edit(&o)
		if _, err := redisstore.Open(t.Context(), o); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	wantErr(t, redisstore.Initialise(t.Context(), fresh()), redisstore.ErrStoreMismatch)
	for shard := range 4 {
		server.Do("del", "zs:{s0"+string(rune('0'+shard))+"}:meta")
	}
	wantErr(t, redisstore.Initialise(t.Context(), fresh()), redisstore.ErrStoreMismatch) // its persons still exist
}

// TestEmptiedStoreIsRefused: otherwise an emptied Redis would turn refusals into "unknown", which an emergency opens.
func TestEmptiedStoreIsRefused(t *testing.T) {
	s, server := real(t)
	change(t, s, alice, permit)
	server.Do("flushall")
	refuses(t, s, redisstore.ErrDataLost)
	wantErr(t, s.Check(t.Context()), redisstore.ErrDataLost)

	o := options(t, server.Socket())
	o.Watermarks = s.Sequences()
	_, err := redisstore.Open(t.Context(), o)
	wantErr(t, err, redisstore.ErrDataLost)
	wantErr(t, redisstore.Initialise(t.Context(), o), redisstore.ErrDataLost)

	if err := redisstore.Accept(t.Context(), o, nil); err != nil {
		t.Fatalf("accept: %v", err)
	}
	works(t, reopen(t, o))
	works(t, s) // a running instance continues, and forgets what it had seen
	if st, _ := standing(t, s, alice); st.Generation != 0 {
		t.Errorf("got generation %d", st.Generation)
	}
}

// TestInterruptedInitialise: one shard has no meta key; Accept completes it.
func TestInterruptedInitialise(t *testing.T) {
	_, server := real(t)
	server.Do("del", "zs:{s02}:meta")
	o := options(t, server.Socket())
	o.StoreID = ""
	_, err := redisstore.Open(t.Context(), o)
	wantErr(t, err, redisstore.ErrDataLost)
	wantErr(t, redisstore.Accept(t.Context(), o, nil), nil)
	works(t, reopen(t, o))
}

// TestAcceptRefuses: a loss can be accepted, another store cannot.
func TestAcceptRefuses(t *testing.T) {
	s, server := real(t)
	change(t, s, alice, permit)
	o := options(t, server.Socket())
	o.StoreID = "other"
	wantErr(t, redisstore.Accept(t.Context(), o, nil), redisstore.ErrStoreMismatch)
	o = options(t, server.Socket())
	o.SealingKey[0]++
	wantErr(t, redisstore.Accept(t.Context(), o, nil), redisstore.ErrStoreMismatch)
	server.Do("flushall")
	o = options(t, server.Socket())
	o.StoreID = ""
	wantErr(t, redisstore.Accept(t.Context(), o, nil), redisstore.ErrNotInitialised)
}

// TestRestoredBackupIsRefused restores an earlier log: the later withdrawal is gone, and nothing is released.
func TestRestoredBackupIsRefused(t *testing.T) {
	s, server := real(t)
	given := change(t, s, alice, permit)
	backup := t.TempDir()
	server.Kill()
	copyFolder(t, filepath.Join(server.Folder(), "appendonlydir"), backup)
	server.Run()
	change(t, s, alice, withdraw)
	watermarks := s.Sequences()
	server.Kill()
	copyFolder(t, backup, filepath.Join(server.Folder(), "appendonlydir"))
	server.Run()

	shard := string(s.NewRecordID(alice)[:2])
	if got := server.Do("hget", "zs:{s"+shard+"}:p:"+string(s.Key(alice)), "gen"); got != "1" {
		t.Fatalf("got generation %v: the backup was not restored", got)
	}
	wantErr(t, s.Commit(t.Context(), release(s, alice, given.Generation)), redisstore.ErrDataLost)
	_, _, err := s.Standing(t.Context(), s.Key(alice))
	wantErr(t, err, redisstore.ErrDataLost)

	o := options(t, server.Socket())
	o.Watermarks = watermarks // a new instance, which knows only the archive
	_, err = redisstore.Open(t.Context(), o)
	wantErr(t, err, redisstore.ErrDataLost)
	if err := redisstore.Accept(t.Context(), o, nil); err != nil {
		t.Fatalf("accept: %v", err)
	}
	if st, _ := standing(t, s, alice); st.Generation != 1 {
		t.Errorf("accepted: got generation %d", st.Generation)
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestTamperedValues changes values in Redis, as somebody with access to it could.
func TestTamperedValues(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(server *redistest.Server, alice, bob string)
		want   error
	}{
		{"a bit is flipped", func(r *redistest.Server, a, _ string) {
			v := []byte(r.Do("hget", a, "val").(string))
			v[len(v)/2] ^= 1
			r.Do("hset", a, "val", v)
		}, redisstore.ErrSealed},
		{"the value of another person", func(r *redistest.Server, a, b string) { r.Do("hset", a, "val", r.Do("hget", b, "val")) }, redisstore.ErrSealed},
		{"a value of another kind", func(r *redistest.Server, a, _ string) {
			_, sealed, _ := strings.Cut(r.Do("lindex", a+":history", -1).(string), " ")
			r.Do("hset", a, "val", sealed)
		}, redisstore.ErrSealed},
		{"the value is gone", func(r *redistest.Server, a, _ string) { r.Do("hdel", a, "val") }, redisstore.ErrSealed},
		{"the generation is higher", func(r *redistest.Server, a, _ string) { r.Do("hset", a, "gen", 9) }, redisstore.ErrSealed},
		{"the generation is lower", func(r *redistest.Server, a, _ string) { r.Do("hset", a, "gen", 1) }, redisstore.ErrDataLost},
		{"the generation is no number", func(r *redistest.Server, a, _ string) { r.Do("hset", a, "gen", "x") }, redisstore.ErrSealed},
		{"the stamp is gone", func(r *redistest.Server, a, _ string) { r.Do("hdel", a, "at") }, redisstore.ErrSealed},
		{"the generation is gone", func(r *redistest.Server, a, _ string) { r.Do("hdel", a, "gen") }, redisstore.ErrDataLost},
		{"the person is gone", func(r *redistest.Server, a, _ string) { r.Do("del", a) }, redisstore.ErrDataLost},
		{"the person was evicted with the history", func(r *redistest.Server, a, _ string) { r.Do("del", a, a+":history") }, redisstore.ErrDataLost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, server := real(t)
			change(t, s, alice, permit)
			change(t, s, alice, withdraw)
			change(t, s, bob, permit)
			change(t, s, bob, permit)
			key := func(id consent.RecordID, k consent.PersonKey) string {
				return "zs:{s" + string(id[:2]) + "}:p:" + string(k)
			}
			tt.tamper(server, key(s.NewRecordID(alice), s.Key(alice)), key(s.NewRecordID(bob), s.Key(bob)))
			_, _, err := s.Standing(t.Context(), s.Key(alice))
			wantErr(t, err, tt.want)
			_, err = s.Change(t.Context(), audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
			wantErr(t, err, audit.ErrUnavailable)
			if _, err := s.History(t.Context(), s.Key(alice)); err == nil {
				t.Error("the history says that all is well")
			}
		})
	}
}

// TestHistoryWithoutStanding: to an instance that never saw the person, a history without a standing shows that the standing was lost.
func TestHistoryWithoutStanding(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	s := open(t, o)
	change(t, s, alice, permit)
	server.Do("del", "zs:{s"+string(s.NewRecordID(alice)[:2])+"}:p:"+string(s.Key(alice)))
	stranger := reopen(t, options(t, server.Socket()))
	_, _, err := stranger.Standing(t.Context(), stranger.Key(alice))
	wantErr(t, err, redisstore.ErrDataLost)
	if st, _ := standing(t, stranger, bob); st.Generation != 0 {
		t.Errorf("of somebody else: got generation %d, want nothing on file", st.Generation)
	}
}

// TestTamperedHistory edits the chain of versions.
func TestTamperedHistory(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(server *redistest.Server, history string)
	}{
		{"a version is gone", func(r *redistest.Server, h string) { r.Do("lpop", h) }},
		{"the newest version is gone", func(r *redistest.Server, h string) { r.Do("rpop", h) }},
		{"a version is there twice", func(r *redistest.Server, h string) { r.Do("lset", h, 1, r.Do("lindex", h, 0)) }},
		{"two versions are swapped", func(r *redistest.Server, h string) {
			a, b := r.Do("lindex", h, 0), r.Do("lindex", h, 1)
			r.Do("lset", h, 0, b)
			r.Do("lset", h, 1, a)
		}},
		{"the stamp of a version is changed", func(r *redistest.Server, h string) {
			v := []byte(r.Do("lindex", h, 0).(string))
			v[15] ^= 1 // change the last digit
			r.Do("lset", h, 0, v)
		}},
		{"the stamp of the newest version is changed", func(r *redistest.Server, h string) {
			v := r.Do("lindex", h, -1).(string)
			_, sealed, _ := strings.Cut(v, " ")
			r.Do("lset", h, -1, "1 "+sealed)
		}},
		{"a version is cut", func(r *redistest.Server, h string) {
			v := r.Do("lindex", h, 1).(string)
			r.Do("lset", h, 1, v[:len(v)-1])
		}},
		{"all versions are gone", func(r *redistest.Server, h string) { r.Do("del", h) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, server := real(t)
			for range 3 {
				change(t, s, alice, permit)
			}
			if _, err := s.History(t.Context(), s.Key(alice)); err != nil {
				t.Fatalf("before: %v", err)
			}
			tt.tamper(server, "zs:{s"+string(s.NewRecordID(alice)[:2])+"}:p:"+string(s.Key(alice))+":history")
			_, err := s.History(t.Context(), s.Key(alice))
			wantErr(t, err, redisstore.ErrSealed)
			if strings.Contains(tt.name, "gone") {
				_, err = s.Change(t.Context(), audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
				wantErr(t, err, redisstore.ErrDataLost) // a chain with a gap is not continued
			}
		})
	}
}
