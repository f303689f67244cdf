package fhir_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

func TestCompanionsOfEverythingAreAskedForByID(t *testing.T) {
	for _, tt := range []struct{ name, target, typ, want string }{
		{"all shared types", "Patient/A/$everything", "Practitioner", "Practitioner?_id=p1,p2&_count=25"},
		{"a type of _type", "Patient/A/$everything?_type=Condition,Practitioner", "Practitioner", "Practitioner?_id=p1,p2&_count=25"},
		{"not a type that _type leaves out", "Patient/A/$everything?_type=Condition", "Practitioner", ""},
		{"since then", "Patient/A/$everything?_since=2026-01-01", "Practitioner", "Practitioner?_id=p1,p2&_count=25&_lastUpdated=ge2026-01-01"},
		{"never what belongs to a patient", "Patient/A/$everything", "Condition", ""},
		{"never what is refused", "Patient/A/$everything", "Group", ""},
		{"nothing with another interaction", "Condition?patient=A", "Practitioner", ""},
	} {
		i := understood(t, tt.target)
		if got := i.CompanionSearch(fhir.R4, tt.typ, []fhir.ID{"p1", "p2"}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	i := understood(t, "Patient/A/$everything")
	for name, ids := range map[string][]fhir.ID{
		"none": nil, "too many": slices.Repeat([]fhir.ID{"p"}, fhir.MaxCompanions+1), "no id": {"p&_include=*"},
	} {
		if got := i.CompanionSearch(fhir.R4, "Practitioner", ids); got != "" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func understood(t *testing.T, target string) fhir.Interaction {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	i, err := fhir.ParseInteraction(fhir.R4, fhir.Request{Method: "GET", Path: path, RawQuery: query})
	if err != nil {
		t.Fatal(err)
	}
	return i
}
