package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"zorgsluis/proxy"
)

// TestBodiesThatDoNotEndKeepNobodyOut: slow senders take none of the in-flight places, however many there are.
func TestBodiesThatDoNotEndKeepNobodyOut(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Limits.InFlight = 1 })
	w.story()
	type sender struct {
		end    *io.PipeWriter
		status chan int
	}
	var senders []sender
	for range 5 {
		body, end := io.Pipe()
		s := sender{end, make(chan int)}
		go func() {
			r := httptest.NewRequest("POST", "http://gw.example/", body)
			r.RequestURI, r.ContentLength = "/fhir/demo/Observation/_search", 4000
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", "Bearer gp")
			rec := httptest.NewRecorder()
			w.gate.ServeHTTP(rec, r)
			s.status <- rec.Code
		}()
		if _, err := io.WriteString(end, "patient=A&code=718-7"); err != nil { // returns once it was read
			t.Fatal(err)
		}
		senders = append(senders, s)
	}
	if got := w.get("gp", searchA); got.status != 200 {
		t.Errorf("got %d %s, want 200", got.status, got.body)
	}
	for n, s := range senders {
		end, want := io.ErrUnexpectedEOF, 400
		if n == 0 {
			end, want = io.EOF, 200 // the body was complete
		}
		s.end.CloseWithError(end)
		if got := <-s.status; got != want {
			t.Errorf("a body that ends with %v: got %d, want %d", end, got, want)
		}
	}
}

// TestABodyIsOfOneKind: if a header that says how to read the body occurs twice, a proxy in front may have read it in another way.
func TestABodyIsOfOneKind(t *testing.T) {
	w := newWorld(t)
	w.story()
	for name, values := range map[string][]string{
		"Content-Type": {"application/x-www-form-urlencoded", "text/plain"}, "Content-Encoding": {"identity", "gzip"},
	} {
		r := httptest.NewRequest("POST", "http://gw.example/", strings.NewReader("patient=A"))
		r.RequestURI = "/fhir/demo/Observation/_search"
		r.Header = http.Header{"Authorization": {"Bearer gp"}, "Content-Type": {"application/x-www-form-urlencoded"}}
		r.Header[name] = values
		rec := httptest.NewRecorder()
		if w.gate.ServeHTTP(rec, r); rec.Code != http.StatusUnsupportedMediaType {
			t.Errorf("%s twice: got %d, want 415", name, rec.Code)
		}
	}
}
