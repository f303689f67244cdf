package redisstore_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
)

// TestNoCommitUnderAWithdrawnConsent is promise 3: two instances release and withdraw concurrently. A commit that began after the
// withdrawal was acknowledged never succeeds, and in Redis' own order no access event of a generation comes after the change that
// ended that generation.
func TestNoCommitUnderAWithdrawnConsent(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	o.Timeout = 5 * time.Second
	releasing := open(t, o)
	o.Client, o.Changes = redistest.Client(t, server.Socket()), redistest.Client(t, server.Socket())
	withdrawing := reopen(t, o)
	const rounds, callers = 300, 8
	var passed, refused atomic.Int64
	for range rounds {
		st := change(t, withdrawing, alice, replaceByOnePermit)
		var acknowledged atomic.Bool
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range 3 {
					late := acknowledged.Load()
					r := release(releasing, alice, st.Generation)
					r.Event.Generation = st.Generation
					err := releasing.Commit(context.Background(), r)
					switch {
					case err == nil && late:
						t.Error("a commit passed after the withdrawal was acknowledged")
					case err == nil:
						passed.Add(1)
					case errors.Is(err, audit.ErrMoved):
						refused.Add(1)
					default:
						t.Errorf("commit: %v", err)
					}
				}
			})
		}
		change(t, withdrawing, alice, withdraw)
		acknowledged.Store(true)
		all.Wait()
	}
	if passed.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d commits passed and %d were refused: the test does not interleave", passed.Load(), refused.Load())
	}
	present := uint64(0)
	for _, e := range entries(t, releasing) {
		switch e.Kind {
		case audit.KindConsent:
			present = e.Generation
		case audit.KindAccess:
			if e.Generation != present {
				t.Fatalf("an access of generation %d was recorded at generation %d", e.Generation, present)
			}
		}
	}
	t.Logf("%d passed, %d refused", passed.Load(), refused.Load())
}

// replaceByOnePermit keeps the standing small over many rounds.
func replaceByOnePermit(st *consent.Standing) error {
	st.Records = nil
	return permit(st)
}

// TestNoUpdateIsLost makes many concurrent changes of one person, conditional (If-Match) and unconditional, on two instances.
func TestNoUpdateIsLost(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	o.Timeout = 30 * time.Second
	stores := []*redisstore.Store{open(t, o), reopen(t, o)}
	const conditional, plain = 200, 40
	var all sync.WaitGroup
	for i := range conditional {
		all.Go(func() {
			s := stores[i%2]
			for {
				st, _, err := s.Standing(context.Background(), s.Key(alice))
				if err != nil {
					t.Errorf("standing: %v", err)
					return
				}
				_, err = s.Change(context.Background(), audit.Change{
					Person: alice, IfGeneration: &st.Generation, Apply: addOne, Event: consentEvent(),
				})
				if err == nil {
					return
				}
				if !errors.Is(err, audit.ErrConflict) {
					t.Errorf("conditional change: %v", err)
					return
				}
			}
		})
	}
	for i := range plain {
		all.Go(func() {
			_, err := stores[i%2].Change(context.Background(), audit.Change{Person: alice, Apply: addOne, Event: consentEvent()})
			if err != nil {
				t.Errorf("change: %v", err)
			}
		})
	}
	all.Wait()
	st, _ := standing(t, stores[0], alice)
	if st.Generation != conditional+plain || len(st.Flags.RepresentativesBlocked) != conditional+plain {
		t.Errorf("got generation %d after %d edits, want %d", st.Generation, len(st.Flags.RepresentativesBlocked), conditional+plain)
	}
	if h, err := stores[1].History(t.Context(), stores[1].Key(alice)); err != nil || len(h) != conditional+plain {
		t.Errorf("got %d versions, %v", len(h), err)
	}
}

// addOne is an edit that counts up in a small standing.
func addOne(st *consent.Standing) error {
	st.Flags.RepresentativesBlocked = append(st.Flags.RepresentativesBlocked, "r")
	return nil
}

// TestOneRequestAtOnce sends the same request many times at once, to two instances: it takes effect once.
func TestOneRequestAtOnce(t *testing.T) {
	server := redistest.Start(t)
	o := options(t, server.Socket())
	o.Timeout = 10 * time.Second
	stores := []*redisstore.Store{open(t, o), reopen(t, o)}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			st, err := stores[i%2].Change(context.Background(), audit.Change{Request: "one", Person: alice, Apply: permit, Event: consentEvent()})
			if err != nil || st.Generation != 1 || len(st.Records) != 1 {
				t.Errorf("got generation %d, %v", st.Generation, err)
			}
		})
	}
	all.Wait()
	if st, _ := standing(t, stores[0], alice); st.Generation != 1 || len(entries(t, stores[0])) != 1 {
		t.Errorf("got generation %d and %d events, want 1", st.Generation, len(entries(t, stores[0])))
	}
}

// TestClose: Close answers waiting callers, and later ones.
func TestClose(t *testing.T) {
	s, server := real(t)
	server.Freeze()
	waiting := make(chan error, 1)
	go func() { waiting <- s.Commit(context.Background(), release(s, alice, 0)) }()
	s.Close()
	wantErr(t, <-waiting, audit.ErrUnavailable)
	server.Thaw()
	wantErr(t, s.Commit(t.Context(), release(s, alice, 0)), audit.ErrUnavailable)
	s.Close()
}

// TestLostReply cuts the connection after Redis has executed the command.
func TestLostReply(t *testing.T) {
	server := redistest.Start(t)
	relay := redistest.StartRelay(t, server)
	s := open(t, options(t, relay.Address()))
	warm := func() { // so that the lost reply is not that of an unloaded script or a greeting
		standing(t, s, alice)
		wantErr(t, s.Commit(t.Context(), audit.Release{Event: accessEvent()}), nil)
		change(t, s, bob, permit)
	}
	count := func() int { return len(entries(t, reopen(t, options(t, server.Socket())))) }

	t.Run("a commit whose reply is lost passes, with one event", func(t *testing.T) {
		warm()
		before := count()
		relay.Lose(1)
		r := release(s, alice, 0)
		wantErr(t, s.Commit(t.Context(), r), nil)
		if relay.Lost() == 0 || r.Event.Time.IsZero() {
			t.Error("no reply was lost")
		}
		if got := count() - before; got != 1 {
			t.Errorf("got %d events, want 1", got)
		}
	})
	t.Run("a commit whose replies are all lost is refused", func(t *testing.T) {
		warm()
		before := count()
		relay.Lose(100)
		err := within(t, time.Second, func(ctx context.Context) error { return s.Commit(ctx, release(s, alice, 0)) })
		relay.Lose(0)
		wantErr(t, err, audit.ErrUnavailable)
		if got := count() - before; got != 1 {
			t.Errorf("got %d events, want 1: over-reported, never twice", got)
		}
	})
	t.Run("a change whose reply is lost is made once", func(t *testing.T) {
		warm()
		before, _ := standing(t, s, alice)
		applied := 0
		e := consentEvent()
		st, err := s.Change(t.Context(), audit.Change{Request: "once", Person: alice, Event: e, Apply: func(st *consent.Standing) error {
			if applied++; applied == 1 {
				relay.Lose(1) // the reply to the script that writes
			}
			return permit(st)
		}})
		if err != nil || st.Generation != before.Generation+1 || e.Generation != st.Generation {
			t.Errorf("got generation %d, %v, want %d", st.Generation, err, before.Generation+1)
		}
		if after, _ := standing(t, s, alice); after.Generation != st.Generation || applied != 1 {
			t.Errorf("got generation %d after %d edits", after.Generation, applied)
		}
	})
	t.Run("a change whose replies are all lost is settled by its request id", func(t *testing.T) {
		warm()
		before, _ := standing(t, s, alice)
		c := audit.Change{Request: "twice", Person: alice, Event: consentEvent(), Apply: func(st *consent.Standing) error {
			relay.Lose(100)
			return permit(st)
		}}
		err := within(t, time.Second, func(ctx context.Context) error { _, err := s.Change(ctx, c); return err })
		relay.Lose(0)
		wantErr(t, err, redisstore.ErrOutcomeUnknown)
		wantErr(t, err, audit.ErrUnavailable)
		c.Apply = permit
		if st, err := s.Change(t.Context(), c); err != nil || st.Generation != before.Generation+1 {
			t.Errorf("got generation %d, %v, want %d", st.Generation, err, before.Generation+1)
		}
	})
}

// TestAcknowledgedSurvivesKill kills the server under load: what was acknowledged is there after the restart.
func TestAcknowledgedSurvivesKill(t *testing.T) {
	s, server := real(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[audit.EventID]bool{}
	ctx, stop := context.WithCancel(t.Context())
	enough := make(chan struct{}, 10_000)
	for range 16 {
		all.Go(func() {
			for ctx.Err() == nil {
				r := release(s, alice, 0)
				if s.Commit(ctx, r) == nil {
					mu.Lock()
					acknowledged[r.Event.ID] = true
					mu.Unlock()
					select {
					case enough <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	for range 500 {
		<-enough
	}
	server.Kill()
	stop()
	all.Wait()
	server.Run()
	for _, e := range entries(t, s) {
		delete(acknowledged, e.ID)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged events are gone", len(acknowledged))
	}
}
