package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// TestNecessaryForTheWork: a category of providers never gets more than what the operator calls necessary, whatever the patient consents to;
// others get what they got, the patient gets everything, and an emergency opens as much as before, though it is reviewed.
func TestNecessaryForTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start("  channels: { regional", "  necessary: { pharmacy: [GGC013], hospital: [GGC012] }\n  channels: { regional")
	karena, johanna, pharmacist, doctor := demo.Karena(), demo.Johanna(), demo.Pharmacist(), demo.EmergencyDoctor()
	w.mustPut(permit(consent.Side{Category: "pharmacy"}), karena)

	conditions := g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "a category without a cap").entries()
	if len(conditions) == 0 {
		t.Fatal("the source has no condition")
	}
	r := g.ask(pharmacist, search("MedicationRequest", karena, "_include", "MedicationRequest:encounter")).wantStatus(t, http.StatusOK, "medication")
	if got := r.entries(); !slices.ContainsFunc(got, ofType("MedicationRequest")) || slices.ContainsFunc(got, ofType("Encounter")) {
		t.Errorf("got %v, want medication without the encounters that it refers to", got)
	}
	w.wantEvent(r, audit.OutcomePermit, "ok-consent")
	r = g.ask(pharmacist, search("Condition", karena)).wantStatus(t, http.StatusOK, "conditions")
	if got := r.entries(); len(got) != 0 {
		t.Errorf("the pharmacist got %v, want nothing", got)
	}
	w.wantEvent(r, audit.OutcomeDeny, "not-for-role")
	r = g.ask(pharmacist, get("/fhir/demo/"+conditions[0])).wantStatus(t, http.StatusNotFound, "read a condition")
	w.wantEvent(r, audit.OutcomeDeny, "not-for-role")

	r = g.ask(pharmacist, get("/fhir/demo/Patient/"+string(karena.PatientID)+"/$everything?_count=200")).wantStatus(t, http.StatusOK, "$everything")
	got := r.entries()
	if !slices.ContainsFunc(got, ofType("MedicationRequest")) || slices.ContainsFunc(got, ofType("Condition")) || slices.ContainsFunc(got, ofType("Patient")) {
		t.Errorf("$everything brought %v, want medication and nothing beyond", got)
	}

	// Consent to something unnecessary opens nothing at all, and the source is not contacted.
	w.mustPut(permit(consent.Side{Category: "pharmacy"}, "Condition"), johanna)
	g.ask(pharmacist, search("MedicationRequest", johanna)).wantStatus(t, http.StatusForbidden, "no consent")
	w.source.Reset()
	r = g.ask(pharmacist, search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "consent to what is not needed")
	r.wantNothing(t, "consent to what is not needed")
	w.wantEvent(r, audit.OutcomeDeny, "not-for-role")
	for _, asked := range w.source.Requests() {
		if strings.HasPrefix(asked.Path, "Condition") {
			t.Errorf("the source was asked %s?%s", asked.Path, asked.Query)
		}
	}

	own := g.ask(demo.Patient("patient", karena), get("/fhir/demo/Condition")).wantStatus(t, http.StatusOK, "the patient's own")
	if len(own.entries()) != len(conditions) {
		t.Errorf("the patient got %v, want %v", own.entries(), conditions)
	}
	w.mustPut(permit(partyHospital), karena)
	r = g.ask(doctor, get("/fhir/demo/"+conditions[0])).wantStatus(t, http.StatusNotFound, "a hospital before the declaration")
	w.wantEvent(r, audit.OutcomeDeny, "not-for-role")
	g.ask(doctor, declare(karena)).wantStatus(t, http.StatusCreated, "declaration")
	r = g.ask(doctor, get("/fhir/demo/"+conditions[0])).wantStatus(t, http.StatusOK, "an emergency")
	if e := w.wantEvent(r, audit.OutcomePermit, "ok-consent"); e.Declaration == "" || !slices.Contains(e.Obligations, policy.ObligationReview) {
		t.Errorf("the emergency is not marked: %+v", e)
	}

	if out := must(t, "", "check", "--config", file); !strings.Contains(out, "necessary for their work") || !strings.Contains(out, "AllergyIntolerance, MedicationRequest, MedicationUse\n") {
		t.Errorf("check does not tell of the caps:\n%s", out)
	}
	before, _, _, _ := w.configure()
	if out := must(t, "", "check", "--config", file, "--against", before); !strings.Contains(out, "- regional") || strings.Contains(out, "+ regional") || strings.Contains(out, "emergency, nothing") {
		t.Errorf("compared with no caps: got what is not only a loss, and not in emergencies:\n%s", out)
	}
}
