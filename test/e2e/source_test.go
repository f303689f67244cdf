package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestSource: whatever a source does instead of answering in strict FHIR JSON, nothing of it is released, and it ends in bounded time.
func TestSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start("timeout: 8s", "timeout: 1s", "limits: {", "limits: { response_body: 256KiB, memory: 8MiB,")
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	gp, karena := demo.GP(), demo.Karena()
	condition := g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "warm up").entries()[0]
	json := "application/fhir+json"
	secret := `{"resourceType":"Condition","id":"` + marker + `"}`
	link := `<http://` + marker + `/Patient/` + karena.BSN + `>; rel=preload`
	stay := func(w http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
	drip := func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", json)
		for c := http.NewResponseController(w); r.Context().Err() == nil; {
			if _, err := io.WriteString(w, " "); err != nil || c.Flush() != nil {
				return true
			}
			select {
			case <-r.Context().Done():
			case <-time.After(50 * time.Millisecond): // a slow source, not a wait of the test
			}
		}
		return true
	}
	tests := []struct {
		name   string
		does   demo.Interceptor
		status int
		reason string
	}{
		{"hangs up", demo.HangUp(), 502, "source-unavailable"},
		{"says nothing", stay, 504, "source-timeout"},
		{"speaks too slowly", drip, 504, "source-timeout"},
		{"redirects", demo.Redirect(other.URL + "/" + marker), 502, "source-status"},
		{"answers 500 with data", demo.Answer(500, json, secret), 502, "source-status"},
		{"answers 401", demo.Answer(401, json, secret), 502, "source-status"},
		{"answers 206", demo.Answer(206, json, secret), 502, "source-status"},
		{"answers HTML", demo.Answer(200, "text/html", "<p>"+marker), 502, "source-media-type"},
		{"answers XML", demo.Answer(200, "application/fhir+xml", "<Bundle/>"), 502, "source-media-type"},
		{"answers in Latin-1", demo.Answer(200, json+"; charset=iso-8859-1", secret), 502, "source-media-type"},
		{"answers with something else", demo.Answer(200, json, secret), 502, "source-content"},
		{"answers with no JSON", demo.Answer(200, json, marker), 502, "source-content"},
		{"answers with nothing", demo.Answer(200, json, ""), 502, "source-content"},
		{"answers twice", demo.Answer(200, json, `{"resourceType":"Bundle","type":"searchset"}`+secret), 502, "source-content"},
		{"answers with a member twice", w.source.Edit(func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"resourceType":`, `"resourceType":"Bundle","resourceType":`, 1))
		}), 502, "source-content"},
		{"breaks off", w.source.Truncated(), 502, "source-unavailable"},
		{"answers too much", demo.Flood(300 << 10), 502, "source-too-large"},
	}
	for _, tt := range tests {
		for way, ask := range map[string]question{"search": search("Condition", karena), "read": get("/fhir/demo/" + condition)} {
			w.source.Intercept(demo.Only(func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "Patient") }, tt.does))
			r := g.ask(gp, ask).wantStatus(t, tt.status, way+", "+tt.name)
			r.wantNothing(t, tt.name)
			w.wantEvent(r, audit.OutcomeError, tt.reason)
			if r.took > time.Second+soon {
				t.Errorf("%s, %s: answered after %s, the source has a second", way, tt.name, r.took)
			}
			if code, _ := r.outcome(); tt.status == 504 && code != "timeout" {
				t.Errorf("%s: got issue code %s, want timeout", tt.name, code)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times, want not at all", n)
	}

	t.Run("what comes beside the answer stays behind", func(t *testing.T) {
		for name, does := range map[string]demo.Interceptor{
			"103 early hints": demo.EarlyHints(link), "a trailer": w.source.Trailer("X-Patient", marker),
			"a header": demo.Header("X-Patient", marker), "a cookie": demo.Header("Set-Cookie", "patient="+marker),
			"a location": demo.Header("Content-Location", w.source.URL()+"/Patient/"+marker),
		} {
			for _, by := range []demo.Caller{gp, demo.EmergencyDoctor()} {
				w.source.Intercept(does)
				r := g.ask(by, search("Condition", karena))
				if want := map[string]int{"gp": 200, "emergency-doctor": 403}[by.ClientID]; r.status != want {
					t.Errorf("%s, %s: got status %d, want %d", name, by.ClientID, r.status, want)
				}
				if r.informational > 0 || len(r.trailer) > 0 || strings.Contains(text(r.header), marker) || strings.Contains(r.body, marker) {
					t.Errorf("%s, %s: it reached the caller: %v %v %d", name, by.ClientID, r.header, r.trailer, r.informational)
				}
			}
		}
	})
	t.Run("a source that is gone", func(t *testing.T) {
		w.source.Close()
		r := g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusBadGateway, "gone")
		r.wantNothing(t, "gone")
		w.wantEvent(r, audit.OutcomeError, "source-unavailable")
		r = g.ask(demo.EmergencyDoctor(), search("Condition", karena)).wantStatus(t, http.StatusForbidden, "denied all the same")
		w.wantEvent(r, audit.OutcomeDeny, "no-consent")
	})
}

// TestOtherPatients: a source that returns the records of others, requested or not, changes nothing: they are not released.
func TestOtherPatients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	gp, karena, milan := demo.GP(), demo.Karena(), demo.Milan()
	milans := g.ask(gp, search("Condition", milan)).wantStatus(t, http.StatusOK, "Milan's").entries()
	karenas := g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "Karena's").entries()
	var foreign []demo.Resource
	for _, name := range append(milans, "Patient/"+string(milan.PatientID)) {
		foreign = append(foreign, w.source.Resource(name))
	}
	w.source.Intercept(w.source.ExtraEntries(foreign...))
	r := g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "with others")
	if got := r.entries(); text(got) != text(karenas) {
		t.Errorf("got %v, want %v", got, karenas)
	}
	if strings.Contains(r.body, string(milan.PatientID)) || strings.Contains(r.body, milan.BSN) {
		t.Error("another patient's record left")
	}
	if e := w.wantEvent(r, audit.OutcomePermit, "ok-consent"); len(e.Disclosed) != len(karenas) {
		t.Errorf("the event tells of %d resources, want %d", len(e.Disclosed), len(karenas))
	}
	// A read that is answered with another resource.
	w.source.Intercept(demo.Answer(200, "application/fhir+json", string(foreign[0])))
	g.ask(gp, get("/fhir/demo/"+karenas[0])).wantStatus(t, http.StatusBadGateway, "another resource")
}
