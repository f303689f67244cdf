package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/proxy"
)

// TestNoRecordNoByte is promise 2: if the event cannot be recorded, nothing of the source leaves, whatever the source returned.
func TestNoRecordNoByte(t *testing.T) {
	for _, target := range []string{searchA, "/fhir/demo/Observation/lab-A", "/fhir/demo/Patient/A", "/fhir/demo/Observation/nothing", "/gateway/AuditEvent"} {
		t.Run(target, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			w.store.onCommit = func(audit.Release) error { return audit.ErrUnavailable }
			caller := "gp"
			if target == "/gateway/AuditEvent" {
				caller = "patient-a"
			}
			got := w.get(caller, target)
			if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" || got.issue() != "transient" {
				t.Errorf("got %d %s", got.status, got.body)
			}
			if strings.Contains(got.body, "lab-A") || strings.Contains(got.body, canary) {
				t.Errorf("a byte left without a record: %s", got.body)
			}
		})
	}
}

// TestTheEventComesFirst is promise 2: when the event is committed, no byte has been written.
func TestTheEventComesFirst(t *testing.T) {
	w := newWorld(t)
	w.story()
	rec := &firstByte{}
	w.store.onCommit = func(audit.Release) error {
		if rec.written {
			t.Error("a byte was written before the event was committed")
		}
		return nil
	}
	r, _ := http.NewRequest("GET", "http://gw.example/fhir/demo/Observation/lab-A", nil)
	r.RequestURI = "/fhir/demo/Observation/lab-A"
	r.Header.Set("Authorization", "Bearer gp")
	w.gate.ServeHTTP(rec, r)
	if !rec.written || w.store.count() != 1 {
		t.Errorf("written %v, %d events", rec.written, w.store.count())
	}
}

type firstByte struct {
	header  http.Header
	written bool
}

func (f *firstByte) Header() http.Header {
	if f.header == nil {
		f.header = http.Header{}
	}
	return f.header
}
func (f *firstByte) Write(b []byte) (int, error) { f.written = true; return len(b), nil }
func (f *firstByte) WriteHeader(int)             { f.written = true }

// TestStoreAway is promise 7 for reading the standing.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.store.onRead = func() error { return audit.ErrUnavailable }
	got := w.get("gp", searchA)
	if got.status != 503 || len(w.source.requests()) != 0 || w.store.count() != 0 {
		t.Errorf("got %d, source asked %v, %d events", got.status, w.source.requests(), w.store.count())
	}
}

// TestASlowStore is promise 7: whoever waited long for the standing has only the rest of a second for the event, of a release and of a refusal.
func TestASlowStore(t *testing.T) {
	for _, by := range []string{"gp", "pharmacist"} {
		w := newWorld(t)
		w.story()
		w.get(by, searchA)
		if w.store.bounded && time.Until(w.store.deadline) < 500*time.Millisecond {
			t.Errorf("%s: a store that answers at once has until %v for the event", by, w.store.deadline)
		}
		w.store.onRead = func() error { w.clock = w.clock.Add(700 * time.Millisecond); return nil }
		got := w.get(by, searchA)
		if left := time.Until(w.store.deadline); !w.store.bounded || left > 300*time.Millisecond {
			t.Errorf("%s: got %d, and %v was left for the event, want at most 300 ms", by, got.status, left)
		}
	}
}

// TestWithdrawnInFlight is promise 3: a withdrawal acknowledged while the source answers is honoured.
func TestWithdrawnInFlight(t *testing.T) {
	for _, target := range []string{searchA, "/fhir/demo/Observation/lab-A", "/fhir/demo/Patient/A"} {
		t.Run(target, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			once := false
			w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if !once && !strings.HasSuffix(r.URL.Path, "_search") {
					once = true
					w.store.withdrawAll(bsnA)
				}
				return false
			}
			got := w.get("gp", target)
			if got.status == 200 || strings.Contains(got.body, "lab-A") {
				t.Fatalf("released after the withdrawal: %d %s", got.status, got.body)
			}
			if e := w.store.last(t); w.store.count() != 1 || e.Outcome != audit.OutcomeDeny || e.Reason != "consent-withdrawn" {
				t.Errorf("%d events, the last %s %s", w.store.count(), e.Outcome, e.Reason)
			}
		})
	}
}

// TestTheStandingNeverSettles: a standing that keeps changing ends in a refusal, not in a release.
func TestTheStandingNeverSettles(t *testing.T) {
	w := newWorld(t)
	w.story()
	commits := 0
	w.store.onCommit = func(audit.Release) error { commits++; return audit.ErrMoved }
	got := w.get("gp", searchA)
	if got.status != 503 || commits != 3 {
		t.Errorf("got %d after %d commits, want 503 after 3", got.status, commits)
	}
}

// TestALateFirstByteIsCommittedAgain is promise 3: the first byte follows the commit within a second, or the commit is repeated and checks
// the generation again.
func TestALateFirstByteIsCommittedAgain(t *testing.T) {
	w := newWorld(t)
	w.story()
	commits := 0
	w.store.onCommit = func(r audit.Release) error {
		if commits++; commits == 1 {
			w.clock = w.clock.Add(1500 * time.Millisecond) // the store answers late
		}
		return nil
	}
	if got := w.get("gp", searchA); got.status != 200 || commits != 2 || w.store.count() != 1 {
		t.Errorf("got %d after %d commits and %d events, want 200, 2, 1", got.status, commits, w.store.count())
	}

	commits = 0
	w.store.onCommit = func(r audit.Release) error {
		if commits++; commits == 1 {
			w.clock = w.clock.Add(1500 * time.Millisecond)
		} else {
			w.store.withdrawAll(bsnA)
		}
		return nil
	}
	if got := w.get("gp", searchA); got.status != 503 || strings.Contains(got.body, "lab-A") {
		t.Errorf("released although the repeated commit failed: %d %s", got.status, got.body)
	}
}

// TestTheTokenEndsInFlight is TK-19.
func TestTheTokenEndsInFlight(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.clock = epoch.Add(time.Hour - time.Second)
	w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		w.clock = epoch.Add(time.Hour + time.Second)
		return false
	}
	if got := w.get("gp", searchA); got.status != 401 || strings.Contains(got.body, "lab-A") {
		t.Errorf("released after the token ended: %d %s", got.status, got.body)
	}
}

// TestMisbehavingSources is promises 6 and 7 for answers: nothing leaves of an answer that is not what was asked for.
func TestMisbehavingSources(t *testing.T) {
	answer := func(contentType, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			io.WriteString(w, body)
		}
	}
	status := func(code int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			w.Header().Set("Location", "http://evil.example/"+canary)
			w.Header().Set("WWW-Authenticate", canary)
			w.WriteHeader(code)
			io.WriteString(w, `{"resourceType":"Patient","id":"A","x":"`+canary+`"}`)
		}
	}
	labA := fixtures()["Observation/lab-A"]
	tests := []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		status int
	}{
		{"RD-6 gone", status(410), 404},
		{"RD-7 another id", answer("application/fhir+json", strings.Replace(labA, `"id":"lab-A"`, `"id":"lab-X"`, 1)), 502},
		{"RD-7 another type", answer("application/fhir+json", fixtures()["Patient/A"]), 502},
		{"MT-10 a redirect", status(302), 502},
		{"AS-1 accepted for later", status(202), 502},
		{"MT-9 partial content", status(206), 502},
		{"HD-5 the source does not know us", status(401), 502},
		{"MT-11 an error with a resource", status(500), 502},
		{"MT-3 another media type", answer("text/html", labA), 502},
		{"MT-2 another FHIR version", answer("application/fhir+json; fhirVersion=3.0", labA), 502},
		{"MT-3 another charset", answer("application/fhir+json; charset=utf-16", labA), 502},
		{"JS-1 a duplicate member", answer("application/fhir+json", strings.Replace(labA, `"subject"`, `"subject":{"reference":"Patient/B"},"subject"`, 1)), 502},
		{"JS-7 something after the end", answer("application/fhir+json", labA+"{}"), 502},
		{"JS-12 nothing", answer("application/fhir+json", ""), 502},
		{"OP-6 no resource", answer("application/fhir+json", `{"data":{"name":"`+canary+`"}}`), 502},
		{"OP-19 Parameters", answer("application/fhir+json", `{"resourceType":"Parameters","parameter":[{"name":"`+canary+`"}]}`), 502},
		{"JS-22 too much", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			for range 40 {
				io.WriteString(w, strings.Repeat(" ", 64<<10))
			}
		}, 502},
		{"JS-23 cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			w.Header().Set("Content-Length", fmt.Sprint(len(labA)))
			io.WriteString(w, labA[:len(labA)/2])
			panic(http.ErrAbortHandler)
		}, 502},
		{"MT-5 compressed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, labA)
		}, 502},
		{"HD-7 early hints and trailers are dropped", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", canary)
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Trailer", "X-Late")
			w.Header().Set("Content-Type", "application/fhir+json")
			io.WriteString(w, labA)
			w.Header().Set("X-Late", canary)
		}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/Patient") {
					return false
				}
				tt.answer(rw, r)
				return true
			}
			got := w.get("gp", "/fhir/demo/Observation/lab-A")
			if got.status != tt.status || w.store.count() != 1 {
				t.Errorf("got %d and %d events, want %d and one\n%s", got.status, w.store.count(), tt.status, got.body)
			}
			var head strings.Builder
			_ = got.header.Write(&head)
			if strings.Contains(got.body+head.String(), canary) || got.status != 200 && strings.Contains(got.body, "lab-A") {
				t.Errorf("something of it left: %s %s", head.String(), got.body)
			}
		})
	}
}

// TestASlowSource is promise 7: 504 in bounded time, whether our deadline or one of the transport's comes first.
func TestASlowSource(t *testing.T) {
	for name, change := range map[string]func(*proxy.Parts){
		"our deadline": func(p *proxy.Parts) { p.Sources[0].Timeout = 50 * time.Millisecond },
		"the transport's": func(p *proxy.Parts) {
			p.Sources[0].Timeout = 10 * time.Second
			p.Sources[0].Transport = &http.Transport{ResponseHeaderTimeout: 50 * time.Millisecond, DisableCompression: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			block := make(chan struct{})
			w := newWorld(t, change)
			t.Cleanup(func() { close(block) })
			w.story()
			w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/Observation") {
					<-block
				}
				return false
			}
			got := w.get("gp", searchA)
			if got.status != http.StatusGatewayTimeout || w.store.last(t).Reason != "source-timeout" {
				t.Errorf("got %d %s", got.status, w.store.last(t).Reason)
			}
		})
	}
}

// TestACallerWhoHangsUp: a request cancelled by its caller is recorded as that, not as a failure of the source or the store.
func TestACallerWhoHangsUp(t *testing.T) {
	for name, leaves := range map[string]func(w *world, ctx context.Context, leave func()){
		"while the source answers": func(w *world, _ context.Context, leave func()) {
			w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "/Observation") {
					leave()
					<-r.Context().Done()
				}
				return false
			}
		},
		"while the standing is read": func(w *world, ctx context.Context, leave func()) {
			w.store.onRead = func() error {
				leave()
				return fmt.Errorf("%w: %w", audit.ErrUnavailable, ctx.Err())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			ctx, leave := context.WithCancel(t.Context())
			leaves(w, ctx, leave)
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://gw.example/", nil)
			r.RequestURI = searchA
			r.Header.Set("Authorization", "Bearer gp")
			w.gate.ServeHTTP(httptest.NewRecorder(), r)
			if e := w.store.last(t); e.Reason != "caller-gone" || e.Outcome != audit.OutcomeError || len(e.Disclosed) != 0 {
				t.Errorf("got %s %s, %v disclosed, want an error that says that the caller hung up", e.Outcome, e.Reason, e.Disclosed)
			}
			if got := w.seen[len(w.seen)-1].Status; got != 499 {
				t.Errorf("got status %d, want 499", got)
			}
		})
	}
}

// TestManySlowPages is promise 7 for an exchange of many steps, each of which is quick enough by itself.
func TestManySlowPages(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.Request = 5 * time.Second })
	w.story()
	pages := 0
	w.source.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/Observation") {
			return false
		}
		w.clock = w.clock.Add(2 * time.Second)
		pages++
		rw.Header().Set("Content-Type", "application/fhir+json")
		fmt.Fprintf(rw, `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"%s/Observation?page=%d"}]}`, w.source.base(), pages)
		return true
	}
	got := w.get("gp", searchA)
	if got.status != http.StatusGatewayTimeout || w.store.last(t).Reason != "source-timeout" || pages != 3 {
		t.Errorf("got %d %s after %d pages, want 504 after three", got.status, w.store.last(t).Reason, pages)
	}
}

// TestAPanicIsRecorded: the outermost recover answers 500, records it, and reveals nothing of the value.
func TestAPanicIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.store.onRead = func() error { panic(errors.New(canary)) }
	got := w.get("gp", searchA)
	if got.status != 500 || got.issue() != "exception" || w.store.last(t).Reason != "panic" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	w.checkNothingLeaks(got, "")
}

// TestUnknownCallersAreCounted is promise 2: single events up to a rate per address, then one event with a count.
func TestUnknownCallersAreCounted(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		if got := w.get("forged", searchA); got.status != 401 {
			t.Fatalf("got %d", got.status)
		}
	}
	if n := w.store.count(); n != 3 {
		t.Fatalf("%d events, want 3 single ones", n)
	}
	w.clock = w.clock.Add(2 * time.Minute)
	w.get("forged", searchA)
	var counted int
	for _, e := range w.store.events {
		counted += e.Count
	}
	if w.store.count() != 5 || counted != 7 {
		t.Errorf("%d events counting %d, want 5 counting 7", w.store.count(), counted)
	}
}

// TestOneHostHasManyAddresses: all addresses of one IPv6 network count as one, and those of another do not.
func TestOneHostHasManyAddresses(t *testing.T) {
	n := 0
	w := newWorld(t, func(p *proxy.Parts) {
		p.Address = func(*http.Request) string { n++; return fmt.Sprintf("2001:db8::%x", n) }
	})
	for range 10 {
		w.get("forged", searchA)
	}
	if n := w.store.count(); n != 3 {
		t.Errorf("%d events, want 3 single ones", n)
	}
	w = newWorld(t, func(p *proxy.Parts) {
		p.Address = func(*http.Request) string { n++; return fmt.Sprintf("2001:db8:0:%x::1", n&0xff) }
	})
	for range 10 {
		w.get("forged", searchA)
	}
	if n := w.store.count(); n != 10 {
		t.Errorf("%d events, want one of each network", n)
	}
}

// TestLookupsAreLimited: a caller cannot enumerate numbers (OR-12).
func TestLookupsAreLimited(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.Lookups = 2 })
	w.story()
	for i, want := range []int{403, 403, 429} {
		target := fmt.Sprintf("/fhir/demo/Observation?patient=nobody%d", i)
		if got := w.get("gp", target); got.status != want {
			t.Errorf("lookup %d: got %d, want %d", i, got.status, want)
		}
	}
}

// TestTheLimitOfLookupsIsNoOracle: withheld and absent reads use the same allowance, and permitted ones none.
func TestTheLimitOfLookupsIsNoOracle(t *testing.T) {
	for name, target := range map[string]string{"absent": "/fhir/demo/Observation/nothing", "hidden": "/fhir/demo/Observation/lab-B"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) { p.Limits.Lookups = 3 })
			w.story()
			for i, want := range []int{404, 200, 404, 200, 404, 429} {
				ask := target
				if want == 200 {
					ask = "/fhir/demo/Observation/lab-A"
				}
				if got := w.get("gp", ask); got.status != want {
					t.Errorf("request %d: got %d, want %d", i+1, got.status, want)
				}
			}
		})
	}
}

// TestTheLimitOfLookupsTellsNothingOfOthers: naming a patient uses the same allowance whether or not the gate has just learned who that is,
// from another caller's request or from a withheld resource that this caller tried to read.
func TestTheLimitOfLookupsTellsNothingOfOthers(t *testing.T) {
	for name, before := range map[string]func(*world){
		"nobody was here":                 func(*world) {},
		"another caller named the person": func(w *world) { w.get("gp2", "/fhir/demo/Observation?patient=B") },
		"another caller read a resource":  func(w *world) { w.get("gp2", "/fhir/demo/Observation/lab-B") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) { p.Limits.Lookups = 2 })
			w.story()
			before(w)
			for i, ask := range []struct {
				target string
				status int
			}{{"patient=B", 403}, {"patient=B", 403}, {"patient=nobody", 403}, {"patient=B", 403}, {"patient=nobody2", 429}, {"patient=nobody2", 429}} {
				if got := w.get("gp", "/fhir/demo/Observation?"+ask.target); got.status != ask.status {
					t.Errorf("request %d: got %d, want %d", i+1, got.status, ask.status)
				}
			}
		})
	}
}

// TestAskingAgainTellsNothing: a patient who is absent at the source is cached like one who is present, so that neither the lookup limit
// nor the requests to the source tell them apart.
func TestAskingAgainTellsNothing(t *testing.T) {
	for name, patient := range map[string]string{
		"denied by id": "patient=B", "absent by id": "patient=nobody",
		"denied by number": "patient.identifier=" + bsnSystem + "%7C" + bsnB, "absent by number": "patient.identifier=" + bsnSystem + "%7C999996538",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) { p.Limits.Lookups = 1 })
			for range 3 {
				if got := w.get("gp", "/fhir/demo/Observation?"+patient); got.status != 403 {
					t.Errorf("got %d, want 403", got.status)
				}
			}
			if asked := w.source.all(); len(asked) != 1 {
				t.Errorf("the source was asked %v, want one lookup", asked)
			}
			w.clock = w.clock.Add(time.Minute)
			w.get("gp", "/fhir/demo/Observation?"+patient)
			if asked := w.source.all(); len(asked) != 2 {
				t.Errorf("remembered for longer than a minute: %v", asked)
			}
		})
	}
}

// TestShedding: a gateway at its limit says so at once and records nothing.
func TestShedding(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.InFlight = 1 })
	w.story()
	block, inside := make(chan struct{}), make(chan struct{})
	w.source.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/Observation") {
			close(inside)
			<-block
		}
		return false
	}
	first := make(chan reply)
	go func() { first <- w.get("gp", searchA) }()
	<-inside
	if got := w.get("gp", "/fhir/demo/Patient/A"); got.status != 503 || w.store.count() != 0 {
		t.Errorf("got %d and %d events", got.status, w.store.count())
	}
	close(block)
	if got := <-first; got.status != 200 {
		t.Errorf("the request in flight got %d", got.status)
	}
}

// TestAbsentCostsWhatHiddenCosts: an absent resource causes as many requests to the store as a withheld one, and fails in the same way
// (RD-5).
func TestAbsentCostsWhatHiddenCosts(t *testing.T) {
	for _, target := range []string{"/fhir/demo/Observation/lab-B", "/fhir/demo/Observation/nothing"} {
		w := newWorld(t)
		w.story()
		reads := 0
		w.store.onRead = func() error { reads++; return nil }
		if got := w.get("gp", target); got.status != 404 || reads != 1 {
			t.Errorf("%s: got %d after %d reads of a standing, want 404 after one", target, got.status, reads)
		}
		w.store.onRead = func() error { return audit.ErrUnavailable }
		if got := w.get("gp", target); got.status != 503 {
			t.Errorf("%s with the store away: got %d, want 503", target, got.status)
		}
	}
}

// TestARefusedBodyIsReadToItsEnd: a caller who is still sending gets the answer, not a broken connection.
func TestARefusedBodyIsReadToItsEnd(t *testing.T) {
	w := newWorld(t)
	body := strings.NewReader(strings.Repeat("x", 1<<20))
	r, _ := http.NewRequest("POST", "http://gw.example/", io.NopCloser(body))
	r.RequestURI, r.ContentLength = "/fhir/demo/Observation/_search", 1<<20
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer gp")
	rec := &firstByte{}
	w.gate.ServeHTTP(rec, r)
	if !rec.written || body.Len() != 0 {
		t.Errorf("answered %v with %d bytes left to read", rec.written, body.Len())
	}
}
