package fhir_test

import (
	"reflect"
	"testing"

	"zorgsluis/fhir"
)

// What an include can have brought along is told by the types on its two ends.
func TestIncludesTellWhatCanComeAlong(t *testing.T) {
	for query, want := range map[string][]fhir.Include{
		"patient=A": nil,
		"patient=A&_include=Observation:encounter":                 {{Source: "Observation", Targets: []string{"Encounter", "EpisodeOfCare"}}},
		"patient=A&_include=Observation:performer:Practitioner":    {{Source: "Observation", Targets: []string{"Practitioner"}}},
		"patient=A&_include=Observation:performer:Patient":         {{Source: "Observation"}},
		"patient=A&_include=Observation:subject":                   {{Source: "Observation", Targets: []string{"Patient"}}},
		"patient=A&_revinclude=DiagnosticReport:result":            {{Source: "DiagnosticReport", Targets: []string{"Observation"}, Reverse: true}},
		"patient=A&_include:iterate=PractitionerRole:organization": {{Source: "PractitionerRole", Targets: []string{"Organization"}, Iterate: true}},
		"patient=A&_revinclude=DiagnosticReport:result&_include=Observation:derived-from:Observation": {
			{Source: "Observation", Targets: []string{"Observation"}}, {Source: "DiagnosticReport", Targets: []string{"Observation"}, Reverse: true},
		},
	} {
		i, err := fhir.ParseInteraction(fhir.R4, fhir.Request{Method: "GET", Path: "Observation", RawQuery: query})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if got := i.Includes(fhir.R4); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", query, got, want)
		}
	}
	if any := (fhir.Include{Targets: []string{"*"}}); !any.Reaches("Condition") || any.Reaches("Patient") {
		t.Error("an include of any type reaches all but patients")
	}
	broken := fhir.Interaction{Params: []fhir.Param{{Name: "_include", Value: "Nonsense:x"}}}
	if got := broken.Includes(fhir.R4); got != nil {
		t.Errorf("a type that is none gives %+v", got)
	}
}
