package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/proxy"
)

// medicated returns a world with two prescriptions of A: of a plain Medication, and of one whose code reveals a disorder (CA-6).
func medicated(t *testing.T, data ...string) *world {
	t.Helper()
	w := newWorld(t, func(p *proxy.Parts) { p.Sources[0].Allow = fhir.AllowVRead | fhir.AllowHistory })
	w.store.put(bsnA, permit("c1", "gp", data...))
	w.source.records["MedicationRequest/rx-psy"] = `{"resourceType":"MedicationRequest","id":"rx-psy","status":"active","intent":"order",` +
		`"medicationReference":{"reference":"Medication/m-psy","display":"` + canary + `"},"subject":{"reference":"Patient/A"}}`
	w.source.records["Medication/m-psy"] = `{"resourceType":"Medication","id":"m-psy","code":{"coding":[{"system":"http://www.whocc.no/atc","code":"N06AB06"}],"text":"` + canary + `"}}`
	return w
}

// TestAPrescriptionIsAsSensitiveAsItsMedication: a prescription that only refers to a Medication with a restricted code is released only to
// callers who may see that Medication, however it is requested (CA-6).
func TestAPrescriptionIsAsSensitiveAsItsMedication(t *testing.T) {
	may, mayNot := []string{"MedicationRequest", "MedicationUse", "Patient", "Restricted"}, []string{"MedicationRequest", "MedicationUse", "Patient"}
	for _, target := range []string{
		"MedicationRequest/rx-psy", "MedicationRequest/rx-psy/_history/1", "MedicationRequest/rx-psy/_history",
		"MedicationRequest?patient=A", "MedicationRequest?patient=A&_include=MedicationRequest:medication",
		"MedicationDispense?patient=A&_include=MedicationDispense:prescription", "Patient?_id=A&_revinclude=MedicationRequest:patient",
		"Patient/A/$everything",
	} {
		for _, data := range [][]string{mayNot, may} {
			w := medicated(t, data...)
			w.source.records["MedicationDispense/d"] = `{"resourceType":"MedicationDispense","id":"d","status":"completed","subject":{"reference":"Patient/A"},` +
				`"authorizingPrescription":[{"reference":"MedicationRequest/rx-psy"},{"reference":"MedicationRequest/rx-A"}],"medicationReference":{"reference":"Medication/m1"}}`
			w.source.intercept = w.source.withMedications
			got := w.get("gp", "/fhir/demo/"+target)
			told := strings.Contains(got.body, `"id":"rx-psy"`)
			if told != slices.Contains(data, "Restricted") || told && !strings.Contains(got.body, `"display":"`+canary+`"`) || !told && strings.Contains(got.body, canary) {
				t.Errorf("%s, %v: got %d %s", target, data, got.status, got.body)
			}
			if reason := w.store.last(t).Reason; !told && got.status == 404 && reason != "no-consent" {
				t.Errorf("%s: the event says %q", target, reason)
			}
			if plain := strings.Contains(got.body, `"id":"rx-A"`); plain != strings.Contains(target, "?") && plain != strings.Contains(target, "$") {
				t.Errorf("%s, %v: a plain prescription is given: %t", target, data, plain)
			}
		}
	}
}

// withMedications adds what the careless source lacks: versions, and searches with includes.
func (s *fakeSource) withMedications(w http.ResponseWriter, r *http.Request) bool {
	path, history, versions := strings.Cut(strings.TrimPrefix(r.URL.Path, "/fhir/"), "/_history")
	w.Header().Set("Content-Type", "application/fhir+json")
	switch {
	case history != "":
		io.WriteString(w, s.records[path])
	case versions:
		io.WriteString(w, `{"resourceType":"Bundle","type":"history","entry":[{"resource":`+s.records[path]+`,"request":{"method":"PUT","url":"`+path+`"}}]}`)
	case strings.Contains(path, "/"):
		return false
	default:
		q := r.URL.Query()
		asked := fmt.Sprint(q["_include"], q["_revinclude"], q["_include:iterate"])
		io.WriteString(w, s.bundle(path+"?"+r.URL.RawQuery, func(id, _ string) bool {
			typ, _, _ := strings.Cut(id, "/")
			return typ == path || typ == "MedicationRequest" && strings.Contains(asked, "MedicationDispense:prescription") ||
				typ == "MedicationRequest" && strings.Contains(asked, "MedicationRequest:patient") ||
				typ == "Medication" && (strings.Contains(asked, "MedicationRequest:medication") || q.Get("_id") != "")
		}))
	}
	return true
}

// TestAMedicationThatIsNotThereIsNotNamed: a prescription of a Medication that does not exist is released without its name (CA-6).
func TestAMedicationThatIsNotThereIsNotNamed(t *testing.T) {
	for _, target := range []string{"/fhir/demo/MedicationRequest/rx-psy", "/fhir/demo/MedicationRequest?patient=A"} {
		for _, data := range [][]string{{"MedicationRequest"}, {"MedicationRequest", "Restricted"}} {
			w := medicated(t, data...)
			delete(w.source.records, "Medication/m-psy")
			got := w.get("gp", target)
			if got.status != 200 || !strings.Contains(got.body, `"id":"rx-psy"`) || strings.Contains(got.body, canary) != (len(data) > 1) {
				t.Errorf("%s, %v: got %d %s", target, data, got.status, got.body)
			}
		}
	}
}

// TestADisplayTellsNothingThatACodeRestricts: a reference to a resource of a permitted type loses its display text if the code of that
// resource may restrict it (RF-13).
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

// TestAChainTellsNothingOfAHiddenMedication: whether a prescription refers to a Medication with a code is answered only if that Medication
// is permitted; for others the answer does not depend on their codes (OR-3).
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
