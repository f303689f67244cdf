package proxy_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/configs"
	"zorgsluis/fhir"
	"zorgsluis/proxy"
)

// stu3 returns a world whose source uses STU3, with records as Dutch services return them.
func stu3(t *testing.T) *world {
	w := newWorld(t, func(p *proxy.Parts) {
		tables, err := configs.Default()
		if err != nil {
			t.Fatal(err)
		}
		s := p.Sources[0]
		s.Version = fhir.STU3
		if s.Classifier, err = fhir.NewClassifier(fhir.STU3, tables.Rules(fhir.STU3), tables.Sensitive); err != nil {
			t.Fatal(err)
		}
		if s.Reader, err = fhir.NewReader(fhir.ReaderOptions{
			Version: fhir.STU3, Base: s.Base, PersonSystems: s.PersonSystems, Classifier: s.Classifier,
		}); err != nil {
			t.Fatal(err)
		}
	})
	w.store.put(bsnA, permit("c1", "gp", "GGC012"))
	w.source.records = map[string]string{
		"Patient/A":              fixtures()["Patient/A"],
		"Observation/lab":        `{"resourceType":"Observation","id":"lab","status":"final","category":[{"coding":[{"system":"http://snomed.info/sct","code":"275711006"}]}],"code":{"text":"Hb"},"subject":{"reference":"Patient/A"}}`,
		"Observation/lab-hl7":    `{"resourceType":"Observation","id":"lab-hl7","status":"final","category":[{"coding":[{"system":"http://hl7.org/fhir/observation-category","code":"laboratory"}]}],"code":{"text":"Hb"},"subject":{"reference":"Patient/A"}}`,
		"Observation/vital":      `{"resourceType":"Observation","id":"vital","status":"final","category":[{"coding":[{"system":"http://hl7.org/fhir/observation-category","code":"vital-signs"}]}],"code":{"text":"` + canary + `"},"subject":{"reference":"Patient/A"}}`,
		"ProcedureRequest/p":     `{"resourceType":"ProcedureRequest","id":"p","status":"active","intent":"order","code":{"text":"` + canary + `"},"subject":{"reference":"Patient/A"}}`,
		"MedicationStatement/ms": `{"resourceType":"MedicationStatement","id":"ms","status":"active","taken":"y","medicationReference":{"display":"` + canary + `"},"subject":{"reference":"Patient/A"}}`,
	}
	return w
}

func TestSTU3SourcesHaveTablesOfTheirOwn(t *testing.T) {
	w := stu3(t)
	got := w.get("gp", "/fhir/demo/Observation?patient.identifier="+bsnSystem+"%7C"+bsnA)
	if want := []string{"Observation/lab", "Observation/lab-hl7"}; got.status != 200 || !slices.Equal(got.entries(), want) {
		t.Errorf("got %d %v, want %v", got.status, got.entries(), want)
	}
	for _, target := range []string{"/fhir/demo/ProcedureRequest/p", "/fhir/demo/MedicationStatement/ms", "/fhir/demo/Observation/vital"} {
		if got := w.get("gp", target); got.status != 404 || strings.Contains(got.body, canary) {
			t.Errorf("%s: got %d %s", target, got.status, got.body)
		}
	}
	if got := w.get("patient-a", "/fhir/demo/ProcedureRequest?status=active"); got.status != 200 || len(got.entries()) != 1 {
		t.Errorf("the patient's own request, bound by the token: %d %v", got.status, got.entries())
	}
	if got := w.get("gp", "/fhir/demo/ServiceRequest?patient=A"); got.status != 404 {
		t.Errorf("a type of R4: got %d, want 404", got.status)
	}
	if got := w.send("gp", "GET", "/fhir/demo/Observation/lab", "", "", "Accept", "application/fhir+json; fhirVersion=4.0"); got.status != 406 {
		t.Errorf("MT-2 R4 of a STU3 source: got %d, want 406", got.status)
	}
	if got := w.get("gp", "/fhir/demo/metadata"); !strings.Contains(got.body, `"3.0.2"`) && !strings.Contains(got.body, `"3.0.1"`) {
		t.Errorf("the statement is not of STU3: %.200s", got.body)
	}
}
