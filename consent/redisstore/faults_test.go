package redisstore_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// answerWithin is promise 7: callers are answered within a second when Redis is away or slow.
const answerWithin = time.Second

// everyCall runs check on every call that reads or writes.
func everyCall(t *testing.T, s *redisstore.Store, check func(name string, err error)) {
	t.Helper()
	key := s.Key(alice)
	calls := []struct {
		name string
		call func(ctx context.Context) error
	}{
		{"standing", func(ctx context.Context) error { _, _, err := s.Standing(ctx, key); return err }},
		{"commit", func(ctx context.Context) error { return s.Commit(ctx, release(s, alice, 1)) }},
		{"change", func(ctx context.Context) error {
			_, err := s.Change(ctx, audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
			return err
		}},
		{"events", func(ctx context.Context) error { _, err := s.Events(ctx, key, 1); return err }},
		{"history", func(ctx context.Context) error { _, err := s.History(ctx, key); return err }},
		{"lookup", func(ctx context.Context) error { _, err := s.Lookup(ctx, string(s.NewRecordID(alice))); return err }},
		{"reviews", func(ctx context.Context) error { _, err := s.OpenReviews(ctx); return err }},
		{"count", func(ctx context.Context) error { _, err := s.CountDeclaration(ctx, "p", time.Hour, 9); return err }},
		{"read outbox", func(ctx context.Context) error { _, err := s.Read(ctx, 0, "", 1); return err }},
		{"trim outbox", func(ctx context.Context) error { return s.Trim(ctx, 0, "0-1") }},
	}
	var all sync.WaitGroup
	for _, c := range calls {
		all.Go(func() { check(c.name, within(t, answerWithin, c.call)) })
	}
	all.Wait()
}

// refuses expects every call to fail in bounded time with an error that wraps want.
func refuses(t *testing.T, s *redisstore.Store, want error) {
	t.Helper()
	everyCall(t, s, func(name string, err error) {
		if !errors.Is(err, want) || !errors.Is(err, audit.ErrUnavailable) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	})
}

// works expects a read, a commit and a change to succeed.
func works(t *testing.T, s *redisstore.Store) {
	t.Helper()
	st, _ := standing(t, s, bob)
	wantErr(t, s.Commit(t.Context(), release(s, bob, st.Generation)), nil)
	change(t, s, bob, permit)
}

// TestSlowServer freezes the server without closing a connection: every caller is answered in time, and all works afterwards.
func TestSlowServer(t *testing.T) {
	s, server := real(t)
	change(t, s, alice, permit)
	t.Run("frozen", func(t *testing.T) {
		server.Freeze()
		defer server.Thaw()
		refuses(t, s, audit.ErrUnavailable)
	})
	works(t, s)
	t.Run("frozen, many callers", func(t *testing.T) {
		server.Freeze()
		defer server.Thaw()
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				wantErr(t, within(t, answerWithin, func(ctx context.Context) error { return s.Commit(ctx, release(s, alice, 1)) }), audit.ErrUnavailable)
			})
		}
		all.Wait()
	})
	works(t, s)
	t.Run("paused", func(t *testing.T) {
		server.Do("client", "pause", 1500, "all")
		refuses(t, s, audit.ErrUnavailable)
	})
	server.Client().Ping(t.Context()) // answered after the pause
	works(t, s)
	t.Run("gone", func(t *testing.T) {
		server.Kill()
		refuses(t, s, audit.ErrUnavailable)
	})
	server.Run()
	works(t, s)
}

// TestCallerLeaves cancels the context of one caller: it is answered at once, and the others get their answers.
func TestCallerLeaves(t *testing.T) {
	s, server := real(t)
	server.Freeze()
	ctx, leave := context.WithCancel(t.Context())
	others := make(chan error, 1)
	go func() { others <- s.Commit(t.Context(), release(s, alice, 0)) }()
	left := make(chan error, 1)
	go func() { left <- s.Commit(ctx, release(s, alice, 0)) }()
	leave()
	select {
	case err := <-left:
		wantErr(t, err, audit.ErrUnavailable)
		wantErr(t, err, context.Canceled)
	case err := <-others:
		t.Fatalf("the other caller was answered first: %v", err)
	}
	server.Thaw()
	wantErr(t, <-others, nil)
}

// TestOverload: the queue is bounded, and what does not fit is refused at once instead of waiting.
func TestOverload(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	o.BatchCalls, o.QueuedCalls = 1, 4
	s := open(t, o)
	server.Freeze()
	defer server.Thaw()
	var all sync.WaitGroup
	var quick atomic.Int64
	for range 50 {
		all.Go(func() {
			start := time.Now()
			wantErr(t, s.Commit(context.Background(), release(s, alice, 0)), audit.ErrUnavailable)
			if time.Since(start) < 200*time.Millisecond {
				quick.Add(1)
			}
		})
	}
	all.Wait()
	if quick.Load() < 30 || s.Counters().Shed < 30 {
		t.Errorf("%d of 50 were refused at once, %d counted", quick.Load(), s.Counters().Shed)
	}
}

// TestServerThatRefuses puts the server in states that occur in production.
func TestServerThatRefuses(t *testing.T) {
	tests := []struct {
		name         string
		spoil, mend  func(t *testing.T, server *redistest.Server)
		readsGoOn    bool
		settings     []string
		neverRecover bool
	}{
		{
			name:      "out of memory",
			spoil:     func(t *testing.T, s *redistest.Server) { s.Do("config", "set", "maxmemory", "1") },
			mend:      func(t *testing.T, s *redistest.Server) { s.Do("config", "set", "maxmemory", "256mb") },
			readsGoOn: true,
		},
		{
			name:      "demoted to a replica",
			spoil:     func(t *testing.T, s *redistest.Server) { s.Do("replicaof", "127.0.0.1", "1") },
			mend:      func(t *testing.T, s *redistest.Server) { s.Do("replicaof", "no", "one") },
			readsGoOn: true,
		},
		{
			name: "cannot write to its disk",
			spoil: func(t *testing.T, s *redistest.Server) {
				client := redistest.Client(t, s.Address())
				if err := client.Ping(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				os.RemoveAll(s.Folder())
				client.BgSave(t.Context())
				for client.Do(t.Context(), "set", "x", "y").Err() == nil {
				}
			},
			settings: []string{"--save", "3600 1"}, readsGoOn: true, neverRecover: true,
		},
		{
			name:  "scripts are not allowed any more",
			spoil: func(t *testing.T, s *redistest.Server) { s.Do("acl", "setuser", "default", "-@scripting") },
			mend:  func(t *testing.T, s *redistest.Server) { s.Do("acl", "setuser", "default", "+@all") },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := redistest.Start(t, tt.settings...)
			s := open(t, options(t, server.Address())) // the socket does not outlive its folder
			change(t, s, alice, permit)
			before := len(entries(t, s))
			tt.spoil(t, server)
			wantErr(t, within(t, answerWithin, func(ctx context.Context) error { return s.Commit(ctx, release(s, alice, 1)) }), audit.ErrUnavailable)
			wantErr(t, within(t, answerWithin, func(ctx context.Context) error {
				_, err := s.Change(ctx, audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
				return err
			}), audit.ErrUnavailable)
			if tt.readsGoOn {
				if got := len(entries(t, s)); got != before {
					t.Errorf("got %d events, want %d: something was written", got, before)
				}
				standing(t, s, alice)
			}
			if tt.neverRecover {
				return
			}
			tt.mend(t, server)
			works(t, s)
		})
	}
}

// TestScriptsAreLoadedAgain flushes the script cache of the server, as a restart or a failover does.
func TestScriptsAreLoadedAgain(t *testing.T) {
	s, server := real(t)
	for range 3 {
		server.Do("script", "flush")
		works(t, s)
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { wantErr(t, s.Commit(context.Background(), release(s, alice, 0)), nil) })
		all.Go(func() { standing(t, s, alice) })
	}
	server.Do("script", "flush")
	all.Wait()
	if got := len(entries(t, s)); got != 106 {
		t.Errorf("got %d events, want 106", got)
	}
}

// TestKeysOfAWrongType: nothing is written if any key of a script has the wrong type.
func TestKeysOfAWrongType(t *testing.T) {
	for _, suffix := range []string{"", ":history", ":events"} {
		t.Run("person"+suffix, func(t *testing.T) {
			s, server := real(t)
			change(t, s, alice, permit)
			shard := string(s.NewRecordID(alice)[:2])
			key := "zs:{s" + shard + "}:p:" + string(s.Key(alice)) + suffix
			before := len(entries(t, s))
			server.Do("del", key)
			server.Do("set", key, "x")
			r := release(s, alice, 1)
			err := s.Commit(t.Context(), r)
			if suffix != ":history" { // a commit does not use it
				wantErr(t, err, audit.ErrUnavailable)
			}
			_, err = s.Change(t.Context(), audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
			wantErr(t, err, audit.ErrUnavailable)
			if got := len(entries(t, s)); suffix != ":history" && got != before {
				t.Errorf("got %d events, want %d", got, before)
			}
			if st, _, err := s.Standing(t.Context(), s.Key(alice)); suffix == "" && err == nil || suffix != "" && st.Generation != 1 {
				t.Errorf("standing: got generation %d, %v", st.Generation, err)
			}
		})
	}
}

// TestWaitOnReplica: what is acknowledged is on the replica too.
func TestWaitOnReplica(t *testing.T) {
	primary := redistest.Start(t)
	replica := primary.Replica()
	o := options(t, primary.Socket())
	o.Replicas = 1
	s := open(t, o)
	nobody := func() error { return s.Commit(t.Context(), audit.Release{Event: release(s, bob, 0).Event}) }
	eventually(t, "the replica in step", nobody)
	works(t, s)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check: %v", err)
	}
	replica.Freeze()
	wantErr(t, within(t, answerWithin, func(ctx context.Context) error { return s.Commit(ctx, release(s, alice, 0)) }), audit.ErrUnavailable)
	wantErr(t, within(t, answerWithin, func(ctx context.Context) error {
		_, err := s.Change(ctx, audit.Change{Person: alice, Apply: permit, Event: consentEvent()})
		return err
	}), audit.ErrUnavailable)
	standing(t, s, alice) // reads still work
	replica.Thaw()
	eventually(t, "the replica in step", nobody)
	works(t, s)

	t.Run("an event that only the master has is not acknowledged, on whichever connection it is asked for again", func(t *testing.T) {
		replica.Freeze()
		r := release(s, alice, 0)
		r.Conditional = false
		wantErr(t, s.Commit(t.Context(), r), audit.ErrUnavailable)
		other := o
		other.Client, other.Changes = redistest.Client(t, primary.Socket()), redistest.Client(t, primary.Socket())
		wantErr(t, reopen(t, other).Commit(t.Context(), r), audit.ErrUnavailable)
		replica.Thaw()
		eventually(t, "the replica in step", func() error { return s.Commit(t.Context(), r) })
	})

	t.Run("the replica stops between reading and writing", func(t *testing.T) {
		before, _ := standing(t, s, alice)
		c := audit.Change{Request: "half", Person: alice, Event: consentEvent(), Apply: func(st *consent.Standing) error {
			replica.Freeze()
			return permit(st)
		}}
		err := within(t, answerWithin, func(ctx context.Context) error { _, err := s.Change(ctx, c); return err })
		wantErr(t, err, redisstore.ErrOutcomeUnknown)
		_, err = s.Change(t.Context(), c) // the master has it, but it is not acknowledged
		wantErr(t, err, audit.ErrUnavailable)
		replica.Thaw()
		var st consent.Standing
		eventually(t, "the replica in step", func() (err error) { st, err = s.Change(t.Context(), c); return err })
		if st.Generation != before.Generation+1 {
			t.Errorf("asked again: got generation %d, want %d", st.Generation, before.Generation+1)
		}
	})

	// What was acknowledged survives the primary.
	st := change(t, s, alice, permit)
	primary.Kill()
	replica.Do("replicaof", "no", "one")
	o.Replicas = 0
	o.Client, o.Changes = redistest.Client(t, replica.Socket()), redistest.Client(t, replica.Socket())
	o.Watermarks = s.Sequences()
	after := reopen(t, o)
	if got, _ := standing(t, after, alice); got.Generation != st.Generation {
		t.Errorf("got generation %d on the promoted replica, want %d", got.Generation, st.Generation)
	}
}
