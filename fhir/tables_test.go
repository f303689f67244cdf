package fhir_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"

	"zorgsluis/fhir"
)

// standard reads one of the lists of the R4 standard (testdata/r4/NOTICE).
func standard[T any](t *testing.T, name string) []T {
	t.Helper()
	b, err := os.ReadFile("testdata/r4/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

type standardType struct {
	Type                 string
	InPatientCompartment bool
	Paths                []struct {
		Path        string
		Compartment bool
	}
}

type standardParam struct {
	ID     string
	Base   []string
	Code   string
	Type   string
	Target []string
}

type standardOperation struct {
	ID       string
	Code     string
	Resource []string
	System   bool
	Type     bool
	Instance bool
}

// samples are values of the kinds of parameters that are well formed.
var samples = map[string]string{
	"token": "a|b", "date": "2020-01-01", "string": "a", "quantity": "5.4||mg", "number": "1", "uri": "http://example.org", "composite": "a$b",
	"special": "a",
}

func TestEveryTypeHasAClass(t *testing.T) {
	t.Parallel()
	types := standard[standardType](t, "types.json")
	if len(types) != 148 {
		t.Fatalf("got %d types, R4 has 148", len(types))
	}
	var served []string
	for _, typ := range types {
		class := fhir.ClassOf(fhir.R4, typ.Type)
		abstract := typ.Type == "Resource" || typ.Type == "DomainResource"
		if abstract != (class == fhir.ClassUnknown) {
			t.Errorf("%s has class %d", typ.Type, class)
		}
		if class != fhir.ClassPatient {
			continue
		}
		served = append(served, typ.Type)
		if !typ.InPatientCompartment {
			t.Errorf("RM-17 %s is served and is not in the Patient compartment", typ.Type)
		}
	}
	slices.Sort(served)
	if got := fhir.Types(fhir.R4); !slices.Equal(got, served) {
		t.Errorf("got types %v, want %v", got, served)
	}
	for _, typ := range []string{"", "patient", "Observations"} {
		if got := fhir.ClassOf(fhir.R4, typ); got != fhir.ClassUnknown {
			t.Errorf("%q has class %d, want none", typ, got)
		}
	}
	if fhir.ClassOf(0, "Patient") != fhir.ClassUnknown || fhir.Types(0) != nil {
		t.Error("a version without tables has types")
	}
}

// TestEverySearchParameterHasAClass asks for each of them. One that is unknown to the grammar was not classified.
func TestEverySearchParameterHasAClass(t *testing.T) {
	t.Parallel()
	params := standard[standardParam](t, "search-parameters.json")
	if len(params) != 1375 {
		t.Fatalf("got %d search parameters, R4 has 1,375", len(params))
	}
	for _, p := range params {
		bases := p.Base
		if bases[0] == "Resource" || bases[0] == "DomainResource" {
			bases = fhir.Types(fhir.R4)
		}
		for _, base := range bases {
			checkParamClass(t, base, p)
		}
	}
}

func checkParamClass(t *testing.T, base string, p standardParam) {
	t.Helper()
	value, known := samples[p.Type]
	if p.Code == "_id" {
		value, known = "a", true
	} else if p.Type == "reference" {
		value, known = "Patient/A", true // taken where it names the patient, refused for what it is elsewhere
	}
	if !known {
		t.Errorf("%s: kind %s has no sample", p.ID, p.Type)
	}
	_, err := fhir.ParseInteraction(fhir.R4, fhir.Request{Method: "GET", Path: base, RawQuery: p.Code + "=" + value})
	var refused *fhir.RequestError
	errors.As(err, &refused)
	if fhir.ClassOf(fhir.R4, base) != fhir.ClassPatient {
		if refused == nil || refused.Kind != fhir.NoOperation {
			t.Errorf("%s?%s of a type that is not searched: got %v", base, p.Code, err)
		}
		return
	}
	switch {
	case refused != nil && refused.Reason == "unknown parameter":
		t.Errorf("%s?%s has no class", base, p.Code)
	case p.Type == "composite" || p.Type == "special":
		if refused == nil || refused.Kind != fhir.NotSupported {
			t.Errorf("%s?%s is %s and served", base, p.Code, p.Type)
		}
	case p.Type == "reference" && !slices.Contains([]string{"patient", "subject", "beneficiary"}, p.Code):
		// Canonical references are URIs: one that looks like a relative reference is no harm.
		if refused == nil && p.Code != "instantiates-canonical" && p.Code != "questionnaire" {
			t.Errorf("%s?%s takes a second person", base, p.Code)
		}
	case refused != nil && refused.Kind != fhir.NotSupported:
		t.Errorf("%s?%s=%s: got %v, want it taken or refused by name", base, p.Code, value, err)
	}
}

// TestEveryReferenceParameterTakesItsTargets asks each with each of its targets, patients excepted.
func TestEveryReferenceParameterTakesItsTargets(t *testing.T) {
	t.Parallel()
	naming := []string{"patient", "subject", "beneficiary", "instantiates-canonical", "questionnaire"}
	for _, p := range standard[standardParam](t, "search-parameters.json") {
		for _, base := range p.Base {
			if p.Type != "reference" || slices.Contains(naming, p.Code) || base == "Patient" || fhir.ClassOf(fhir.R4, base) != fhir.ClassPatient {
				continue
			}
			for _, target := range p.Target {
				if target == "*" {
					target = "Encounter"
				}
				_, err := fhir.ParseInteraction(fhir.R4, get(base+"?"+p.Code+"="+target+"/x"))
				if (err == nil) != (target != "Patient") {
					t.Errorf("%s?%s=%s/x: got %v", base, p.Code, target, err)
				}
			}
		}
	}
}

// TestEveryOperationIsRefused asks for the 47 of the standard at every level that they name, and some of vendors (OP-1 to OP-18). Two
// are served, each in one form only.
func TestEveryOperationIsRefused(t *testing.T) {
	t.Parallel()
	operations := standard[standardOperation](t, "operations.json")
	if len(operations) != 47 {
		t.Fatalf("got %d operations, R4 has 47", len(operations))
	}
	for _, o := range operations {
		var paths []string
		if o.System {
			paths = append(paths, "$"+o.Code)
		}
		for _, typ := range append(o.Resource, "Patient") {
			paths = append(paths, typ+"/$"+o.Code, typ+"/x/$"+o.Code)
		}
		for _, path := range paths {
			checkOperation(t, path, "$"+o.Code)
		}
	}
	for _, vendor := range []string{"export", "export-poll-status", "binary-access-read", "diff", "expunge", "mdm-query-links", "merge", "summary", "docref"} {
		for _, path := range []string{"$" + vendor, "Patient/$" + vendor, "Patient/A/$" + vendor} {
			checkOperation(t, path, "")
		}
	}
}

func checkOperation(t *testing.T, path, element string) {
	t.Helper()
	requests := []fhir.Request{get(path), get(path + "?patient=A"), post(path, "")}
	if path == "Patient/x/$everything" || path == "Observation/$lastn" {
		requests = requests[2:]
	}
	for _, r := range requests {
		_, err := fhir.ParseInteraction(fhir.R4, r)
		var refused *fhir.RequestError
		if !errors.As(err, &refused) || refused.Kind != fhir.NoOperation || refused.Element != element {
			t.Errorf("%s %s: got %v, want it refused as an operation", r.Method, path, err)
		}
	}
}
