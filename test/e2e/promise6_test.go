package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestPromise6AnotherPatientsDataNeverLeaves: the source puts records of others, and of data categories that are not permitted, into every
// hiding place of an answer. None of it is released, in any type, page, link, header or length of an answer.
func TestPromise6AnotherPatientsDataNeverLeaves(t *testing.T) {
	t.Parallel()
	karena, milan := demo.Karena(), demo.Milan()
	own, other := string(karena.PatientID), string(milan.PatientID)
	condition := func(id, patient, more string) demo.Resource {
		return demo.Resource(fmt.Sprintf(`{"resourceType":"Condition","id":"%s","subject":{"reference":"Patient/%s"},"code":{"text":"%s"}%s}`, id, patient, id, more))
	}
	contained := func(resource string) string { return `,"contained":[` + resource + `]` }
	hidden := map[string]demo.Resource{
		"another patient's":                     condition(marker+"1", other, ""),
		"another's contained in hers":           condition(marker+"2", own, contained(string(condition(marker, other, "")))),
		"a patient contained in hers":           condition(marker+"3", own, contained(`{"resourceType":"Patient","id":"p","identifier":[{"system":"`+demo.SystemBSN+`","value":"`+milan.BSN+`"}]}`)),
		"nobody's":                              demo.Resource(`{"resourceType":"Condition","id":"` + marker + `4"}`),
		"somebody's who is named by identifier": demo.Resource(`{"resourceType":"Condition","id":"` + marker + `5","subject":{"identifier":{"system":"` + demo.SystemBSN + `","value":"` + milan.BSN + `"}}}`),
		"hers, with another's number":           demo.Resource(`{"resourceType":"Condition","id":"` + marker + `15","subject":{"reference":"Patient/` + own + `","identifier":{"system":"` + demo.SystemBSN + `","value":"` + milan.BSN + `"}}}`),
		"one on another server":                 demo.Resource(`{"resourceType":"Condition","id":"` + marker + `6","subject":{"reference":"https://elsewhere.example/Patient/` + own + `"}}`),
		"one that is labelled":                  condition(marker+"7", own, `,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"V"}]}`),
		"another type than asked, of another":   demo.Resource(`{"resourceType":"Observation","id":"` + marker + `8","status":"final","subject":{"reference":"Patient/` + other + `"}}`),
		"another patient":                       demo.Resource(`{"resourceType":"Patient","id":"` + marker + `9","identifier":[{"system":"` + demo.SystemBSN + `","value":"` + milan.BSN + `"}]}`),
		"a shared one that nothing refers to":   demo.Resource(`{"resourceType":"Practitioner","id":"` + marker + `10"}`),
		"a bundle with another's":               demo.Resource(`{"resourceType":"Bundle","id":"` + marker + `11","type":"collection","entry":[{"resource":` + string(condition(marker, other, "")) + `}]}`),
		"a message of the source":               demo.Resource(`{"resourceType":"OperationOutcome","id":"` + marker + `12","issue":[{"severity":"information","code":"informational","diagnostics":"` + marker + `"}]}`),
		"one of a type that is refused":         demo.Resource(`{"resourceType":"Group","id":"` + marker + `13","member":[{"entity":{"reference":"Patient/` + own + `"}}]}`),
		"a parameters resource":                 demo.Resource(`{"resourceType":"Parameters","id":"` + marker + `14","parameter":[{"name":"p","resource":` + string(condition(marker, other, "")) + `}]}`),
		"one of a type that nobody knows":       demo.Resource(`{"resourceType":"` + marker + `","id":"x","subject":{"reference":"Patient/` + own + `"}}`),
	}
	w := newWorld(t)
	g, _ := w.start()
	gp := demo.GP()
	types := g.servedTypes()
	want := map[string]string{}
	for _, typ := range types {
		want[typ] = text(g.ask(gp, about(typ, karena)).entries())
	}
	leaks := func(name string, r reply) {
		t.Helper()
		for _, secret := range []string{marker, other, milan.BSN, "Beatty", w.source.URL(), strings.TrimPrefix(w.source.URL(), "http://")} {
			if strings.Contains(r.body, secret) || strings.Contains(fmt.Sprint(r.header, r.trailer), secret) {
				t.Errorf("%s: %q left the gateway", name, secret)
			}
		}
	}
	for name, resource := range hidden {
		w.source.Intercept(demo.Only(func(r *http.Request) bool { return !strings.Contains(r.URL.Path, "Patient") }, w.source.ExtraEntries(resource)))
		r := g.ask(gp, search("Condition", karena))
		if r.status != http.StatusOK && r.status != http.StatusBadGateway {
			t.Errorf("%s: got status %d", name, r.status)
		}
		if got := text(r.entries()); r.status == http.StatusOK && got != want["Condition"] {
			t.Errorf("%s: got %s, want %s", name, got, want["Condition"])
		}
		leaks(name, r)
	}
	t.Run("in answers of every type", func(t *testing.T) {
		w.source.Intercept(demo.Only(func(r *http.Request) bool { return !strings.HasSuffix(r.URL.Path, "Patient/_search") }, w.source.ExtraEntries(hidden["another patient's"], hidden["another patient"])))
		for _, typ := range types {
			r := g.ask(gp, about(typ, karena))
			if got := text(r.entries()); r.status == http.StatusOK && got != want[typ] {
				t.Errorf("%s: got %s, want %s", typ, got, want[typ])
			}
			leaks(typ, r)
		}
	})
	t.Run("in what an answer says about itself", func(t *testing.T) {
		w.source.Intercept(w.source.Edit(func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"resourceType":"Bundle",`, `"resourceType":"Bundle","id":"`+marker+`","total":4711,"identifier":{"value":"`+marker+`"},"meta":{"source":"`+marker+`"},"implicitRules":"`+marker+`",`, 1))
		}))
		g.ask(gp, search("Condition", karena)) // its Patient lookup is a Bundle as well; the result does not matter
		w.source.Intercept(nil)
		r := g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "plain")
		leaks("plain", r)
		if strings.Contains(r.body, `"total"`) {
			t.Error("the answer has a total: how much there is that was not shown")
		}
		w.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/Condition") }, w.source.Edit(func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"resourceType":"Bundle",`, `"resourceType":"Bundle","id":"`+marker+`","total":4711,"implicitRules":"`+marker+`",`, 1))
		})))
		r = g.ask(gp, search("Condition", karena))
		leaks("wrapper", r)
		if strings.Contains(r.body, "4711") {
			t.Error("the source's total left")
		}
	})
	t.Run("compressed", func(t *testing.T) {
		w.source.Intercept(nil)
		q := search("Condition", karena)
		q.header = http.Header{"Accept-Encoding": {"gzip, br"}}
		r := g.ask(gp, q).wantStatus(t, http.StatusOK, "compression asked for")
		if r.header.Get("Content-Encoding") != "" {
			t.Error("the answer is compressed: its length tells of what is in it")
		}
	})
	t.Run("of a category that is not allowed", func(t *testing.T) {
		for _, typ := range types {
			r := g.ask(demo.Pharmacist(), about(typ, karena)).wantStatus(t, http.StatusOK, "pharmacist, "+typ)
			for _, e := range w.eventsOf(r.id) {
				if e.Outcome == audit.OutcomePermit && strings.Contains("Condition Procedure Encounter DiagnosticReport ImagingStudy CarePlan", typ) && len(r.entries()) > 0 {
					t.Errorf("the pharmacist got %v", r.entries())
				}
			}
			for _, name := range r.entries() {
				if ofType("Condition")(name) || ofType("Procedure")(name) || ofType("Encounter")(name) || ofType("CarePlan")(name) {
					t.Errorf("the pharmacist got %s", name)
				}
			}
		}
		r := g.ask(demo.Pharmacist(), search("MedicationRequest", karena)).wantStatus(t, http.StatusOK, "medication")
		if len(r.entries()) == 0 {
			t.Error("the pharmacist gets no medication: nothing was shown")
		}
	})
}
