package proxy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// declaration returns the body of a break-glass declaration for a BSN.
func declaration(bsn, reason string, impossible bool) string {
	r, _ := json.Marshal(reason)
	return fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"patient","valueIdentifier":{"system":"%s","value":"%s"}},`+
		`{"name":"reason-code","valueCode":"unconscious"},{"name":"reason","valueString":%s},{"name":"consent-impossible","valueBoolean":%t},`+
		`{"name":"no-alternative","valueBoolean":true}]}`, bsnSystem, bsn, r, impossible)
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
			if got.status == 200 && (e.Declaration != "s00-declaration" || e.Emergency != reasonText || len(e.Obligations) != 3 ||
				e.Actor.Purpose != policy.PurposeEmergency) {
				t.Errorf("BG-14 the event is not marked: %+v", e)
			}
			w.clock = w.clock.Add(time.Hour)
			if got := w.get("hospital", searchA); got.status == 200 {
				t.Errorf("BG-11 still open after its time: %d", got.status)
			}
		})
	}
}

// TestEmergencyOfWhoTreats: in an emergency a professional with a treatment relation is no worse off than one without: what is on file for
// emergencies decides, whatever was withdrawn, refused or never asked for treatment.
func TestEmergencyOfWhoTreats(t *testing.T) {
	inEmergencies := permit("e1", "gp", "GGC002")
	inEmergencies.Purposes = []string{"ETREAT"}
	withdrawn := permit("p1", "gp", "GGC002")
	refusal := consent.Record{ID: "d1", Decision: "deny", Party: consent.Side{Category: "gp"}}
	for name, tt := range map[string]struct {
		withdrawn []consent.Record // and then there is
		records   []consent.Record
		status    int
		reason    string
	}{
		"withdrawn for treatment, permitted for emergencies": {[]consent.Record{withdrawn}, []consent.Record{inEmergencies}, 200, "ok-consent"},
		"refused for treatment, permitted for emergencies":   {nil, []consent.Record{refusal, inEmergencies}, 200, "ok-consent"},
		"withdrawn, and nothing for emergencies":             {[]consent.Record{withdrawn}, nil, 404, "consent-withdrawn"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for _, r := range tt.withdrawn {
				w.store.put(bsnA, r)
				w.store.withdrawAll(bsnA)
			}
			for _, r := range tt.records {
				w.store.put(bsnA, r)
			}
			const conditions = "/fhir/demo/Condition/c-A"
			if got := w.get("gp", conditions); got.status == 200 {
				t.Fatalf("before the declaration: %d", got.status)
			}
			if got := w.declare("gp", declaration(bsnA, reasonText, true)); got.status != 201 {
				t.Fatalf("declaration: %d %s", got.status, got.body)
			}
			got := w.get("gp", conditions)
			if e := w.store.last(t); got.status != tt.status || string(e.Reason) != tt.reason {
				t.Errorf("got %d %s, want %d %s", got.status, e.Reason, tt.status, tt.reason)
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
	for _, other := range []string{
		"hospital2", "hospital-other-client", "hospital-other-organization", "hospital-other-issuer", "hospital-service",
		"hospital-research", "hospital-claims-emergency", "insurer", "company-doctor",
	} {
		if got := w.get(other, searchA); got.status != 403 {
			t.Errorf("BG-3 for %s: %d", other, got.status)
		}
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
		{"E9 not said", "hospital", strings.Replace(ok, `{"name":"consent-impossible","valueBoolean":true},`, "", 1), 403},
		{"E9 something else would do", "hospital", strings.Replace(ok, `"no-alternative","valueBoolean":true`, `"no-alternative","valueBoolean":false`, 1), 403},
		{"E9 not said that nothing else would do", "hospital", strings.Replace(ok, `,{"name":"no-alternative","valueBoolean":true}`, "", 1), 403},
		{"BG-1 a code that is not on the list", "hospital", strings.Replace(ok, `"unconscious"`, `"curious"`, 1), 400},
		{"BG-1 an empty code", "hospital", strings.Replace(ok, `"unconscious"`, `""`, 1), 400},
		{"BG-1 no code", "hospital", strings.Replace(ok, `{"name":"reason-code","valueCode":"unconscious"},`, "", 1), 400},
		{"BG-1 a code as a text", "hospital", strings.Replace(ok, `"valueCode":"unconscious"`, `"valueString":"unconscious"`, 1), 400},
		{"a purpose that is not treatment", "hospital-research", ok, 403},
		{"BG-1 a token that claims the emergency itself", "hospital-claims-emergency", ok, 403},
		{"BG-13 no natural person", "hospital-service", ok, 403},
		{"BG-5 another blocked party", "company-doctor", ok, 403},
		{"BG-12 nobody", "hospital", strings.Replace(ok, `"patient"`, `"person"`, 1), 400},
		{"BG-12 an invalid number", "hospital", declaration("123456789", reasonText, true), 400},
		{"twice the patient", "hospital", strings.Replace(ok, `{"name":"reason"`, `{"name":"patient","valueIdentifier":{"system":"x","value":"y"}},{"name":"reason"`, 1), 400},
		{"JS-1 a duplicate member", "hospital", strings.Replace(ok, `"valueString"`, `"valueString":"x","valueString"`, 1), 400},
		{"JS-7 something after it", "hospital", ok + "{}", 400},
		{"not JSON", "hospital", "patient=A", 400},
		{"BG-5 a blocked party", "insurer", ok, 403},
		{"BG-1 a category that is not on the list", "pharmacist", ok, 403},
		{"a professional whom nothing binds to secrecy", "gp-no-secrecy", ok, 403},
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
	e, seen := w.store.last(t), w.seen[len(w.seen)-1]
	if e.Reason != audit.ReasonDeclarationLimit || !slices.Contains(e.Obligations, policy.ObligationAlert) || !seen.Alert {
		t.Errorf("the one too many alerts nobody: %+v, %+v", e, seen)
	}
}

func TestADeclarationTellsItsCode(t *testing.T) {
	w := newWorld(t)
	got := w.declare("hospital", declaration(bsnA, "unconscious, has a card of "+bsnB, true))
	w.get("hospital", searchA)
	for _, e := range w.store.events {
		if e.Code != "unconscious" || e.Emergency == "" || e.Declaration == "" {
			t.Errorf("the event %s does not account for itself: %+v", e.Reason, e)
		}
	}
	d := w.store.standings[w.store.Key(fhir.Identifier{System: bsnSystem, Value: bsnA})].Declarations[0]
	if d.Code != "unconscious" || !d.ConsentImpossible || !d.NoAlternative || strings.Contains(d.Reason, bsnB) {
		t.Errorf("got %+v, want what was stated, and no number of a person", d)
	}
	w.checkNothingLeaks(got, "hospital")
}

func TestTheReasonsAreTold(t *testing.T) {
	w := newWorld(t)
	got := w.get("", "/gateway/CodeSystem/break-glass-reason")
	for _, want := range []string{`"resourceType":"CodeSystem"`, `"code":"unconscious"`, "buiten bewustzijn", `"language":"en"`, "is unconscious", `"code":"danger"`} {
		if got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("got %d without %s: %s", got.status, want, got.body)
		}
	}
	if got := w.send("gp", "POST", "/gateway/CodeSystem/break-glass-reason", "application/fhir+json", "{}"); got.status != 404 {
		t.Errorf("a list that can be written: %d", got.status)
	}
}

// ending returns the body that ends a declaration.
func ending(bsn string) string {
	return fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"patient","valueIdentifier":{"system":"%s","value":"%s"}}]}`, bsnSystem, bsn)
}

func (w *world) end(caller, body string, headers ...string) reply {
	return w.send(caller, "POST", "/gateway/$break-glass-end", "application/fhir+json", body, headers...)
}

func TestADeclarationEndsEarly(t *testing.T) {
	w := newWorld(t)
	w.declare("hospital", declaration(bsnA, reasonText, true))
	w.declare("hospital2", declaration(bsnA, reasonText, true))
	w.clock = w.clock.Add(time.Minute)
	for _, other := range []string{"hospital-other-client", "hospital-other-organization", "hospital-other-issuer"} {
		if got := w.end(other, ending(bsnA)); got.status != 404 {
			t.Errorf("%s ended what is not theirs: %d", other, got.status)
		}
	}
	for _, other := range []string{"patient-a", "hospital-service", "hospital-research"} {
		if got := w.end(other, ending(bsnA)); got.status != 403 {
			t.Errorf("%s ended what is not theirs: %d", other, got.status)
		}
	}
	if got := w.end("hospital", ending(bsnB)); got.status != 404 {
		t.Errorf("for another patient: %d", got.status)
	}
	if got := w.get("hospital", searchA); got.status != 200 {
		t.Fatalf("before the end: %d", got.status)
	}
	got := w.end("hospital", ending(bsnA))
	if got.status != 200 || !strings.Contains(got.body, `"ended"`) || !strings.Contains(got.body, "12:01:00") {
		t.Fatalf("the end: %d %s", got.status, got.body)
	}
	e := w.store.last(t)
	if e.Reason != audit.ReasonDeclarationEnded || e.Outcome != audit.OutcomePermit || e.Declaration == "" || e.Person != w.store.Key(fhir.Identifier{System: bsnSystem, Value: bsnA}) {
		t.Errorf("the event of the end: %+v", e)
	}
	if got := w.get("hospital", searchA); got.status != 403 {
		t.Errorf("after the end: %d", got.status)
	}
	if got := w.get("hospital2", searchA); got.status != 200 {
		t.Errorf("a colleague's declaration ended as well: %d", got.status)
	}
	if got := w.end("hospital", ending(bsnA)); got.status != 404 {
		t.Errorf("a second end: %d", got.status)
	}
}

// TestARequestIDSaysOneThing: a repeated request has the same result, and a different one under the same id is not taken for it. Otherwise
// a reviewer would find another reason than was given, and a professional believe that a later declaration has ended.
func TestARequestIDSaysOneThing(t *testing.T) {
	w := newWorld(t)
	id := []string{"X-Request-Id", "6f1c1de4-1f6c-4f0a-9d2e-0a7a3f1d2b3c"}
	declare := func(body string) reply {
		return w.send("hospital", "POST", "/gateway/$break-glass", "application/fhir+json", body, id...)
	}
	ok := declaration(bsnA, reasonText, true)
	first := declare(ok)
	if again := declare(ok); first.status != 201 || again.status != 201 || again.body != first.body {
		t.Fatalf("got %d, and for the same again %d: %s", first.status, again.status, again.body)
	}
	for name, other := range map[string]string{
		"another reason": declaration(bsnA, "brought in without papers", true),
		"another code":   strings.Replace(ok, `"unconscious"`, `"danger"`, 1),
	} {
		w.store.declared = 0
		got := declare(other)
		if e := w.store.last(t); got.status != 409 || e.Outcome != audit.OutcomeDeny || e.Reason != "request-id-reused" || e.Declaration != "" || e.Emergency != "" {
			t.Errorf("%s: got %d %s, event %+v", name, got.status, got.body, e)
		}
	}
	w.clock = w.clock.Add(time.Minute)
	ended := w.end("hospital", ending(bsnA), id...)
	if again := w.end("hospital", ending(bsnA), id...); ended.status != 200 || again.status != 200 || again.body != ended.body {
		t.Fatalf("got %d, and for the same end again %d: %s", ended.status, again.status, again.body)
	}
	w.store.declared = 0
	w.declare("hospital", ok)
	if got := w.end("hospital", ending(bsnA), id...); got.status != 409 {
		t.Errorf("the end of what was declared since: got %d %s", got.status, got.body)
	}
	if got := w.get("hospital", searchA); got.status != 200 {
		t.Errorf("nothing ended it, and yet: %d", got.status)
	}
}

func TestEndsThatAreRefused(t *testing.T) {
	ok := ending(bsnA)
	tests := []struct {
		name, caller, body string
		status             int
	}{
		{"nobody named", "hospital", `{"resourceType":"Parameters","parameter":[]}`, 400},
		{"an invalid number", "hospital", ending("123456789"), 400},
		{"another parameter", "hospital", strings.Replace(ok, `"patient"`, `"declaration"`, 1), 400},
		{"two patients", "hospital", strings.Replace(ok, `{"name":"patient"`, `{"name":"patient","valueIdentifier":{"system":"x","value":"y"}},{"name":"patient"`, 1), 400},
		{"not JSON", "hospital", "patient=A", 400},
		{"nothing declared", "hospital", ok, 404},
		{"nobody", "", ok, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			got := w.end(tt.caller, tt.body)
			if got.status != tt.status || w.store.count() != 1 || len(w.store.standings) != 0 {
				t.Errorf("got %d, want %d; %d events: %s", got.status, tt.status, w.store.count(), got.body)
			}
			w.checkNothingLeaks(got, tt.caller)
		})
	}
}

func TestAccessEventsAreForThePatientOnly(t *testing.T) {
	w := newWorld(t)
	w.story()
	w.get("gp", searchA)
	w.get("insurer", searchA)
	w.get("hospital", "/fhir/demo/Observation?patient=B")
	got := w.get("patient-a", "/gateway/AuditEvent")
	if got.status != 200 || len(got.entries()) != 3 { // the search, the refused insurer, and this request itself
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

// events returns how many access events patient A is shown for a query.
func (w *world) events(query string) int {
	w.t.Helper()
	got := w.get("patient-a", "/gateway/AuditEvent"+query)
	if got.status != 200 {
		w.t.Fatalf("%s: got %d %s", query, got.status, got.body)
	}
	w.checkNothingLeaks(got, "patient-a")
	return len(got.entries())
}

// TestDecisionsAndDisclosuresAreFound: an event is shown to a patient as a decision or as a disclosure, whichever is searched for.
func TestDecisionsAndDisclosuresAreFound(t *testing.T) {
	w := newWorld(t)
	w.story()
	for range 5 {
		w.get("gp", searchA)
		w.get("insurer", searchA)
	}
	if got := w.events("?subtype=AuthZ-Consent&outcome=0"); got != 5 {
		t.Errorf("got %d decisions on consent, want the five that permit", got)
	}
	if got := w.events("?type=110113&outcome=8"); got != 5 {
		t.Errorf("got %d decisions that refuse, want 5", got)
	}
	disclosed := w.get("patient-a", "/gateway/AuditEvent?subtype=disclose")
	if got := disclosed.entries(); len(got) != 5 {
		t.Fatalf("got disclosures %v, want 5", got)
	}
	for _, id := range disclosed.entries() {
		if got := w.get("patient-a", "/gateway/"+id); !strings.HasSuffix(id, ".disclosure") || got.status != 200 || !strings.Contains(got.body, `"110106"`) {
			t.Errorf("a disclosure by its id %s: got %d", id, got.status)
		}
		if got := w.get("patient-b", "/gateway/"+id); got.status != 404 {
			t.Errorf("somebody else's disclosure: got %d, want 404", got.status)
		}
	}
	for id, want := range map[string]int{".decision": 200, ".notice": 404, "": 200} {
		event := strings.TrimSuffix(disclosed.entries()[0], ".disclosure") + id
		if got := w.get("patient-a", "/gateway/"+event); got.status != want {
			t.Errorf("%s: got %d, want %d", event, got.status, want)
		}
	}
}

func TestAccessEventsAreSearchedAndPaged(t *testing.T) {
	w := newWorld(t)
	w.story()
	for range 5 {
		w.get("gp", searchA)
		w.get("insurer", searchA)
	}
	if got := w.events("?outcome=4"); got != 5 {
		t.Errorf("got %d refusals, want 5", got)
	}
	if got := w.events("?outcome=0&subtype=search-type&date=ge2020"); got != 7 { // five searches, and two requests for events
		t.Errorf("got %d permitted searches, want 7", got)
	}
	if got := w.events("?date=lt2020"); got != 0 {
		t.Errorf("got %d events of before there were any", got)
	}
	if got := w.events("?patient.identifier=http://fhir.nl/fhir/NamingSystem/bsn|" + bsnA); got != 14 {
		t.Errorf("got %d events where the patient names herself, want 14", got)
	}
	if got := w.get("patient-a", "/gateway/AuditEvent?patient.identifier=http://fhir.nl/fhir/NamingSystem/bsn|"+bsnB); got.status != 403 {
		t.Errorf("got %d where the patient names somebody else, want 403", got.status)
	}

	first := w.get("patient-a", "/gateway/AuditEvent?outcome=4&_count=2")
	seen := map[string]bool{}
	page, pages := first, 0
	for {
		pages++
		for _, id := range page.entries() {
			if seen[id] {
				t.Errorf("event %s is on two pages", id)
			}
			seen[id] = true
		}
		next := page.link("next")
		if next == "" {
			break
		}
		page = w.get("patient-a", next)
		if page.status != 200 {
			t.Fatalf("next page: got %d %s", page.status, page.body)
		}
	}
	if len(seen) != 5 || pages != 3 {
		t.Errorf("got %d refusals on %d pages, want 5 on 3", len(seen), pages)
	}
	link := first.link("next")
	if got := w.get("patient-b", link); got.status != 404 {
		t.Errorf("somebody else's page link: got %d, want 404", got.status)
	}
	w.clock = w.clock.Add(11 * time.Minute)
	if got := w.get("patient-a", link); got.status != 404 {
		t.Errorf("a page link of eleven minutes ago: got %d, want 404", got.status)
	}
	for id := range seen {
		if got := w.get("patient-a", "/gateway/"+id); got.status != 200 || !strings.Contains(got.body, strings.TrimPrefix(id, "AuditEvent/")) {
			t.Errorf("an event by its id: got %d", got.status)
		}
		for _, by := range []string{"patient-b", "gp"} {
			if got := w.get(by, "/gateway/"+id); got.status != 404 || strings.Contains(got.body, strings.TrimPrefix(id, "AuditEvent/")) {
				t.Errorf("%s: somebody else's event: got %d, want 404", by, got.status)
			}
		}
	}
	w.store.cut = true
	if got := w.get("patient-a", "/gateway/AuditEvent"); !strings.Contains(got.body, `"incomplete"`) {
		t.Error("the answer does not say that older events are missing")
	}
}
