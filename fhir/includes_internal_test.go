package fhir

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// choices are the choice elements whose expressions in the standard do not say which type is meant.
var choices = []string{"Consent.source"}

// TestEveryReferenceParameterHasItsElements compares the elements of the reference parameters in the tables with the FHIRPath
// expressions of the standard.
func TestEveryReferenceParameterHasItsElements(t *testing.T) {
	t.Parallel()
	for v, folder := range map[Version]string{R4: "testdata/r4/", STU3: "testdata/stu3/"} {
		b, err := os.ReadFile(folder + "search-parameters.json")
		if err != nil {
			t.Fatal(err)
		}
		var params []struct {
			Base             []string
			Code, Expression string
		}
		if err := json.Unmarshal(b, &params); err != nil {
			t.Fatal(err)
		}
		standard := map[string][]string{} // by "Type:param"
		for _, p := range params {
			for _, base := range p.Base {
				standard[base+":"+p.Code] = append(standard[base+":"+p.Code], elementsOf(base, p.Expression)...)
			}
		}
		for typ, rule := range tableOf(v).types {
			for name, param := range rule.params {
				checkElements(t, tableOf(v), typ+":"+name, param, standard[typ+":"+name])
			}
		}
	}
}

// ofNictiz are the non-standard include parameters, with the FHIRPath expressions of their definitions in the packages
// Nictiz-STU3-Zib2017 and Nictiz-R4-MedicationProcess.
var ofNictiz = map[string]string{
	"CarePlan:activity-goal":             "activity.detail.goal",
	"CarePlan:activity-outcomereference": "activity.outcomeReference",
	"CarePlan:activity-medicaldevice":    "activity.detail.extension(http://nictiz.nl/fhir/StructureDefinition/extension-medicaldevice)",
	"MedicationDispense:location":        "location",
	"MedicationRequest:dispense-location": "dispenseRequest." +
		"extension(http://nictiz.nl/fhir/StructureDefinition/ext-DispenseRequest.DispenseLocation)",
	"MedicationRequest:next-practitioner": "extension(http://nictiz.nl/fhir/StructureDefinition/ext-MedicationAgreement.NextPractitioner)",
	"MedicationRequest:reason":            "reasonReference",
	"MedicationStatement:author":          "extension(http://nictiz.nl/fhir/StructureDefinition/ext-MedicationUse2.Author)",
	"MedicationStatement:prescriber":      "extension(http://nictiz.nl/fhir/StructureDefinition/ext-MedicationUse2.Prescriber)",
}

func checkElements(t *testing.T, table *table, name string, param paramRule, want []string) {
	t.Helper()
	refers := param.kind == kindReference || param.kind == kindPatient || param.kind == kindIncludeOnly
	if local, ok := ofNictiz[name]; refers && len(want) == 0 && ok {
		want = []string{local}
	}
	var got []string
	for _, e := range param.elements {
		path := strings.Join(e.names, ".")
		if e.url != "" {
			path = strings.Replace(path, "extension.valueReference", "extension("+e.url+")", 1)
		}
		got = append(got, strings.TrimSuffix(path, ".reference"))
	}
	slices.Sort(got)
	slices.Sort(want)
	switch {
	case refers && (len(got) == 0 || !slices.Equal(got, want)):
		t.Errorf("%s looks at %v, the standard says %v", name, got, want)
	case !refers && len(got) > 0:
		t.Errorf("%s is no reference and looks at %v", name, got)
	}
	param.elements = nil
	if table.canInclude(param) || table.canRevInclude("Observation", param) || table.canRevInclude(typePatient, param) {
		t.Errorf("%s includes without an element", name)
	}
}

// elementsOf returns the paths of an expression for a type, as JSON names them.
func elementsOf(typ, expression string) (paths []string) {
	for one := range strings.SplitSeq(expression, " | ") {
		one, _, _ = strings.Cut(strings.TrimPrefix(one, "("), ".where(resolve()")
		for _, cast := range []string{" as Reference)", ".as(Reference)"} {
			if element, ok := strings.CutSuffix(one, cast); ok {
				one = element + "Reference"
			}
		}
		if slices.Contains(choices, one) {
			one += "Reference"
		}
		if path, ok := strings.CutPrefix(one, typ+"."); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

// An element that is listed for no parameter, or for two kinds of resources, would never be used.
func TestElementsAreOfTypesThatAreServed(t *testing.T) {
	t.Parallel()
	for v, sources := range map[Version][]map[string]paramElements{R4: {r4Elements, r4NictizElements}, STU3: {stu3Elements, stu3NictizElements}} {
		for _, source := range sources {
			for typ := range maps.Keys(source) {
				if class := ClassOf(v, typ); class != ClassPatient && class != ClassShared {
					t.Errorf("version %d: elements of %s, which is of class %d", v, typ, class)
				}
			}
		}
	}
}
