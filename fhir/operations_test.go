package fhir_test

import (
	"reflect"
	"slices"
	"testing"

	"zorgsluis/fhir"
)

// TestEverythingIsBoundSearches is OP-1: the gateway sends its own searches, never the source's operation.
func TestEverythingIsBoundSearches(t *testing.T) {
	t.Parallel()
	all := everything().Everything(fhir.R4)
	var types []string
	for _, i := range all {
		types = append(types, i.Type)
		if want := search(i.Type, patientA); !reflect.DeepEqual(i, want) {
			t.Errorf("got %+v, want %+v", i, want)
		}
		if i.Outbound(fhir.R4, "A") == "" || i.Outbound(fhir.R4, "B") != "" {
			t.Errorf("%s is not bound", i.Type)
		}
	}
	if types[0] != "Patient" || !slices.IsSorted(types[1:]) {
		t.Errorf("got types %v, want the Patient and then the others in order", types)
	}
	if slices.Sort(types); !slices.Equal(types, fhir.Types(fhir.R4)) {
		t.Errorf("got types %v, want all that are served", types)
	}

	some := everything(par("_count", "7"), par("_since", "2020"), par("_type", "Condition,Group,Observation,Patient,Practitioner"))
	shape := []fhir.Param{par("_count", "7"), par("_lastUpdated", "ge2020")}
	want := []fhir.Interaction{search("Patient", patientA, shape...), search("Condition", patientA, shape...), search("Observation", patientA, shape...)}
	got := some.Everything(fhir.R4)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got[0].Params[0].Value = "changed"
	if got[1].Count() != 7 || some.Count() != 7 {
		t.Error("the searches share their parameters")
	}
	for name, got := range map[string][]fhir.Interaction{
		"a search": search("Patient", patientA).Everything(fhir.R4), "no version": everything().Everything(0),
	} {
		if got != nil {
			t.Errorf("%s: got %+v, want nothing", name, got)
		}
	}
	if got := everything(par("_count", "7")).Outbound(fhir.R4, "A"); got != "" {
		t.Errorf("the source is asked %q", got)
	}
}

// TestLastNIsASearch is OP-3: the gateway counts by itself, so that hidden rows cannot displace others.
func TestLastNIsASearch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		i      fhir.Interaction
		search fhir.Interaction
		most   int
	}{
		{lastN(patientA), search("Observation", patientA, par("_sort", "-date")), 1},
		{
			lastN(byBSN, par("_include", "Observation:specimen"), par("code", "a"), par("max", "3"), par("patient", "x")),
			search("Observation", byBSN, par("_include", "Observation:specimen"), par("_sort", "-date"), par("code", "a"), par("patient", "x")), 3,
		},
		{search("Observation", patientA), fhir.Interaction{}, 0},
	} {
		before := slices.Clone(c.i.Params)
		if got, most := c.i.LastN(); !reflect.DeepEqual(got, c.search) || most != c.most {
			t.Errorf("got  %+v, %d\nwant %+v, %d", got, most, c.search, c.most)
		}
		if !slices.Equal(before, c.i.Params) {
			t.Errorf("it changed to %v", c.i.Params)
		}
	}
	if got := lastN(patientA).Outbound(fhir.R4, "A"); got != "" {
		t.Errorf("the source is asked %q", got)
	}
}

func TestCountIsTheGatesToChoose(t *testing.T) {
	t.Parallel()
	i := search("Observation", patientA, par("_count", "5"), par("code", "a"))
	if i.Count() != 5 || search("Observation", patientA).Count() != 0 {
		t.Errorf("got %d and %d", i.Count(), search("Observation", patientA).Count())
	}
	for n, want := range map[int]fhir.Interaction{
		20: search("Observation", patientA, par("_count", "20"), par("code", "a")), 0: search("Observation", patientA, par("code", "a")),
	} {
		if got := i.WithCount(n); !reflect.DeepEqual(got, want) || i.Count() != 5 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	want := search("Observation", patientA, par("_count", "3"), par("a", "b"))
	if got := search("Observation", patientA, par("a", "b")).WithCount(3); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := search("Observation", patientA, par("_count", "3")).WithCount(0); got.Params != nil {
		t.Errorf("got %+v, want no parameters at all", got)
	}
}

func TestHasIncludes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"_include": true, "_include:iterate": true, "_revinclude": true, "_count": false, "code": false} {
		if got := search("Observation", patientA, par(name, "x")).HasIncludes(); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
