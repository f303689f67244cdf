package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestPromise3WithdrawnMeansWithdrawn: consents are withdrawn and given again while two instances are continuously queried. In the order in
// which Redis recorded them, no release under the consent follows its withdrawal; no request that began after an acknowledgement is permitted;
// and neither a restart nor a restored backup brings the consent back.
func TestPromise3WithdrawnMeansWithdrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, file := w.start()
	b, _ := w.start()
	gp, karena := demo.GP(), demo.Karena()
	ask := search("Condition", karena)
	tokenOf(t, gp)

	stop := make(chan struct{})
	var asking sync.WaitGroup
	var mu sync.Mutex
	var replies []reply
	for _, g := range []*gateway{a, b, a, b} {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r, err := g.try(gp, ask)
					if err != nil || r.status != http.StatusOK && r.status != http.StatusForbidden {
						t.Errorf("got status %d, %v, want 200 or 403", r.status, err)
						return
					}
					mu.Lock()
					replies = append(replies, r)
					mu.Unlock()
				}
			}
		})
	}
	for range 15 {
		w.mustPut(permit(partyGP, "GGC002"), karena)
		until(t, endWithin, "a release", func() bool {
			return a.ask(gp, ask).status == http.StatusOK
		})
		w.withdrawAll(karena, partyGP)
		for _, g := range []*gateway{b, a} {
			r := g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "after the acknowledgement")
			r.wantNothing(t, "withdrawn")
		}
	}
	close(stop)
	asking.Wait()

	t.Run("no release follows a withdrawal", func(t *testing.T) {
		w.wantAllRecorded(replies) // a release without its event would not be noticed below
		releases := w.wantNoReleaseWithdrawn(karena)
		if releases < 15 {
			t.Errorf("there were %d releases, want at least 15 to show anything", releases)
		}
	})
	t.Run("a restart does not bring it back", func(t *testing.T) {
		a.kill()
		a = w.again(a, file)
		a.ask(gp, ask).wantStatus(t, http.StatusForbidden, "restarted")
		w.redis.Kill()
		w.redis.Run()
		until(t, startWithin, "the store to be back", func() bool { return a.ask(gp, ask).status != http.StatusServiceUnavailable })
		a.ask(gp, ask).wantStatus(t, http.StatusForbidden, "Redis restarted")
	})
	t.Run("a store from before does not bring it back", func(t *testing.T) {
		// How a restored backup looks to the gateway: a shard whose sequence is lower than it has seen.
		for shard := range shards {
			w.redis.Do("hset", fmt.Sprintf("zs:{s%02d}:meta", shard), "seq", "1")
		}
		for _, g := range []*gateway{a, b} {
			g.ask(gp, ask).wantUnavailable(t, "an older store")
		}
		a.kill()
		b.kill()
		refused := w.launchAgain(a, file)
		if code := refused.ended(); code == 0 {
			t.Error("the gateway started on an older store")
		}
	})
}

// withdrawAll withdraws every active record for a party at once, not by the command but in the same way.
func (w *world) withdrawAll(person demo.Person, party consent.Side) {
	w.t.Helper()
	_, err := w.changeAs("withdrawn", person.Identifier(), func(st *consent.Standing) error {
		withdrawIn(st, party)
		return nil
	})
	if err != nil {
		w.t.Fatalf("withdraw: %v", err)
	}
}
