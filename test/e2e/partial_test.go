package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestPartial: a pharmacist with consent for medication gets the medication, and nothing else: not by a search, a read, an include or a display
// text.
func TestPartial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	karena, pharmacist := demo.Karena(), demo.Pharmacist()
	medication := g.ask(pharmacist, search("MedicationRequest", karena)).wantStatus(t, http.StatusOK, "medication")
	if len(medication.entries()) == 0 {
		t.Error("the pharmacist gets no medication")
	}
	w.wantEvent(medication, audit.OutcomePermit, "ok-consent")

	conditions := g.ask(demo.GP(), search("Condition", karena)).entries()
	if len(conditions) == 0 {
		t.Fatal("the source has no condition")
	}
	r := g.ask(pharmacist, search("Condition", karena)).wantStatus(t, http.StatusOK, "conditions")
	if got := r.entries(); len(got) != 0 {
		t.Errorf("the pharmacist got %v, want nothing", got)
	}
	e := w.wantEvent(r, audit.OutcomeDeny, "no-consent")
	if len(e.Disclosed) != 0 {
		t.Errorf("the event tells of %v, want nothing disclosed", e.Disclosed)
	}
	r = g.ask(pharmacist, get("/fhir/demo/"+conditions[0])).wantStatus(t, http.StatusNotFound, "read a condition")
	w.wantEvent(r, audit.OutcomeDeny, "no-consent")

	included := question{
		method: http.MethodPost, path: "/fhir/demo/MedicationRequest/_search", contentType: "application/x-www-form-urlencoded",
		body: search("MedicationRequest", karena).body + "&_include=MedicationRequest:encounter&_include=MedicationRequest:requester",
	}
	r = g.ask(pharmacist, included).wantStatus(t, http.StatusOK, "include")
	got := r.entries()
	if slices.ContainsFunc(got, ofType("Encounter")) {
		t.Errorf("an include brought %v, want no encounter", got)
	}
	if !slices.ContainsFunc(got, ofType("Practitioner")) {
		t.Errorf("an include brought %v, want the practitioner who prescribed", got)
	}
	for _, c := range conditions {
		for name, body := range map[string]string{"medication": medication.body, "include": r.body} {
			if code := codeText(t, w, c); strings.Contains(body, code) && code != "" {
				t.Errorf("%s: the text of a condition is in the answer", name)
			}
		}
	}
}

// codeText returns the words of a resource.
func codeText(t *testing.T, w *world, name string) string {
	t.Helper()
	_, rest, _ := strings.Cut(string(w.source.Resource(name)), `"text":"`)
	words, _, _ := strings.Cut(rest, `"`)
	return words
}
