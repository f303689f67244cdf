package fhir_test

import (
	"strings"
	"testing"

	"zorgsluis/fhir"
)

func TestParseReference(t *testing.T) {
	t.Parallel()
	const base = "http://hapi:8080/fhir"
	patient := fhir.LocalReference{Type: "Patient", ID: "A"}
	for _, c := range []struct {
		name, ref string
		want      fhir.LocalReference
	}{
		{"relative", "Patient/A", patient},
		{"RF-1 with a version", "Patient/A/_history/3", patient},
		{"RF-2 absolute on the own base", base + "/Patient/A", patient},
		{"RF-2 absolute with a version", base + "/Patient/A/_history/3", patient},
		{"of another type", "Observation/a.b-c", fhir.LocalReference{Type: "Observation", ID: "a.b-c"}},
		{"with the longest id", "Patient/" + strings.Repeat("a", 64), fhir.LocalReference{Type: "Patient", ID: fhir.ID(strings.Repeat("a", 64))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := fhir.ParseReference(c.ref, base); !ok || got != c.want {
				t.Errorf("got %v, %v; want %v", got, ok, c.want)
			}
		})
	}
	for name, ref := range map[string]string{
		"empty": "", "RF-2 a longer path": base + "X/Patient/A", "RF-2 no slash after the base": base + "Patient/A", "RF-2 a user before the host": base + "@evil/Patient/A", "RF-2 the base alone": base,
		"RF-2 the base and a slash": base + "/", "RF-2 two slashes": base + "//Patient/A", "RF-2 the base twice": base + "/" + base + "/Patient/A",
		"RF-2 another scheme": "https://hapi:8080/fhir/Patient/A", "RF-3 another server": "https://other.example/fhir/Patient/A",
		"RF-7 contained": "#p1", "RF-8 a UUID": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "RF-8 an OID": "urn:oid:1.2.3",
		"RF-9 conditional": "Patient?identifier=a|b", "RF-10 the type in lower case": "patient/A", "RF-10 a slash at the end": "Patient/A/",
		"RF-10 a slash first": "/Patient/A", "RF-10 a dot first": "./Patient/A", "RF-10 dots": "Patient/../Patient/A", "RF-10 a dot as id": "Patient/.",
		"RF-10 dots as id": "Patient/..", "RF-10 an escape": "Patient%2FA", "RF-10 a query": "Patient/A?x=1", "RF-10 a fragment": "Patient/A#f",
		"RF-10 a Greek letter": "Patient/\u0391", "RF-10 a zero-width space": "Patient/A\u200b", "RF-10 a long id": "Patient/" + strings.Repeat("a", 65),
		"no id": "Patient/", "no type": "/A", "a type that there is not": "Nothing/A", "an abstract type": "Resource/A", "a version without a number": "Patient/A/_history",
		"an empty version": "Patient/A/_history/", "more after the version": "Patient/A/_history/1/2", "another segment": "Patient/A/Observation/1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := fhir.ParseReference(ref, base); ok || got != (fhir.LocalReference{}) {
				t.Errorf("got %v, %v; want nothing", got, ok)
			}
		})
	}
	if got, ok := fhir.ParseReference("Patient/A", ""); !ok || got != patient {
		t.Errorf("without a base: got %v, %v", got, ok)
	}
	if _, ok := fhir.ParseReference("/Patient/A", ""); ok {
		t.Error("without a base a slash first is taken")
	}
}
