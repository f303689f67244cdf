package fhir

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMembershipIsOfTheCompartment checks what decides whose a resource is: an element that CompartmentDefinition/patient
// nominates (RM-13, IN-4), and a parameter of the type that names the patient.
func TestMembershipIsOfTheCompartment(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/r4/types.json")
	if err != nil {
		t.Fatal(err)
	}
	var types []struct {
		Type  string
		Paths []struct {
			Path        string
			Compartment bool
		}
	}
	if err := json.Unmarshal(b, &types); err != nil {
		t.Fatal(err)
	}
	for _, typ := range types {
		rule, ok := ruleFor(R4, typ.Type)
		if !ok || rule.class != ClassPatient || typ.Type == typePatient {
			continue
		}
		if len(rule.member) == 0 {
			t.Errorf("%s belongs to nobody", typ.Type)
		}
		for _, member := range rule.member {
			nominated := false
			for _, p := range typ.Paths {
				nominated = nominated || p.Path == member && p.Compartment
			}
			if !nominated {
				t.Errorf("%s.%s is not nominated by the compartment", typ.Type, member)
			}
		}
		if rule.params[rule.patientParam].kind != kindPatient {
			t.Errorf("%s is bound by %s, which does not name the patient", typ.Type, rule.patientParam)
		}
	}
	rule, ok := ruleFor(R4, typePatient)
	if !ok || len(rule.member) != 0 || rule.params[rule.patientParam].kind != kindPatientID {
		t.Errorf("a Patient is bound by %+v, want its own id", rule)
	}
}

// TestTablesSayEverythingOnce finds a name that is written down twice: one of the two would be lost.
func TestTablesSayEverythingOnce(t *testing.T) {
	t.Parallel()
	types := strings.Fields(r4Shared)
	for _, names := range r4Refused {
		types = append(types, strings.Fields(names)...)
	}
	for _, bound := range []map[string]boundType{r4BoundAToE, r4BoundFToZ} {
		for name, typ := range bound {
			types = append(types, name)
			params := strings.Fields(strings.Join([]string{
				typ.names, typ.tokens, typ.dates, typ.strings, typ.quantities, typ.numbers, typ.uris, typ.composites,
			}, " "))
			params = slices.AppendSeq(params, maps.Keys(typ.refs))
			params = slices.AppendSeq(params, maps.Keys(typ.includes))
			for _, names := range typ.refused {
				params = append(params, strings.Fields(names)...)
			}
			reportTwice(t, name, params)
		}
	}
	reportTwice(t, "R4", types)
	for name, rule := range r4.types {
		if (rule.class == ClassPatient) != (rule.reason == "") {
			t.Errorf("%s is of class %d with the reason %q", name, rule.class, rule.reason)
		}
	}
}

func reportTwice(t *testing.T, where string, names []string) {
	t.Helper()
	slices.Sort(names)
	for n := range names[1:] {
		if names[n] == names[n+1] {
			t.Errorf("%s: %s is listed twice", where, names[n])
		}
	}
}
