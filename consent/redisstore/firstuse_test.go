package redisstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore"
)

func usedOnce(t *testing.T, s *redisstore.Store) {
	var firsts atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			first, err := s.FirstUse(t.Context(), "proof", time.Minute)
			if err != nil {
				t.Errorf("first use: %v", err)
			}
			if first {
				firsts.Add(1)
			}
		})
	}
	all.Wait()
	if n := firsts.Load(); n != 1 {
		t.Errorf("%d callers are told that they are the first, want 1", n)
	}
	if first, err := s.FirstUse(t.Context(), "another", time.Minute); !first || err != nil {
		t.Errorf("another proof: got %v, %v", first, err)
	}
	_, err := s.FirstUse(t.Context(), "", time.Minute)
	wantErr(t, err, redisstore.ErrInvalid)
	_, err = s.FirstUse(t.Context(), "proof", 0)
	wantErr(t, err, redisstore.ErrInvalid)
}

func TestFirstUseIsSharedAndForgotten(t *testing.T) {
	s, server := real(t)
	other := reopen(t, options(t, server.Socket()))
	const kept = 200 * time.Millisecond
	if first, err := s.FirstUse(t.Context(), "proof", time.Hour); !first || err != nil {
		t.Fatalf("got %v, %v", first, err)
	}
	if first, err := other.FirstUse(t.Context(), "proof", time.Hour); first || err != nil {
		t.Errorf("another instance: got %v, %v, want a second use", first, err)
	}
	if first, err := s.FirstUse(t.Context(), "short", kept); !first || err != nil {
		t.Fatalf("got %v, %v", first, err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		first, err := other.FirstUse(t.Context(), "short", kept)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("it is never forgotten: %v", err)
		}
		if first {
			break
		}
	}
}

// TestFirstUseFailsShut: without an answer of Redis, a proof counts neither as used nor as unused.
func TestFirstUseFailsShut(t *testing.T) {
	s, server := real(t)
	use := func(ctx context.Context) error { _, err := s.FirstUse(ctx, "proof", time.Minute); return err }
	server.Freeze()
	wantErr(t, within(t, answerWithin, use), audit.ErrUnavailable)
	server.Thaw()
	server.Kill()
	wantErr(t, within(t, answerWithin, use), audit.ErrUnavailable)
}
