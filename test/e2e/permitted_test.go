package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestPermitted: the GP of a consenting patient gets what she requests, in every form of request, byte for byte what the source has, and each
// request is one event.
func TestPermitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	karena, id := demo.Karena(), string(demo.Karena().PatientID)
	first := g.ask(demo.GP(), searchID("Condition", karena)).wantStatus(t, http.StatusOK, "search").entries()
	if len(first) == 0 {
		t.Fatal("the source has no condition of the patient")
	}
	asks := []struct {
		name string
		by   demo.Caller
		ask  question
		want func(name string) bool // what may be in it
		some int                    // at least
	}{
		{"read a patient", demo.GP(), get("/fhir/demo/Patient/" + id), exactly("Patient/" + id), 1},
		{"read a resource", demo.GP(), get("/fhir/demo/" + first[0]), exactly(first[0]), 1},
		{"search by GET, by the source's id", demo.GP(), searchID("Condition", karena), ofType("Condition"), len(first)},
		{"search by GET, by subject", demo.GP(), get("/fhir/demo/Condition?subject=Patient/" + id), ofType("Condition"), len(first)},
		{"search by GET, by identifier", demo.GP(), get("/fhir/demo/Condition?patient.identifier=" + demo.SystemBSN + "%7C" + karena.BSN), ofType("Condition"), len(first)},
		{"search by POST, by identifier", demo.GP(), search("Condition", karena), ofType("Condition"), len(first)},
		{"search by POST, the older chain", demo.GP(), question{
			method: http.MethodPost, path: "/fhir/demo/Observation/_search", contentType: "application/x-www-form-urlencoded; charset=utf-8",
			body: "subject.identifier=" + demo.SystemBSN + "%7C" + karena.BSN + "&_count=5",
		}, ofType("Observation"), 5},
		{"the patient's own, naming nobody", demo.Patient("patient", karena), get("/fhir/demo/Condition"), ofType("Condition"), len(first)},
	}
	for _, tt := range asks {
		t.Run(tt.name, func(t *testing.T) {
			r := g.ask(tt.by, tt.ask).wantStatus(t, http.StatusOK, tt.name)
			got := r.entries()
			if got == nil {
				var one struct{ ResourceType, ID string }
				if err := json.Unmarshal([]byte(r.body), &one); err != nil {
					t.Fatal(err)
				}
				got = []string{one.ResourceType + "/" + one.ID}
			}
			if len(got) < tt.some || slices.ContainsFunc(got, func(s string) bool { return !tt.want(s) }) {
				t.Errorf("got %v, want at least %d of what was asked and nothing else", got, tt.some)
			}
			if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Request-Id") != r.id {
				t.Errorf("got headers %v, want no-store and the request's own id", r.header)
			}
			reason := "ok-consent"
			if tt.by.Claims.Kind == demo.KindPatient {
				reason = "ok-self"
			}
			e := w.wantEvent(r, audit.OutcomePermit, reason)
			if reason == "ok-consent" && len(e.Records) != 1 {
				t.Errorf("the event names records %v, want the one that decided", e.Records)
			}
			if len(e.Disclosed) < tt.some || len(e.Categories) == 0 || e.Person == "" || e.Source != "demo" {
				t.Errorf("the event does not tell what was released: %+v", e)
			}
			if strings.Contains(e.Query, id) || strings.Contains(e.Query, karena.BSN) {
				t.Errorf("the event's query holds the patient: %s", e.Query)
			}
		})
	}
	t.Run("what is released is what the source has", func(t *testing.T) {
		r := g.ask(demo.GP(), get("/fhir/demo/"+first[0])).wantStatus(t, http.StatusOK, "read")
		var got, want map[string]any
		_ = json.Unmarshal([]byte(r.body), &got)
		_ = json.Unmarshal(w.source.Resource(first[0]), &want)
		for _, name := range []string{"code", "subject", "clinicalStatus", "recordedDate"} {
			if a, b := text(got[name]), text(want[name]); a != b {
				t.Errorf("%s: got %s, want %s", name, a, b)
			}
		}
	})
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func exactly(name string) func(string) bool { return func(s string) bool { return s == name } }

func ofType(typ string) func(string) bool {
	return func(s string) bool { return strings.HasPrefix(s, typ+"/") }
}
