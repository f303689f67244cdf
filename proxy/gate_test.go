package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// story puts the consents on file that most tests use: patient A lets general practitioners see everything, and pharmacies the medication.
func (w *world) story() {
	w.store.put(bsnA, permit("c1", "gp", "GGC002"))
	w.store.put(bsnA, permit("c2", "pharmacy", "GGC013"))
}

const searchA = "/fhir/demo/Observation?patient.identifier=" + bsnSystem + "%7C" + bsnA

func TestGate(t *testing.T) {
	tests := []struct {
		name    string
		caller  string
		method  string // GET when empty
		target  string
		form    string
		status  int
		issue   string
		entries []string
		asked   int // requests for data at the source, without patient lookups
		outcome audit.Outcome
		reason  policy.Reason
	}{
		{name: "RD-1 a permitted read is released", caller: "gp", target: "/fhir/demo/Observation/lab-A", status: 200, asked: 1, outcome: "permit", reason: "ok-consent"},
		{name: "RD-1 the patient is read", caller: "gp", target: "/fhir/demo/Patient/A", status: 200, outcome: "permit", reason: "ok-consent"},
		{name: "RD-2 a patient without consent is absent", caller: "gp", target: "/fhir/demo/Patient/B", status: 404, issue: "not-found", asked: 1, outcome: "deny", reason: "no-consent"},
		{name: "RD-3 another patient's observation is absent", caller: "gp", target: "/fhir/demo/Observation/lab-B", status: 404, issue: "not-found", asked: 2, outcome: "deny", reason: "no-consent"},
		{name: "RD-4 another category is absent", caller: "pharmacist", target: "/fhir/demo/Condition/c-A", status: 404, issue: "not-found", asked: 1, outcome: "deny", reason: "no-consent"},
		{name: "RD-5 what does not exist is absent", caller: "gp", target: "/fhir/demo/Observation/nothing", status: 404, issue: "not-found", asked: 1, outcome: "deny", reason: "absent"},
		{name: "CA-6 a prescription that tells a diagnosis is restricted", caller: "gp", target: "/fhir/demo/MedicationRequest/rxpsy-A", status: 404, issue: "not-found", asked: 1, outcome: "deny", reason: "no-consent"},
		{name: "RM-19 a shared type is not read by itself", caller: "gp", target: "/fhir/demo/Practitioner/p1", status: 404, issue: "not-found", outcome: "deny", reason: "type-shared"},

		{name: "SE-1 a search gives what is permitted and what it refers to", caller: "gp", target: searchA + "&_include=Observation:performer", status: 200, entries: []string{"Observation/lab-A", "Observation/survey-A", "Practitioner/p1"}, asked: 1, outcome: "permit", reason: "ok-consent"},
		{name: "IN-8 what was not asked to come along does not", caller: "gp", target: searchA, status: 200, entries: []string{"Observation/lab-A", "Observation/survey-A"}, asked: 1, outcome: "permit", reason: "ok-consent"},
		{name: "SE-1 by the source's id", caller: "gp", target: "/fhir/demo/Observation?patient=A", status: 200, entries: []string{"Observation/lab-A", "Observation/survey-A"}, asked: 1, outcome: "permit", reason: "ok-consent"},
		{name: "SE-17 by POST", caller: "gp", method: "POST", target: "/fhir/demo/Observation/_search", form: "patient=Patient%2FA", status: 200, entries: []string{"Observation/lab-A", "Observation/survey-A"}, asked: 1, outcome: "permit", reason: "ok-consent"},
		{name: "what a pharmacist may not see is not there", caller: "pharmacist", target: "/fhir/demo/Condition?patient=A", status: 200, entries: nil, asked: 1, outcome: "deny", reason: "no-consent"},
		{name: "a pharmacist gets medication", caller: "pharmacist", target: "/fhir/demo/MedicationRequest?patient=A&_include=MedicationRequest:medication", status: 200, entries: []string{"MedicationRequest/rx-A", "Medication/m1"}, asked: 1, outcome: "permit", reason: "ok-consent"},
		{name: "SE-2 a professional must name a patient", caller: "gp", target: "/fhir/demo/Observation", status: 400, issue: "required", outcome: "deny", reason: "patient-required"},
		{name: "nobody's consent, nobody's data", caller: "gp", target: "/fhir/demo/Observation?patient=B", status: 403, issue: "forbidden", asked: 1, outcome: "deny", reason: "no-consent"},
		{name: "SE-14 an unknown patient is refused alike", caller: "gp", target: "/fhir/demo/Observation?patient.identifier=" + bsnSystem + "%7C999996538", status: 403, issue: "forbidden", outcome: "deny", reason: "patient-unresolved"},
		{name: "SE-14 an invalid number is refused alike", caller: "gp", target: "/fhir/demo/Observation?patient.identifier=" + bsnSystem + "%7C123456789", status: 403, issue: "forbidden", outcome: "deny", reason: "patient-unresolved"},
		{name: "the patient sees everything of the own record", caller: "patient-a", target: "/fhir/demo/Condition", status: 200, entries: []string{"Condition/c-A"}, asked: 1, outcome: "permit", reason: "ok-self"},
		{name: "the patient sees nothing of another", caller: "patient-a", target: "/fhir/demo/Condition?patient=B", status: 403, issue: "forbidden", asked: 1, outcome: "deny", reason: "patient-mismatch"},

		{name: "promise 4: an insurer causes no lookup", caller: "insurer", target: searchA, status: 403, issue: "forbidden", outcome: "deny", reason: "blocked-insurer"},
		{name: "promise 4: a company doctor causes no lookup", caller: "company-doctor", target: searchA, status: 403, issue: "forbidden", outcome: "deny", reason: "blocked-company-doctor"},
		{name: "a low level of assurance is told what to do", caller: "gp-low", target: searchA, status: 401, issue: "login", outcome: "deny", reason: "insufficient-assurance"},
		{name: "E3 a professional whom nothing binds to secrecy causes no lookup", caller: "gp-no-secrecy", target: searchA, status: 403, issue: "forbidden", outcome: "deny", reason: "no-secrecy-basis"},
		{name: "no treatment relation", caller: "hospital", target: searchA, status: 403, issue: "forbidden", outcome: "deny", reason: "no-treatment-relation"},
		{name: "no token", target: searchA, status: 401, issue: "login", outcome: "deny", reason: "no-credentials"},
		{name: "a bad token", caller: "forged", target: searchA, status: 401, issue: "login", outcome: "deny", reason: "token-signature"},

		{name: "SE-12 an unknown parameter", caller: "gp", target: "/fhir/demo/Observation?patient=A&pateint=B", status: 400, issue: "not-supported", outcome: "deny", reason: "request-refused"},
		{name: "SE-4 two patients", caller: "gp", target: "/fhir/demo/Observation?patient=A&patient=B", status: 400, issue: "invalid", outcome: "deny", reason: "request-refused"},
		{name: "OP-4 an operation", caller: "gp", target: "/fhir/demo/Observation/$stats?subject=Patient/A", status: 501, issue: "not-supported", outcome: "deny", reason: "request-refused"},
		{name: "a write", caller: "gp", method: "DELETE", target: "/fhir/demo/Patient/A", status: 405, issue: "not-supported", outcome: "deny", reason: "request-refused"},
		{name: "HT-1 an escaped slash", caller: "gp", target: "/fhir/demo/Patient%2FA", status: 404, issue: "not-found", outcome: "deny", reason: "request-refused"},
		{name: "HT-3 an absolute target", caller: "gp", target: "http://hapi:8080/fhir/demo/Patient/A", status: 400, issue: "invalid", outcome: "deny", reason: "request-target"},
		{name: "a source that is not configured", caller: "gp", target: "/fhir/other/Patient/A", status: 404, issue: "not-found", outcome: "deny", reason: "path-unknown"},
		{name: "DE-3 a path that leads nowhere", caller: "gp", target: "/actuator/env", status: 404, issue: "not-found", outcome: "deny", reason: "path-unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			method, contentType := tt.method, ""
			if method == "" {
				method = "GET"
			}
			if tt.form != "" {
				contentType = "application/x-www-form-urlencoded"
			}
			got := w.send(tt.caller, method, tt.target, contentType, tt.form)
			if got.status != tt.status || got.issue() != tt.issue {
				t.Fatalf("got %d %q, want %d %q\n%s", got.status, got.issue(), tt.status, tt.issue, got.body)
			}
			if entries := got.entries(); tt.entries != nil && !slices.Equal(entries, tt.entries) || tt.entries == nil && len(entries) > 0 {
				t.Errorf("entries %v, want %v", entries, tt.entries)
			}
			if asked := w.source.requests(); len(asked) != tt.asked {
				t.Errorf("the source was asked %v, want %d requests", asked, tt.asked)
			}
			if n := w.store.count(); n != 1 {
				t.Errorf("%d events, want exactly one", n)
			}
			if e := w.store.last(t); e.Outcome != tt.outcome || e.Reason != tt.reason {
				t.Errorf("event says %s %s, want %s %s", e.Outcome, e.Reason, tt.outcome, tt.reason)
			}
			w.checkNothingLeaks(got, tt.caller)
		})
	}
}

// checkNothingLeaks looks for canaries, identifiers and the source's address where they must not be. The answers to the patient, and to a
// caller who may see all of A, may contain A's canaries.
func (w *world) checkNothingLeaks(got reply, caller string) {
	w.t.Helper()
	var head strings.Builder
	_ = got.header.Write(&head)
	seesAll := caller == "gp" || caller == "patient-a"
	if strings.Contains(head.String(), canary) || !seesAll && strings.Contains(got.body, canary) {
		w.t.Errorf("a canary left: %s\n%s", head.String(), got.body)
	}
	if strings.Contains(got.body, strings.TrimPrefix(w.source.server.URL, "http://")) {
		w.t.Errorf("the source's address left: %s", got.body)
	}
	if strings.Contains(got.body, `"total"`) || got.header.Get("Etag") != "" || got.header.Get("X-Powered-By") != "" {
		w.t.Errorf("something of the source's bookkeeping left: %s\n%s", head.String(), got.body)
	}
	w.logMu.Lock()
	log := w.log.String()
	w.logMu.Unlock()
	for _, secret := range []string{canary, bsnA, bsnB, "Patient/A"} {
		if strings.Contains(log, secret) {
			w.t.Errorf("the log holds %q: %s", secret, log)
		}
	}
	for _, e := range w.store.events {
		for _, secret := range []string{canary, bsnA, bsnB} {
			if strings.Contains(string(e.Marshal()), secret) {
				w.t.Errorf("an event holds %q: %s", secret, e.Marshal())
			}
		}
	}
	if got.header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("Cache-Control is %q", got.header.Get("Cache-Control"))
	}
}

func TestAbsentAndHiddenReadsAreTheSame(t *testing.T) {
	w := newWorld(t)
	w.story()
	hidden, absent := w.get("pharmacist", "/fhir/demo/Condition/c-A"), w.get("pharmacist", "/fhir/demo/Condition/nothing")
	hidden.header.Del("X-Request-Id")
	absent.header.Del("X-Request-Id")
	var a, b strings.Builder
	_ = hidden.header.Write(&a)
	_ = absent.header.Write(&b)
	if hidden.status != absent.status || hidden.body != absent.body || a.String() != b.String() {
		t.Errorf("hidden: %d %s %s\nabsent: %d %s %s", hidden.status, a.String(), hidden.body, absent.status, b.String(), absent.body)
	}
}

func TestForwardedIsWhatWasDecided(t *testing.T) {
	w := newWorld(t)
	w.story()
	got := w.send("gp", "GET", searchA+"&code=http://loinc.org%7C718-7&_count=10", "", "",
		"Cookie", "x", "X-Forwarded-Host", "evil", "X-Http-Method-Override", "DELETE", "Accept-Encoding", "gzip", "If-None-Match", "x", "Prefer", "respond-async", "Range", "bytes=0-1")
	if got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	asked := w.source.requests()
	want := "GET /fhir/Observation?patient=Patient/A&_count=50&code=http://loinc.org%7C718-7"
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %v, want %s", asked, want)
	}
	for i, h := range w.source.headers {
		names := slices.Sorted(keys(flat(h)))
		want := []string{"Accept", "Prefer", "User-Agent", "X-Request-Id"}
		if w.source.forms[i] != "" {
			want = []string{"Accept", "Content-Length", "Content-Type", "Prefer", "User-Agent", "X-Request-Id"}
		}
		if !slices.Equal(names, want) {
			t.Errorf("headers %v, want %v", names, want)
		}
		if strings.Contains(w.source.asked[i], bsnA) {
			t.Errorf("an identifier in a URL: %s", w.source.asked[i])
		}
	}
	if self := got.link("self"); strings.Contains(self, bsnA) || !strings.HasPrefix(self, "/fhir/demo/Observation?") {
		t.Errorf("self link %q", self)
	}
}

func flat(h http.Header) map[string]string {
	m := map[string]string{}
	for name := range h {
		m[name] = ""
	}
	return m
}

func TestNewGateNeedsEveryPart(t *testing.T) {
	w := newWorld(t)
	tests := map[string]func(*proxy.Parts){
		"no address":       func(p *proxy.Parts) { p.Address = nil },
		"no authenticator": func(p *proxy.Parts) { p.Authenticator = nil },
		"no policy":        func(p *proxy.Parts) { p.Policy = nil },
		"no standings":     func(p *proxy.Parts) { p.Standings = nil },
		"no recorder":      func(p *proxy.Parts) { p.Recorder = nil },
		"no declarations":  func(p *proxy.Parts) { p.Declarations = nil },
		"no events":        func(p *proxy.Parts) { p.Events = nil },
		"no cursor key":    func(p *proxy.Parts) { p.CursorKeys = nil },
		"a short key":      func(p *proxy.Parts) { p.CursorKeys = [][]byte{[]byte("short")} },
		"no sources":       func(p *proxy.Parts) { p.Sources = nil },
		"no reader":        func(p *proxy.Parts) { p.Sources[0].Reader = nil },
		"no limits":        func(p *proxy.Parts) { p.Limits = proxy.Limits{} },
		"no break-glass":   func(p *proxy.Parts) { p.BreakGlass = proxy.BreakGlass{} },
		"two of one name":  func(p *proxy.Parts) { p.Sources = append(p.Sources, p.Sources[0]) },
	}
	for name, remove := range tests {
		t.Run(name, func(t *testing.T) {
			parts := w.parts()
			remove(&parts)
			if gate, err := proxy.NewGate(parts); err == nil || gate != nil {
				t.Errorf("a gate came to be: %v, %v", gate, err)
			}
		})
	}
}
