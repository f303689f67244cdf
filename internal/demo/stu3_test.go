//go:build !release

package demo_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

func olderSource(t *testing.T) *demo.Source {
	t.Helper()
	data, err := demo.LoadSTU3()
	if err != nil {
		t.Fatal(err)
	}
	return startSource(t, data, demo.SourceOptions{Version: fhir.STU3})
}

func TestSTU3RecordsAreThoseOfR4Converted(t *testing.T) {
	for _, name := range filesSTU3 {
		want, err := linesSTU3(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readGzipFile(filepath.Join("data", "stu3", name+".ndjson.gz"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the rules make of R4 (%v): see -convert", name, err)
		}
		for _, newer := range []string{`"system":"http://terminology.hl7.org`, `"recordedDate"`, `"doseAndRate"`, `"lifecycleStatus"`, `"hasMember"`} {
			if bytes.Contains(got, []byte(newer)) {
				t.Errorf("%s: %s is of R4", name, newer)
			}
		}
	}
}

func TestEveryPatientOfTheSTU3SourceHasAValidBSN(t *testing.T) {
	s := olderSource(t)
	for _, p := range demo.PeopleSTU3() {
		patient := string(s.Resource("Patient/" + string(p.PatientID)))
		if !elevenTest(p.BSN) || !strings.Contains(patient, `"`+p.BSN+`"`) {
			t.Errorf("%s has no valid BSN at the source", p.Name)
		}
	}
}

func TestSTU3SourceSearchesByTheParametersOfSTU3(t *testing.T) {
	s := olderSource(t)
	karena := "patient=" + string(demo.Karena().PatientID)
	for _, c := range []struct {
		search string
		found  bool
	}{
		{"Condition?asserted-date=gt1990&" + karena, true},
		{"Condition?asserted-date=lt1900&" + karena, false},
		{"Condition?clinical-status=resolved&" + karena, true},
		{"MedicationRequest?_include=MedicationRequest:requester&" + karena, true},
		{"Observation?category=http://hl7.org/fhir/observation-category%7Claboratory&patient=nl-core-Patient-01", true},
		{"Observation?category=http://terminology.hl7.org/CodeSystem/observation-category%7Claboratory&patient=nl-core-Patient-01", false},
		{"ProcedureRequest?" + karena, false},
	} {
		status, b := get(t, s.URL()+"/"+c.search)
		if status != http.StatusOK || b.Total > 0 != c.found {
			t.Errorf("%s: got status %d, %d found", c.search, status, b.Total)
		}
	}
	if status, _ := get(t, s.URL()+"/ServiceRequest?"+karena); status != http.StatusNotFound {
		t.Errorf("a type of R4: got status %d", status)
	}
}
