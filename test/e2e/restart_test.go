package e2e_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/internal/demo"
)

// load sends requests from several goroutines until told to stop, and keeps the result of each.
type load struct {
	inFlight int // concurrent requests
	stop     chan struct{}
	workers  sync.WaitGroup
	mu       sync.Mutex
	replies  []reply // status 0: no answer
}

// asked is a question and its caller.
type asked struct {
	by demo.Caller
	q  question
}

func startLoad(g *gateway, workers int) *load {
	return startLoadOf(workers, []asked{
		{demo.GP(), search("Condition", demo.Karena())},
		{demo.Pharmacist(), search("MedicationRequest", demo.Karena())},
		{demo.GP(), search("Condition", demo.Johanna())},
		{demo.GP(), get("/fhir/demo/Patient/" + string(demo.Milan().PatientID))},
		{demo.Insurer(), search("Condition", demo.Karena())},
		{demo.GP(), get("/fhir/demo/Condition?nonsense=1")},
	}, g)
}

// startLoadOf is startLoad for other questions, and several gateways.
func startLoadOf(workers int, asks []asked, gateways ...*gateway) *load {
	l := &load{inFlight: workers, stop: make(chan struct{})}
	for _, a := range asks {
		tokenOf(gateways[0].t, a.by)
	}
	for n := range workers {
		g := gateways[n%len(gateways)]
		l.workers.Go(func() {
			for i := n; ; i++ {
				select {
				case <-l.stop:
					return
				default:
				}
				a := asks[i%len(asks)]
				r, err := g.try(a.by, a.q)
				if err != nil {
					r.status = 0
				}
				l.mu.Lock()
				l.replies = append(l.replies, r)
				l.mu.Unlock()
			}
		})
	}
	return l
}

// answered returns the number of answers so far.
func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.replies {
		if r.status != 0 {
			n++
		}
	}
	return n
}

// end stops the load and returns the results.
func (l *load) end() []reply {
	close(l.stop)
	l.workers.Wait()
	return l.replies
}

// wantAllRecorded is promise 2 after the fact: every answer has exactly one event, or at most one if it was 503 or never came.
func (w *world) wantAllRecorded(replies []reply) {
	w.t.Helper()
	events := w.perRequest()
	counts := map[int]int{}
	for _, r := range replies {
		counts[r.status]++
		n := events[r.id]
		switch {
		case r.status == 0 || r.status == http.StatusServiceUnavailable:
			if n > 1 {
				w.t.Errorf("a request with status %d has %d events, want at most 1: %v", r.status, n, w.told(r.id))
			}
		case n != 1:
			w.t.Errorf("a request with status %d has %d events, want exactly 1: %v", r.status, n, w.told(r.id))
		}
	}
	if counts[http.StatusOK] == 0 {
		w.t.Errorf("got statuses %v: nothing was permitted, so nothing was shown", counts)
	}
	w.t.Logf("statuses: %v", counts)
}

// TestKilled: the gateway, its Redis, or both are killed (kill -9) at random moments under load, and started again. Every answer that a caller
// got has its event, none is duplicated, no acknowledged withdrawal is lost, and the archive verifies each time.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start("folder: archive,", "folder: archive, rotate_size: 64KiB, checkpoint_events: 5,") // more files that can be cut short
	karena, withdrawn := demo.Karena(), 0
	var all []reply
	gateway := func() { g.kill() }
	for _, victims := range [][]func(){
		{gateway}, {w.redis.Kill}, {gateway, w.redis.Kill}, {w.redis.Kill, gateway}, {w.redis.Kill}, {gateway},
	} {
		l := startLoad(g, 6)
		s := w.startSwing(karena, l)
		want := 20 + rand.IntN(60)
		until(t, endWithin, fmt.Sprintf("%d answers", want), func() bool { return l.answered() >= want })
		for _, kill := range victims {
			kill()
		}
		w.redis.Run()
		s.end()
		all = append(all, l.end()...)
		w.wantArchiveWhole()
		g.kill()
		g = w.again(g, file)
		w.wantAllRecorded(all)
		w.wantWithdrawn(karena, s.withdrawn)
		withdrawn += len(s.withdrawn)
	}
	w.mustPut(permit(partyGP, "GGC002"), karena)
	g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "after all")
	w.wantNoReleaseWithdrawn(karena)
	g.stop()
	s := w.wantArchiveWhole()
	if n := len(w.events()); int(s.Events) != n || s.Unfinished != 0 {
		t.Errorf("the archive has %d events and %d bytes of another, want all %d", s.Events, s.Unfinished, n)
	}
	w.wantAllRecorded(all)
	if withdrawn == 0 {
		t.Error("no withdrawal was acknowledged: nothing was shown of them")
	}
}

// TestGracefulStop: a stop under load loses no request in flight: readiness fails first, while callers are still served; then every request that
// was begun is answered; then the outbox is archived.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start("lookups_per_minute: 100000", "lookups_per_minute: 100000, timeouts: { announce: 5s }", "timeout: 8s", "timeout: 20s")
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "warm up")
	if status, said := g.readiness(); status != http.StatusOK || said != "ready" {
		t.Fatalf("readiness is %d %s, want 200 ready", status, said)
	}
	l := startLoad(g, 4)
	until(t, endWithin, "load", func() bool { return l.answered() >= 20 })
	var inFlight []<-chan reply
	block := w.source.Block()
	t.Cleanup(block.Release)
	for range 5 {
		inFlight = append(inFlight, g.later(gp, ask))
	}
	for range 5 {
		receive(t, block.Arrived, "the source to be asked")
	}
	g.terminate()
	until(t, startWithin, "readiness to say that it stops", func() bool {
		_, said := g.readiness()
		return said == "draining"
	})
	served := g.ask(demo.Insurer(), ask).wantStatus(t, http.StatusForbidden, "after readiness failed")
	until(t, endWithin, "the gateway to take no more", func() bool {
		_, err := g.try(demo.Insurer(), ask)
		return err != nil
	})
	select {
	case <-g.done:
		t.Fatal("the gateway ended with requests in flight")
	default:
	}
	block.Release()
	all := append(l.end(), served)
	for _, answered := range inFlight {
		all = append(all, receive(t, answered, "the answer").wantStatus(t, http.StatusOK, "in flight at the stop"))
	}
	if code := g.ended(); code != 0 {
		t.Errorf("got exit code %d, want 0:\n%s", code, tail(g.out.String(), 2000))
	}
	for _, r := range all {
		if r.status == http.StatusServiceUnavailable {
			t.Error("a request got 503 because of the stop")
		}
	}
	w.wantAllRecorded(all)
	if n := len(w.outbox()); n != 0 {
		t.Errorf("%d events were left in the outbox, want none", n)
	}
	w.wantArchiveWhole()
}

// TestAStopDoesNotWaitForAReader: a caller who does not read the answer is cut off at the deadline of a stop; the archive is complete all the same.
func TestAStopDoesNotWaitForAReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demo.Resource(`{"resourceType":"Condition","id":"big","code":{"text":"`+strings.Repeat("x", 6<<20)+
		`"},"subject":{"reference":"Patient/`+string(demo.Karena().PatientID)+`"}}`))
	g, _ := w.start("lookups_per_minute: 100000", "lookups_per_minute: 100000, timeouts: { request: 10s, stop: 10s }")
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(endWithin))
	_ = conn.(*net.TCPConn).SetReadBuffer(4096) // with what the system buffers for the gateway, less than the answer
	fmt.Fprintf(conn, "GET /fhir/demo/Condition/big HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", tokenOf(t, demo.GP()))
	begin := make([]byte, 100)
	if _, err := io.ReadFull(conn, begin); err != nil || !strings.HasPrefix(string(begin), "HTTP/1.1 200 ") {
		t.Fatalf("got %q and error %v, want the beginning of the record", begin, err)
	}
	g.terminate()
	if code := g.ended(); code != 1 {
		t.Errorf("got exit code %d, want 1: somebody was cut off", code)
	}
	if log := g.out.String(); !strings.Contains(log, "requests were cut off") || strings.Contains(log, "archive shard") {
		t.Errorf("the gateway says at its end: %s", tail(log, 600))
	}
	if n := len(w.outbox()); n != 0 {
		t.Errorf("%d events were left in the outbox, want none", n)
	}
	w.wantArchiveWhole()
}
