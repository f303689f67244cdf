package proxy_test

import (
	"strings"
	"testing"
)

// TestAPatientThatChangedIsReadAnew: what was learned from a Patient holds for these bytes and no others.
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
