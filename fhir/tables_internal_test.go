package fhir

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMembershipIsOfTheCompartment checks what decides which patient a resource belongs to: an element that
// CompartmentDefinition/patient nominates (RM-13, IN-4), or else the element "patient" (RM-17); and a parameter of the type that
// names the patient.
func TestMembershipIsOfTheCompartment(t *testing.T) {
	t.Parallel()
	for v, folder := range map[Version]string{R4: "testdata/r4/", STU3: "testdata/stu3/"} {
		for _, typ := range compartmentTypes(t, folder) {
			rule, ok := ruleFor(v, typ.Type)
			if !ok || rule.class != ClassPatient || typ.Type == typePatient {
				continue
			}
			if len(rule.member) == 0 {
				t.Errorf("%s belongs to nobody", typ.Type)
			}
			for _, member := range rule.member {
				if !typ.decides(member) {
					t.Errorf("%s.%s is not nominated by the compartment", typ.Type, member)
				}
			}
			if rule.params[rule.patientParam].kind != kindPatient {
				t.Errorf("%s is bound by %s, which does not name the patient", typ.Type, rule.patientParam)
			}
		}
		rule, ok := ruleFor(v, typePatient)
		if !ok || len(rule.member) != 0 || rule.params[rule.patientParam].kind != kindPatientID {
			t.Errorf("a Patient is bound by %+v, want its own id", rule)
		}
	}
}

// compartmentType is a type with the elements that may name a patient.
type compartmentType struct {
	Type                 string
	InPatientCompartment bool
	Paths                []struct {
		Path        string
		Compartment bool
		Shape       string // the path with [] after each name of a list
	}
	Classifying []string // category and code, as shapes
}

// compartmentTypes reads the types of a version.
func compartmentTypes(t *testing.T, folder string) []compartmentType {
	t.Helper()
	b, err := os.ReadFile(folder + "types.json")
	if err != nil {
		t.Fatal(err)
	}
	var types []compartmentType
	if err := json.Unmarshal(b, &types); err != nil {
		t.Fatal(err)
	}
	return types
}

// decides reports whether an element may decide which patient the resource belongs to.
func (c compartmentType) decides(member string) bool {
	for _, p := range c.Paths {
		if p.Path == member && (p.Compartment || !c.InPatientCompartment && member == "patient") {
			return true
		}
	}
	return false
}

// TestTablesSayEverythingOnce finds a name that is listed twice: one of the two would be lost.
func TestTablesSayEverythingOnce(t *testing.T) {
	t.Parallel()
	checkOnce(t, "R4", r4, r4Shared, r4Refused, r4Operations, r4Nictiz, r4BoundAToE, r4BoundFToZ)
	checkOnce(t, "STU3", stu3, stu3Shared, stu3Refused, stu3Operations, stu3Nictiz, stu3BoundAToE, stu3BoundFToZ)
	general := slices.Collect(maps.Keys(generalParams))
	for _, names := range generalRefused {
		general = append(general, strings.Fields(names)...)
	}
	reportTwice(t, "general", general)
}

func checkOnce(t *testing.T, where string, table *table, shared string, refused, operations byReason, local map[string]boundType, bound ...map[string]boundType) {
	t.Helper()
	types := strings.Fields(shared)
	for _, names := range refused {
		types = append(types, strings.Fields(names)...)
	}
	for _, some := range bound {
		for name, typ := range some {
			types = append(types, name)
			reportTwice(t, where+" "+name, append(typ.allParams(), local[name].allParams()...))
		}
	}
	reportTwice(t, where, types)
	for name := range local {
		if !slices.Contains(types, name) {
			t.Errorf("%s: there are parameters for %s, which is not served", where, name)
		}
	}
	var all []string
	for _, names := range operations {
		all = append(all, strings.Fields(names)...)
	}
	reportTwice(t, where+" operations", all)
	for name, rule := range table.types {
		if (rule.class == ClassPatient) != (rule.reason == "") {
			t.Errorf("%s: %s is of class %d with the reason %q", where, name, rule.class, rule.reason)
		}
	}
}

// allParams returns all parameter names listed for a type.
func (b boundType) allParams() []string {
	params := strings.Fields(strings.Join([]string{b.names, b.tokens, b.dates, b.strings, b.quantities, b.numbers, b.uris, b.composites}, " "))
	params = slices.AppendSeq(params, maps.Keys(b.refs))
	params = slices.AppendSeq(params, maps.Keys(b.includes))
	for _, names := range b.refused {
		params = append(params, strings.Fields(names)...)
	}
	return params
}

func reportTwice(t *testing.T, where string, names []string) {
	t.Helper()
	slices.Sort(names)
	for n := range max(len(names)-1, 0) {
		if names[n] == names[n+1] {
			t.Errorf("%s: %s is listed twice", where, names[n])
		}
	}
}
