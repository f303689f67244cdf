package proxy_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// medicated is a world with two prescriptions of A: of a plain Medication, and of one whose code tells a disorder (CA-6).
func medicated(t *testing.T, data ...string) *world {
	t.Helper()
	w := newWorld(t)
	w.store.put(bsnA, permit("c1", "gp", data...))
	w.source.records["MedicationRequest/rx-psy"] = `{"resourceType":"MedicationRequest","id":"rx-psy","status":"active","intent":"order",` +
		`"medicationReference":{"reference":"Medication/m-psy","display":"` + canary + `"},"subject":{"reference":"Patient/A"}}`
	w.source.records["Medication/m-psy"] = `{"resourceType":"Medication","id":"m-psy","code":{"coding":[{"system":"http://www.whocc.no/atc","code":"N06AB06"}],"text":"` + canary + `"}}`
	return w
}

// TestTheNameOfAMedicationIsNotToldBesideIt is CA-6: a prescription that only refers to a Medication whose code is restricted does not say its
// name.
func TestTheNameOfAMedicationIsNotToldBesideIt(t *testing.T) {
	for _, target := range []string{"/fhir/demo/MedicationRequest/rx-psy", "/fhir/demo/MedicationRequest?patient=A&_include=MedicationRequest:medication"} {
		if got := medicated(t, "MedicationRequest").get("gp", target); got.status != 200 || strings.Contains(got.body, canary) {
			t.Errorf("%s: got %d %s", target, got.status, got.body)
		}
		if got := medicated(t, "MedicationRequest", "Restricted").get("gp", target); got.status != 200 || !strings.Contains(got.body, `"display":"`+canary+`"`) {
			t.Errorf("%s, to one who may know: got %d %s", target, got.status, got.body)
		}
	}
}

// TestADisplayTellsNothingThatACodeRestricts is RF-13: a resource that refers to one of a permitted type does not say what that is called, as
// long as its code may have restricted it.
func TestADisplayTellsNothingThatACodeRestricts(t *testing.T) {
	for _, tt := range []struct {
		data []string
		told bool
	}{
		{[]string{"MedicationRequest"}, false},
		{[]string{"MedicationRequest", "Condition"}, false},
		{[]string{"MedicationRequest", "Restricted"}, false},
		{[]string{"MedicationRequest", "Condition", "Restricted"}, true},
	} {
		got := medicated(t, tt.data...).get("gp", "/fhir/demo/MedicationRequest/rx-A")
		if got.status != 200 || !strings.Contains(got.body, "Condition/c-A") || strings.Contains(got.body, canary) != tt.told {
			t.Errorf("%v: got %d %s, want the display %t", tt.data, got.status, got.body, tt.told)
		}
	}
}

// TestAChainTellsNothingOfAHiddenMedication is OR-3: whether a prescription refers to a Medication with a code is answered only where that
// Medication may be seen; of the others the answer is the same whatever their codes are.
func TestAChainTellsNothingOfAHiddenMedication(t *testing.T) {
	const (
		asked = "/fhir/demo/MedicationRequest?patient=A&medication.code="
		psy   = "http://www.whocc.no/atc%7CN06AB06"
	)
	answer := func(rows ...string) func(w *world) func(http.ResponseWriter, *http.Request) bool {
		return func(w *world) func(http.ResponseWriter, *http.Request) bool {
			return func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/MedicationRequest") {
					return false
				}
				if !slices.Contains(r.URL.Query()["_include"], "MedicationRequest:medication") {
					t.Errorf("the source was asked %s", r.URL.RawQuery)
				}
				rw.Header().Set("Content-Type", "application/fhir+json")
				io.WriteString(rw, w.source.bundle("MedicationRequest?"+r.URL.RawQuery, func(id, _ string) bool { return slices.Contains(rows, id) }))
				return true
			}
		}
	}
	for name, tt := range map[string]struct {
		data   []string
		source func(*world) func(http.ResponseWriter, *http.Request) bool
		want   []string
	}{
		"the code of a hidden one is found": {[]string{"MedicationRequest"}, answer("MedicationRequest/rx-psy", "Medication/m-psy"), nil},
		"and of one that is hidden with it": {[]string{"MedicationRequest"}, answer("MedicationRequest/rxpsy-A"), nil},
		"nothing is found":                  {[]string{"MedicationRequest"}, answer(), nil},
		"a plain one is found": {[]string{"MedicationRequest"}, answer("MedicationRequest/rx-A", "MedicationRequest/rx-psy", "Medication/m1", "Medication/m-psy"),
			[]string{"MedicationRequest/rx-A"}},
		"the source brings no Medications": {[]string{"MedicationRequest"}, answer("MedicationRequest/rx-A"), nil},
		"all may be seen":                  {[]string{"MedicationRequest", "Restricted"}, answer("MedicationRequest/rx-psy", "Medication/m-psy"), []string{"MedicationRequest/rx-psy"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := medicated(t, tt.data...)
			w.source.intercept = tt.source(w)
			got := w.get("gp", asked+psy)
			if entries := got.entries(); got.status != 200 || !slices.Equal(entries, tt.want) {
				t.Errorf("got %d %v, want %v", got.status, entries, tt.want)
			}
			if len(tt.want) == 0 && strings.Contains(got.body, "rx-") {
				t.Errorf("got %s", got.body)
			}
		})
	}
}
