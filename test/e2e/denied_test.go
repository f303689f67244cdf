package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestDenied: every denial looks the same outside, whatever its reason, which is in the event.
func TestDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	nobody := demo.Person{Name: "nobody", BSN: "999990007", PatientID: "nobody-knows"}
	doctor := demo.EmergencyDoctor()
	denials := []struct {
		name   string
		by     demo.Caller
		about  demo.Person
		reason string
	}{
		{"nothing on file", demo.GP(), demo.Johanna(), "no-consent"},
		{"a refusal on file", doctor, demo.Milan(), "consent-refused"},
		{"another category than the consent's", doctor, demo.Karena(), "no-consent"},
		{"a patient whom the source does not know", demo.GP(), nobody, "patient-unresolved"},
		{"another patient's record", demo.Patient("patient", demo.Karena()), demo.Milan(), "patient-mismatch"},
	}
	var body string
	for _, tt := range denials {
		for way, ask := range map[string]question{"by identifier": search("Condition", tt.about), "by id": searchID("Condition", tt.about)} {
			r := g.ask(tt.by, ask).wantStatus(t, http.StatusForbidden, tt.name+" "+way)
			r.wantNothing(t, tt.name)
			w.wantEvent(r, audit.OutcomeDeny, tt.reason)
			if body == "" {
				body = r.body
			}
			if r.body != body {
				t.Errorf("%s %s: the answer differs from that of other denials: %s", tt.name, way, r.body)
			}
		}
	}
	t.Run("absent and hidden are the same to a read", func(t *testing.T) {
		milans := g.ask(demo.GP(), searchID("Condition", demo.Milan())).entries()
		if len(milans) == 0 {
			t.Fatal("the source has no condition")
		}
		hidden := g.ask(doctor, get("/fhir/demo/"+milans[0])).wantStatus(t, http.StatusNotFound, "hidden")
		absent := g.ask(doctor, get("/fhir/demo/Condition/absent")).wantStatus(t, http.StatusNotFound, "absent")
		if hidden.body != absent.body {
			t.Errorf("hidden is %s, absent is %s", hidden.body, absent.body)
		}
		w.wantEvent(hidden, audit.OutcomeDeny, "consent-refused")
		w.wantEvent(absent, audit.OutcomeDeny, "absent")
	})
	t.Run("callers who are not known", func(t *testing.T) {
		w.source.Reset()
		low := demo.GP()
		low.Claims.ACR = "http://eidas.europa.eu/LoA/low"
		bad := tokenOf(t, demo.GP())
		bound := demo.GP()
		bound.Claims.Extra = map[string]any{"cnf": map[string]any{"jkt": "x"}}
		for _, tt := range []struct {
			name      string
			by        demo.Caller
			token     string
			challenge string
		}{
			{"no token", demo.Caller{}, "", "Bearer"},
			{"a token with a damaged signature", demo.GP(), bad[:len(bad)-6] + "AAAAAA", `error="invalid_token"`},
			{"a token that is none", demo.GP(), "abc", `error="invalid_token"`},
			{"a level of assurance that is too low", low, "", `error="insufficient_user_authentication"`},
			{"a token bound to a key that nobody checked", bound, "", `error="invalid_token"`},
		} {
			q := searchID("Condition", demo.Karena())
			q.token = tt.token
			r := g.ask(tt.by, q).wantStatus(t, http.StatusUnauthorized, tt.name)
			r.wantNothing(t, tt.name)
			if got := r.header.Get("WWW-Authenticate"); !strings.Contains(got, tt.challenge) {
				t.Errorf("%s: got challenge %q, want one with %s", tt.name, got, tt.challenge)
			}
			if n := len(w.eventsOf(r.id)); n != 1 {
				t.Errorf("%s: got %d events, want 1", tt.name, n)
			}
		}
		if asked := w.source.Requests(); len(asked) != 0 {
			t.Errorf("the source was asked %d times, want not at all", len(asked))
		}
	})
}
