package proxy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
)

// declaration is the body of a break-glass declaration for a BSN.
func declaration(bsn, reason string, impossible bool) string {
	r, _ := json.Marshal(reason)
	return fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"patient","valueIdentifier":{"system":"%s","value":"%s"}},`+
		`{"name":"reason","valueString":%s},{"name":"consent-impossible","valueBoolean":%t}]}`, bsnSystem, bsn, r, impossible)
}

const reasonText = "unconscious, medication unknown"

func (w *world) declare(caller, body string) reply {
	return w.send(caller, "POST", "/gateway/$break-glass", "application/fhir+json", body)
}

func TestBreakGlass(t *testing.T) {
	refusal := consent.Record{ID: "d1", Decision: "deny", Party: consent.Side{Category: "hospital"}}
	exception := refusal
	exception.EmergencyException = true
	tests := []struct {
		name    string
		records []consent.Record
		status  int
		reason  string
	}{
		{"BG-5 unknown consent opens", nil, 200, "ok-emergency-unknown"},
		{"BG-5 a refusal does not", []consent.Record{refusal}, 403, "emergency-refused"},
		{"BG-5 a refusal except for emergencies does", []consent.Record{exception}, 200, "ok-emergency-exception"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for _, r := range tt.records {
				w.store.put(bsnA, r)
			}
			if got := w.get("hospital", searchA); got.status != 403 || len(w.source.requests()) != 0 {
				t.Fatalf("before the declaration: %d, source asked %v", got.status, w.source.requests())
			}
			declared := w.declare("hospital", declaration(bsnA, reasonText, true))
			if declared.status != 201 || !strings.Contains(declared.body, "s00-declaration") {
				t.Fatalf("declaration: %d %s", declared.status, declared.body)
			}
			if e := w.store.last(t); e.Kind != "break-glass" || e.Emergency != reasonText || e.Declaration != "s00-declaration" {
				t.Errorf("event of the declaration: %+v", e)
			}
			got := w.get("hospital", searchA)
			e := w.store.last(t)
			if got.status != tt.status || string(e.Reason) != tt.reason {
				t.Fatalf("after the declaration: %d %s, want %d %s", got.status, e.Reason, tt.status, tt.reason)
			}
			if got.status == 200 && (e.Declaration != "s00-declaration" || e.Emergency != reasonText || len(e.Obligations) != 3) {
				t.Errorf("BG-14 the event is not marked: %+v", e)
			}
			w.clock = w.clock.Add(time.Hour)
			if got := w.get("hospital", searchA); got.status == 200 {
				t.Errorf("BG-11 still open after its time: %d", got.status)
			}
		})
	}
}

func TestBreakGlassIsBound(t *testing.T) {
	w := newWorld(t)
	if got := w.declare("hospital", declaration(bsnA, reasonText, true)); got.status != 201 {
		t.Fatalf("declaration: %d %s", got.status, got.body)
	}
	if got := w.get("hospital", "/fhir/demo/Observation?patient=B"); got.status != 403 {
		t.Errorf("BG-3 for another patient: %d", got.status)
	}
	if got := w.get("hospital2", searchA); got.status != 403 {
		t.Errorf("BG-3 for another professional: %d", got.status)
	}
	if got := w.get("hospital", "/fhir/demo/Observation/lab-A"); got.status != 200 {
		t.Errorf("a read under the declaration: %d %s", got.status, got.body)
	}
}

func TestDeclarationsThatAreRefused(t *testing.T) {
	ok := declaration(bsnA, reasonText, true)
	tests := []struct {
		name, caller, body string
		status             int
	}{
		{"BG-2 no reason", "hospital", declaration(bsnA, "", true), 400},
		{"BG-2 a blank reason", "hospital", declaration(bsnA, "            ", true), 400},
		{"BG-2 a short reason", "hospital", declaration(bsnA, "x", true), 400},
		{"BG-2 a long reason", "hospital", declaration(bsnA, strings.Repeat("x", 1001), true), 400},
		{"BG-2 control characters", "hospital", declaration(bsnA, "unconscious\n\x1b[31mforged", true), 400},
		{"E9 consent could be asked", "hospital", declaration(bsnA, reasonText, false), 403},
		{"E9 not said", "hospital", strings.Replace(ok, `,{"name":"consent-impossible","valueBoolean":true}`, "", 1), 403},
		{"BG-12 nobody", "hospital", strings.Replace(ok, `"patient"`, `"person"`, 1), 400},
		{"BG-12 an invalid number", "hospital", declaration("123456789", reasonText, true), 400},
		{"twice the patient", "hospital", strings.Replace(ok, `{"name":"reason"`, `{"name":"patient","valueIdentifier":{"system":"x","value":"y"}},{"name":"reason"`, 1), 400},
		{"JS-1 a duplicate member", "hospital", strings.Replace(ok, `"valueString"`, `"valueString":"x","valueString"`, 1), 400},
		{"JS-7 something after it", "hospital", ok + "{}", 400},
		{"not JSON", "hospital", "patient=A", 400},
		{"BG-5 a blocked party", "insurer", ok, 403},
		{"BG-1 a category that is not on the list", "pharmacist", ok, 403},
		{"BG-13 a patient", "patient-a", ok, 403},
		{"a low level of assurance", "gp-low", ok, 401},
		{"nobody", "", ok, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			got := w.declare(tt.caller, tt.body)
			if got.status != tt.status {
				t.Errorf("got %d, want %d: %s", got.status, tt.status, got.body)
			}
			if len(w.store.standings) != 0 || len(w.source.all()) != 0 || w.store.count() != 1 {
				t.Errorf("%d standings, source asked %v, %d events", len(w.store.standings), w.source.all(), w.store.count())
			}
			w.checkNothingLeaks(got, tt.caller)
		})
	}
}

func TestDeclarationsAreLimited(t *testing.T) {
	w := newWorld(t)
	for i, want := range []int{201, 201, 201, 429} {
		if got := w.declare("hospital", declaration(bsnA, reasonText, true)); got.status != want {
			t.Errorf("declaration %d: got %d, want %d", i+1, got.status, want)
		}
	}
}

func TestAccessEventsAreForThePatientOnly(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.get("gp", searchA)
	w.get("insurer", searchA)
	w.get("hospital", "/fhir/demo/Observation?patient=B")
	got := w.get("patient-a", "/gateway/AuditEvent")
	if got.status != 200 || len(got.entries()) != 3 { // the search, the insurer who was turned away, and this look itself
		t.Errorf("got %d %v %s", got.status, got.entries(), w.log)
	}
	w.checkNothingLeaks(got, "patient-a")
	for _, caller := range []string{"gp", "insurer", "pharmacist"} {
		if got := w.get(caller, "/gateway/AuditEvent"); got.status != 403 {
			t.Errorf("%s got %d", caller, got.status)
		}
	}
	if got := w.get("patient-a", "/gateway/AuditEvent?patient=B"); got.status != 400 {
		t.Errorf("AU-7 with a parameter: %d", got.status)
	}
	if got := w.get("", "/gateway/AuditEvent"); got.status != 401 {
		t.Errorf("without a token: %d", got.status)
	}
}
