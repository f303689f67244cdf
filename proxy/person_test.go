package proxy_test

import (
	"strings"
	"testing"

	"zorgsluis/proxy"
)

const bsnOID = "urn:oid:2.16.840.1.113883.2.4.6.3"

// TestOnePersonUnderTwoNamesOfASystem: a patient's consent applies at a source that names the BSN system by its OID, and a resource that
// names another patient in that way is withheld.
func TestOnePersonUnderTwoNamesOfASystem(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) { p.Sources[0].PersonSystems = []string{bsnOID} })
	w.story()
	w.source.records["Patient/A"] = strings.Replace(w.source.records["Patient/A"], bsnSystem, bsnOID, 1)
	if got := w.get("gp", searchA); got.status != 200 {
		t.Fatalf("search: got %d %s, want 200", got.status, got.body)
	}
	if form := w.source.forms[0]; !strings.Contains(form, "2.16.840") {
		t.Errorf("the source was asked %q, want its own name of the system", form)
	}
	if got := w.get("gp", "/fhir/demo/Observation/lab-A"); got.status != 200 {
		t.Errorf("read: got %d %s, want 200", got.status, got.body)
	}
	record := w.source.records["Observation/lab-A"]
	other := `{"subject":{"identifier":{"system":"` + bsnOID + `","value":"` + bsnB + `"},`
	w.source.records["Observation/lab-A"] = strings.Replace(record, `"subject":{`, other[1:], 1)
	if got := w.get("gp", "/fhir/demo/Observation/lab-A"); got.status != 404 {
		t.Errorf("with the number of another patient: got %d %s, want 404", got.status, got.body)
	}
}

// TestAPatientThatChangedIsReadAnew: what was learned from a Patient is used for identical bytes only.
func TestAPatientThatChangedIsReadAnew(t *testing.T) {
	for _, tt := range []struct{ name, before, after string }{
		{"now too young to have consented alone", `"birthDate":"1961-02-03"`, `"birthDate":"2020-02-03"`},
		{"died since", `"birthDate":"1961-02-03"`, `"birthDate":"1961-02-03","deceasedBoolean":true`},
		{"another person's number", bsnA, bsnB},
		{"replaced by another record", `"birthDate":"1961-02-03"`, `"birthDate":"1961-02-03","link":[{"other":{"reference":"Patient/A2"},"type":"replaced-by"}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.story()
			for range 2 {
				if got := w.get("gp", "/fhir/demo/Patient/A"); got.status != 200 {
					t.Fatalf("before: got %d %s, want 200", got.status, got.body)
				}
			}
			was := w.source.records["Patient/A"]
			w.source.records["Patient/A"] = strings.Replace(was, tt.before, tt.after, 1)
			if got := w.get("gp", "/fhir/demo/Patient/A"); got.status != 404 {
				t.Errorf("after: got %d %s, want 404", got.status, got.body)
			}
			w.source.records["Patient/A"] = was
			if got := w.get("gp", "/fhir/demo/Patient/A"); got.status != 200 {
				t.Errorf("changed back: got %d %s, want 200", got.status, got.body)
			}
		})
	}
}
