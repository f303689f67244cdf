package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// recovers waits until the gateway serves again, and then checks the events.
func (w *world) recovers(g *gateway, by demo.Caller, q question) {
	w.t.Helper()
	until(w.t, startWithin, "the gateway to recover", func() bool {
		r := g.ask(by, q)
		return r.status == http.StatusOK
	})
}

// TestRedisKilled: Redis is killed in each step of a request. Each time the answer is 503 with Retry-After within a second, nothing is released,
// there is at most one event, and all is well again when Redis is back.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := startRelay(t, w.redis.Address())
	w.redisAddress = r.address()
	g, _ := w.start()
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "before")

	back := func() {
		w.redis.Run()
		w.recovers(g, gp, ask)
	}
	t.Run("before the standing is read", func(t *testing.T) {
		w.redis.Kill()
		for name, q := range map[string]question{
			"search": ask, "read": get("/fhir/demo/Patient/" + string(demo.Karena().PatientID)), "unknown path": get("/nothing"),
			"malformed": get("/fhir/demo/Condition?nonsense=1"), "break-glass": declare(demo.Karena()),
		} {
			g.ask(gp, q).wantUnavailable(t, name)
		}
		g.ask(demo.Caller{}, ask).wantUnavailable(t, "a caller without a token")
		g.ask(demo.Patient("patient", demo.Karena()), get("/gateway/AuditEvent")).wantUnavailable(t, "access events")
		if status, _ := g.readiness(); status != http.StatusServiceUnavailable {
			t.Errorf("readiness is %d, want 503", status)
		}
		back()
	})
	t.Run("between the standing and the commit", func(t *testing.T) {
		block := w.source.Block()
		t.Cleanup(block.Release)
		answered := g.later(gp, ask)
		receive(t, block.Arrived, "the source to be asked")
		w.redis.Kill()
		block.Release()
		got := receive(t, answered, "the answer")
		got.took = 0 // the source was slow
		got.wantUnavailable(t, "between")
		w.source.Intercept(nil)
		back()
		if n := len(w.eventsOf(got.id)); n != 0 {
			t.Errorf("got %d events, want none: nothing was recorded", n)
		}
	})
	steps := []struct {
		name   string
		fate   fate
		times  int
		kill   bool
		status int
		least  int // events
	}{
		{"the commit does not arrive once", cutBefore, 1, false, http.StatusOK, 1},
		{"the commit never arrives", cutBefore, 9, false, http.StatusServiceUnavailable, 0},
		{"Redis dies before the commit arrives", justBefore, 1, true, http.StatusServiceUnavailable, 0},
		{"the reply to the commit is lost once", cutAfter, 1, false, http.StatusOK, 1},
		{"every reply to the commit is lost", cutAfter, 9, false, http.StatusServiceUnavailable, 1},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			id := uuid()
			q := ask
			q.header = http.Header{"X-Request-Id": {id}}
			var act func()
			if tt.kill {
				act = w.redis.Kill
			}
			r.on(id, tt.fate, tt.times, act)
			got := g.ask(gp, q)
			until(t, endWithin, "the commit to meet its fate", func() bool { return r.interfered() > 0 }) // the answer can be earlier than the end of Redis
			r.on(id, 0, 0, nil)
			if got.status != tt.status {
				t.Fatalf("got status %d, want %d", got.status, tt.status)
			}
			if tt.status != http.StatusOK {
				got.wantUnavailable(t, tt.name)
			}
			if tt.kill {
				back()
			}
			if n := len(w.eventsOf(id)); n < tt.least || n > 1 {
				t.Errorf("got %d events, want %d to 1", n, tt.least)
			}
			w.recovers(g, gp, ask)
		})
	}
	t.Run("after the commit", func(t *testing.T) {
		got := g.ask(gp, ask).wantStatus(t, http.StatusOK, "committed")
		w.redis.Kill()
		back()
		w.wantEvent(got, audit.OutcomePermit, "ok-consent")
	})
	t.Run("Redis hangs", func(t *testing.T) {
		w.redis.Freeze()
		got := g.ask(gp, ask)
		w.redis.Thaw()
		got.wantUnavailable(t, "hangs")
		w.recovers(g, gp, ask)
		if n := len(w.eventsOf(got.id)); n > 1 {
			t.Errorf("got %d events, want at most 1", n)
		}
	})
	g.stop()
	w.wantArchiveWhole()
}

// TestRedisRefusesWrites: if an event cannot be written, nothing is released, whatever the reason, and readiness says so; the gateway recovers
// when Redis does.
func TestRedisRefusesWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	condition := g.ask(gp, ask).wantStatus(t, http.StatusOK, "before").entries()[0]
	dump := filepath.Join(w.redis.Folder(), "dump.rdb")
	tests := []struct {
		name       string
		ail, heals func()
	}{
		{"memory is full", func() { w.redis.Do("config", "set", "maxmemory", "1mb") },
			func() { w.redis.Do("config", "set", "maxmemory", "256mb") }},
		{"snapshots fail (MISCONF)", func() {
			if err := os.Mkdir(dump, 0o700); err != nil {
				t.Fatal(err)
			}
			w.redis.Do("config", "set", "save", "3600 1")
			w.redis.Do("bgsave")
			until(t, startWithin, "the snapshot to fail", func() bool {
				return w.redis.Client().Info(t.Context(), "persistence").Val() != "" &&
					w.redis.Client().Set(t.Context(), "probe", "1", 0).Err() != nil
			})
		}, func() {
			os.Remove(dump)
			w.redis.Do("config", "set", "save", "")
		}},
		{"it became a replica (READONLY)", func() { w.redis.Do("replicaof", "127.0.0.1", "1") },
			func() { w.redis.Do("replicaof", "no", "one") }},
		{"too few replicas (NOREPLICAS)", func() { w.redis.Do("config", "set", "min-replicas-to-write", "1") },
			func() { w.redis.Do("config", "set", "min-replicas-to-write", "0") }},
		{"its user may no longer write (NOPERM)", func() { w.redis.Do("acl", "setuser", "default", "-@write") },
			func() { w.redis.Do("acl", "setuser", "default", "+@all") }},
		{"another script does not end (BUSY)", func() {
			w.redis.Do("config", "set", "busy-reply-threshold", "1")
			go w.redis.Client().Eval(t.Context(), "while true do end", nil)
			until(t, startWithin, "the script to run", func() bool { return w.redis.Client().Ping(t.Context()).Err() != nil })
		}, func() { w.redis.Do("script", "kill") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.ail()
			for name, q := range map[string]question{"search": ask, "read": get("/fhir/demo/" + condition), "denied": search("Condition", demo.Johanna())} {
				r := g.ask(gp, q)
				r.wantUnavailable(t, name)
				defer func() {
					if n := len(w.eventsOf(r.id)); n != 0 {
						t.Errorf("%s: got %d events, want none", name, n)
					}
				}()
			}
			wantReady := func(want int) {
				t.Helper()
				until(t, startWithin, fmt.Sprintf("readiness %d", want), func() bool {
					status, _ := g.readiness()
					return status == want
				})
			}
			wantReady(http.StatusServiceUnavailable)
			tt.heals()
			w.recovers(g, gp, ask)
			wantReady(http.StatusOK)
		})
	}
	t.Run("its scripts are gone", func(t *testing.T) {
		w.redis.Do("script", "flush")
		r := g.ask(gp, ask).wantStatus(t, http.StatusOK, "flushed")
		w.wantEvent(r, audit.OutcomePermit, "ok-consent")
	})
}
