package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestPromise2NoRecordNoByte: no byte is sent before its event is durable, and there is exactly one event for each request: under concurrent
// load, with the connections to Redis cut all the time, and with Redis killed in between.
func TestPromise2NoRecordNoByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := startRelay(t, w.redis.Address())
	w.redisAddress = r.address()
	g, _ := w.start()
	gp, ask := demo.GP(), search("Condition", demo.Karena())

	t.Run("nothing leaves while the event is on its way", func(t *testing.T) {
		g.ask(gp, ask).wantStatus(t, http.StatusOK, "warm up")
		w.source.Intercept(demo.EarlyHints("</Patient/" + marker + ">; rel=preload"))
		defer w.source.Intercept(nil)
		id := uuid()
		arrived, pass := make(chan struct{}), make(chan struct{})
		r.on(id, justBefore, 1, func() { close(arrived); <-pass })
		q := ask
		q.header = http.Header{"X-Request-Id": {id}}
		answered := g.later(gp, q)
		receive(t, arrived, "the commit")
		if n := len(w.eventsOf(id)); n != 0 {
			t.Errorf("got %d events before the commit, want none", n)
		}
		select {
		case got := <-answered:
			t.Errorf("answered %d before the event was on record", got.status)
		default:
		}
		close(pass)
		got := receive(t, answered, "the answer")
		if got.informational != 0 {
			t.Errorf("%d informational responses reached the caller", got.informational)
		}
		if got.status != http.StatusOK { // on a busy machine the commit may have been held for longer than the store has
			got.wantStatus(t, http.StatusServiceUnavailable, "a commit that was held").wantNothing(t, "held")
		}
	})
	t.Run("an event that cannot be recorded releases nothing", func(t *testing.T) {
		for name, q := range map[string]question{
			"a release": ask, "a denial": search("Condition", demo.Johanna()), "a read": get("/fhir/demo/Patient/" + string(demo.Karena().PatientID)),
			"bad input": get("/fhir/demo/Condition?nonsense=1"),
		} {
			id := uuid()
			q.header = http.Header{"X-Request-Id": {id}}
			r.on(id, cutBefore, 9, nil)
			g.ask(gp, q).wantUnavailable(t, name)
			r.on(id, 0, 0, nil)
			if n := len(w.eventsOf(id)); n != 0 {
				t.Errorf("%s: got %d events, want none", name, n)
			}
		}
	})
	t.Run("the event is on disk when the answer comes", func(t *testing.T) {
		for range 10 {
			got := g.ask(gp, ask).wantStatus(t, http.StatusOK, "request")
			if !w.onDisk(got.id) {
				t.Fatal("the answer came before its event was on disk")
			}
		}
	})
	t.Run("exactly one, whatever happens to the connections", func(t *testing.T) {
		l := startLoad(g, 8)
		for cut := 1; cut <= 12; cut++ {
			until(t, endWithin, "answers", func() bool { return l.answered() >= 25*cut })
			r.cutAll()
		}
		w.redis.Kill()
		until(t, endWithin, "refusals", func() bool { return l.answered() >= 25*13 })
		w.redis.Run()
		w.recovers(g, gp, ask)
		until(t, endWithin, "answers", func() bool { return l.answered() >= 25*18 })
		w.wantAllRecorded(l.end())
	})
	g.stop()
	sent := map[string]bool{}
	for _, e := range w.archived() {
		if sent[e.Request] && e.Kind == audit.KindAccess {
			t.Errorf("the request %s is in the archive twice", e.Request)
		}
		sent[e.Request] = true
	}
	w.wantArchiveWhole()
}

// onDisk reports whether a text is in Redis' append-only file, or in the archive.
func (w *world) onDisk(text string) bool {
	w.t.Helper()
	for _, pattern := range []string{filepath.Join(w.redis.Folder(), "appendonlydir", "*"), filepath.Join(w.folder, "archive", "*")} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				w.t.Fatal(err)
			}
			if strings.Contains(string(content), text) {
				return true
			}
		}
	}
	return false
}
