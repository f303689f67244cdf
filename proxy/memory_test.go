package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/proxy"
)

// TestSlowSendersOfOneAddressKeepNobodyOut: over a few HTTP/2 connections an unknown caller can start thousands of bodies and finish none.
// What they hold is limited per address, and is not taken from the budget for answers.
func TestSlowSendersOfOneAddressKeepNobodyOut(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.InFlight, p.Limits.Memory = 8, 2<<20 })
	w.story()
	const senders = 60 // of 56 KiB: more than all the memory
	statuses := make(chan int, senders)
	var ends []*io.PipeWriter
	for range senders {
		body, end := io.Pipe()
		ends = append(ends, end)
		r := httptest.NewRequest("POST", "http://gw.example/", body)
		r.RequestURI, r.ContentLength, r.RemoteAddr = "/fhir/demo/Observation/_search", 60<<10, "198.51.100.1:1"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		go func() {
			rec := httptest.NewRecorder()
			w.gate.ServeHTTP(rec, r)
			statuses <- rec.Code
		}()
		if _, err := io.WriteString(end, strings.Repeat("x", 56<<10)); err != nil { // returns once it was read or rejected
			t.Fatal(err)
		}
	}
	if got := w.get("gp", searchA); got.status != 200 {
		t.Errorf("a search: got %d %s", got.status, got.body)
	}
	if got := w.send("gp", "POST", "/fhir/demo/Observation/_search", "application/x-www-form-urlencoded", "patient=A"); got.status != 200 {
		t.Errorf("a search with a body from elsewhere: got %d %s", got.status, got.body)
	}
	count := map[int]int{}
	for _, end := range ends {
		end.CloseWithError(io.ErrUnexpectedEOF)
		count[<-statuses]++
	}
	if count[503] == 0 || count[400] == 0 {
		t.Errorf("got %v, want some that were received and some that were not", count)
	}
	r := httptest.NewRequest("POST", "http://gw.example/", strings.NewReader("patient=A"))
	r.RequestURI, r.RemoteAddr = "/fhir/demo/Observation/_search", "198.51.100.1:1"
	r.Header = http.Header{"Authorization": {"Bearer gp"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	rec := httptest.NewRecorder()
	if w.gate.ServeHTTP(rec, r); rec.Code != 200 {
		t.Errorf("from the same address, after all of them ended: got %d %s", rec.Code, rec.Body)
	}
}

// stuck is a caller who does not read the answer.
type stuck struct {
	http.ResponseWriter
	began chan<- int // the status
	goOn  <-chan struct{}
	code  int
}

func (s *stuck) WriteHeader(code int) { s.code = code }

func (s *stuck) Write(b []byte) (int, error) {
	s.began <- s.code
	<-s.goOn
	return len(b), nil
}

// TestSlowReadersKeepNobodyElseOut: an answer that is not read keeps its memory. One caller never gets all of it, so others are served.
func TestSlowReadersKeepNobodyElseOut(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.ResponseBody, p.Limits.Memory = 16<<10, 256<<10 })
	w.story()
	began, goOn, ended := make(chan int), make(chan struct{}), make(chan struct{})
	readers := 0
	for status := 200; status == 200 && readers < 200; readers++ {
		r := httptest.NewRequest("GET", "http://gw.example/", http.NoBody)
		r.RequestURI = searchA
		r.Header.Set("Authorization", "Bearer gp")
		go func() {
			w.gate.ServeHTTP(&stuck{ResponseWriter: httptest.NewRecorder(), began: began, goOn: goOn}, r)
			ended <- struct{}{}
		}()
		status = <-began
		if status != 200 && status != 503 {
			t.Fatalf("got %d", status)
		}
	}
	if readers < 3 || readers == 200 {
		t.Errorf("%d readers, want some to be served and one to be turned away", readers)
	}
	if got := w.get("patient-a", searchA); got.status != 200 {
		t.Errorf("somebody else: got %d %s", got.status, got.body)
	}
	close(goOn)
	for range readers {
		<-ended
	}
	if got := w.get("gp", searchA); got.status != 200 {
		t.Errorf("after all of it was read: got %d %s", got.status, got.body)
	}
}

// TestASourceThatIsStuckLeavesRoom: while a source does not answer, requests to it do not take all places: other sources are asked, and patients
// reach what is the gateway's own.
func TestASourceThatIsStuckLeavesRoom(t *testing.T) {
	other := newFakeSource(t)
	w := newWorld(t, func(p *proxy.Parts) {
		p.Limits.InFlight = 8
		second := *p.Sources[0]
		second.ID, second.Base = "other", other.base()
		reader, err := fhir.NewReader(fhir.ReaderOptions{
			Version: fhir.R4, Base: other.base(), PersonSystems: second.PersonSystems, Classifier: second.Classifier,
		})
		if err != nil {
			t.Fatal(err)
		}
		second.Reader = reader
		p.Sources = append(p.Sources, &second)
	})
	w.story()
	block, inside, answered := make(chan struct{}), make(chan struct{}), make(chan reply, 8)
	hang := func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/Observation") {
			inside <- struct{}{}
			<-block
		}
		return false
	}
	stuck := 0
	fill := func(search string, room int) {
		t.Helper()
		waiting := 0
		for range 8 {
			go func() { answered <- w.get("gp", search) }()
			select {
			case <-inside:
				waiting++
			case got := <-answered:
				if got.status != 503 || got.header.Get("Retry-After") == "" {
					t.Errorf("got %d, want 503 at once", got.status)
				}
			}
		}
		if stuck += waiting; waiting != room {
			t.Errorf("%d requests wait for the source, want %d", waiting, room)
		}
	}
	w.source.intercept = hang
	fill(searchA, 6)
	elsewhere := strings.Replace(searchA, "/demo/", "/other/", 1)
	if got := w.get("gp", elsewhere); got.status != 200 {
		t.Errorf("another source: got %d %s", got.status, got.body)
	}
	other.intercept = hang
	fill(elsewhere, 1)
	if got := w.get("patient-a", "/gateway/AuditEvent"); got.status != 200 {
		t.Errorf("what is the gateway's own: got %d", got.status)
	}
	close(block)
	for range stuck {
		if got := <-answered; got.status != 200 {
			t.Errorf("a request that waited: got %d", got.status)
		}
	}
	w.source.intercept = nil
	if got := w.get("gp", searchA); got.status != 200 {
		t.Errorf("afterwards: got %d", got.status)
	}
}

// TestAGetHasNoBody: over HTTP/2 a GET can have a body of unknown length, which no header shows. A recorded answer would wait for its end.
func TestAGetHasNoBody(t *testing.T) {
	w := newWorld(t)
	w.story()
	for _, target := range []string{searchA, "/gateway/AuditEvent"} {
		r := httptest.NewRequest("GET", "http://gw.example/", strings.NewReader("x"))
		r.RequestURI, r.ContentLength = target, -1
		r.Header.Set("Authorization", "Bearer patient-a")
		rec := httptest.NewRecorder()
		if w.gate.ServeHTTP(rec, r); rec.Code != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", target, rec.Code)
		}
	}
}
