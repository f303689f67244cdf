package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestTwoInstances: two gateways on one Redis act as one: what is withdrawn is withdrawn at both at once, also for a request in flight; a page
// link of one works at the other, for the same caller only; every event is archived once.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, file := w.start()
	b, _ := w.start()
	gp, karena := demo.GP(), demo.Karena()
	ask := search("Condition", karena)
	for _, g := range []*gateway{a, b, a, b} {
		w.wantEvent(g.ask(gp, ask).wantStatus(t, http.StatusOK, "before"), audit.OutcomePermit, "ok-consent")
	}

	t.Run("page links work across instances", func(t *testing.T) {
		seen := map[string]bool{}
		first := a.ask(gp, search("Observation", karena, "_count", "10")).wantStatus(t, http.StatusOK, "first page")
		next := first.link(a, "next")
		for _, name := range first.entries() {
			seen[name] = true
		}
		if next == "" || strings.Contains(next, string(karena.PatientID)) || strings.Contains(next, karena.BSN) {
			t.Fatalf("the link to the next page is %q, want one that names nobody", next)
		}
		stranger := b.ask(demo.Pharmacist(), get(next)).wantStatus(t, http.StatusNotFound, "another caller's link")
		w.wantEvent(stranger, audit.OutcomeDeny, "cursor-invalid")
		b.ask(gp, get(next[:len(next)-4]+"AAAA")).wantStatus(t, http.StatusNotFound, "a damaged link")
		b.ask(gp, get(strings.Replace(next, "/Observation?", "/Condition?", 1))).wantStatus(t, http.StatusNotFound, "another type's link")
		g, other := b, a
		for next != "" {
			page := g.ask(gp, get(next)).wantStatus(t, http.StatusOK, "next page")
			w.wantEvent(page, audit.OutcomePermit, "ok-consent")
			for _, name := range page.entries() {
				if seen[name] {
					t.Errorf("%s is on two pages", name)
				}
				seen[name] = true
			}
			next = page.link(a, "next") + page.link(b, "next")
			if i := strings.LastIndex(next, "/fhir/demo/"); i > 0 {
				next = next[i:]
			}
			g, other = other, g
		}
		if len(seen) < 40 {
			t.Errorf("the pages have %d observations, want all 44", len(seen))
		}
	})
	t.Run("a page is decided anew", func(t *testing.T) {
		next := a.ask(gp, search("Observation", karena, "_count", "10")).wantStatus(t, http.StatusOK, "first page").link(a, "next")
		w.withdraw(file, karena, partyGP)
		w.wantEvent(b.ask(gp, get(next)).wantStatus(t, http.StatusForbidden, "withdrawn"), audit.OutcomeDeny, "consent-withdrawn")
		w.mustPut(permit(partyGP, "GGC002"), karena)
	})
	t.Run("withdrawn at one, withdrawn at both", func(t *testing.T) {
		block := w.source.Block()
		t.Cleanup(block.Release)
		inFlight := []<-chan reply{a.later(gp, ask), b.later(gp, ask)}
		for range inFlight {
			receive(t, block.Arrived, "the source to be asked")
		}
		w.withdraw(file, karena, partyGP)
		w.source.Intercept(nil)
		for _, g := range []*gateway{b, a} {
			w.wantEvent(g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "after"), audit.OutcomeDeny, "consent-withdrawn")
		}
		block.Release()
		for _, answered := range inFlight {
			r := receive(t, answered, "the answer").wantStatus(t, http.StatusForbidden, "in flight")
			w.wantEvent(r, audit.OutcomeDeny, "consent-withdrawn")
		}
	})
	t.Run("one archives, and the other takes over", func(t *testing.T) {
		a.stop()
		r := b.ask(demo.GP(), search("Condition", demo.Milan())).wantStatus(t, http.StatusOK, "alone")
		until(t, startWithin, "the other to archive", func() bool { return len(w.outbox()) == 0 })
		w.wantEvent(r, audit.OutcomePermit, "ok-consent")
		b.stop()
		if s := w.wantArchiveWhole(); int(s.Events) != len(w.events()) {
			t.Errorf("the archive has %d events, want all %d", s.Events, len(w.events()))
		}
	})
}

// TestOlderStanding: a standing older than one that an instance has seen means that data was lost: no decision uses it.
func TestOlderStanding(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, file := w.start()
	b, _ := w.start()
	gp, karena := demo.GP(), demo.Karena()
	ask := search("Condition", karena)
	key := w.store.Key(karena.Identifier())
	var name string
	for _, k := range w.redis.Client().Keys(t.Context(), "zs:{s*}:p:"+string(key)).Val() {
		name = k
	}
	before := w.redis.Client().HGetAll(t.Context(), name).Val()
	if len(before) != 3 {
		t.Fatalf("the standing has the fields %v", before)
	}
	w.withdraw(file, karena, partyGP)
	after := w.redis.Client().HGetAll(t.Context(), name).Val()
	for _, g := range []*gateway{a, b} {
		g.ask(gp, ask).wantStatus(t, http.StatusForbidden, "withdrawn")
	}
	w.redis.Do("hset", name, "gen", before["gen"], "at", before["at"], "val", before["val"])
	for _, g := range []*gateway{a, b} {
		g.ask(gp, ask).wantUnavailable(t, "an older standing")
	}
	w.redis.Do("hset", name, "gen", after["gen"], "at", after["at"], "val", before["val"])
	a.ask(gp, ask).wantUnavailable(t, "an older value under the new generation")
	w.redis.Do("hset", name, "gen", after["gen"], "at", after["at"], "val", after["val"])
	a.ask(gp, ask).wantStatus(t, http.StatusForbidden, "restored")
}
