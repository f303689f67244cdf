package fhir_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"zorgsluis/fhir"
)

// standardVersion is a version with the sizes of its standard lists (testdata/*/NOTICE).
type standardVersion struct {
	version                   fhir.Version
	folder                    string
	types, params, operations int
	ownPath                   []string // served, and bound by an element that the Patient compartment does not nominate (RM-17)
}

var standardVersions = []standardVersion{
	{fhir.R4, "testdata/r4/", 148, 1375, 47, []string{"Device"}},
	{fhir.STU3, "testdata/stu3/", 119, 1368, 36, []string{"Device", "Sequence"}},
}

// eachVersion runs a test for every version.
func eachVersion(t *testing.T, test func(t *testing.T, s standardVersion)) {
	t.Helper()
	for _, s := range standardVersions {
		t.Run(s.folder, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// standard reads one of the lists of a standard.
func standard[T any](t *testing.T, s standardVersion, name string) []T {
	t.Helper()
	b, err := os.ReadFile(s.folder + name)
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

// samples are well-formed values of each kind of parameter.
var samples = map[string]string{
	"token": "a|b", "date": "2020-01-01", "string": "a", "quantity": "5.4||mg", "number": "1", "uri": "http://example.org", "composite": "a$b",
	"special": "a",
}

func TestEveryTypeHasAClass(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, s standardVersion) {
		types := standard[standardType](t, s, "types.json")
		if len(types) != s.types {
			t.Fatalf("got %d types, the standard has %d", len(types), s.types)
		}
		var served []string
		for _, typ := range types {
			class := fhir.ClassOf(s.version, typ.Type)
			abstract := typ.Type == "Resource" || typ.Type == "DomainResource"
			if abstract != (class == fhir.ClassUnknown) {
				t.Errorf("%s has class %d", typ.Type, class)
			}
			if class != fhir.ClassPatient {
				continue
			}
			served = append(served, typ.Type)
			if typ.InPatientCompartment == slices.Contains(s.ownPath, typ.Type) {
				t.Errorf("RM-17 %s is served; in the Patient compartment: %v", typ.Type, typ.InPatientCompartment)
			}
		}
		slices.Sort(served)
		if got := fhir.Types(s.version); !slices.Equal(got, served) {
			t.Errorf("got types %v, want %v", got, served)
		}
		for _, typ := range []string{"", "patient", "Observations"} {
			if got := fhir.ClassOf(s.version, typ); got != fhir.ClassUnknown {
				t.Errorf("%q has class %d, want none", typ, got)
			}
		}
	})
	if fhir.ClassOf(0, "Patient") != fhir.ClassUnknown || fhir.Types(0) != nil {
		t.Error("a version without tables has types")
	}
	if fhir.ClassOf(fhir.R4, "ProcedureRequest") != fhir.ClassUnknown || fhir.ClassOf(fhir.STU3, "ServiceRequest") != fhir.ClassUnknown {
		t.Error("a type is known in a version that does not have it")
	}
}

// TestEverySearchParameterHasAClass uses each of them. One that the grammar does not know was not classified.
func TestEverySearchParameterHasAClass(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, s standardVersion) {
		params := standard[standardParam](t, s, "search-parameters.json")
		if len(params) != s.params {
			t.Fatalf("got %d search parameters, the standard has %d", len(params), s.params)
		}
		for _, p := range params {
			bases := p.Base
			if bases[0] == "Resource" || bases[0] == "DomainResource" {
				bases = fhir.Types(s.version)
			}
			for _, base := range bases {
				checkParamClass(t, s.version, base, p)
			}
		}
	})
}

func checkParamClass(t *testing.T, v fhir.Version, base string, p standardParam) {
	t.Helper()
	value, known := samples[p.Type]
	if p.Code == "_id" {
		value, known = "a", true
	} else if p.Type == "reference" {
		value, known = "Patient/A", true // accepted where it names the patient, otherwise refused
	}
	if !known {
		t.Errorf("%s: kind %s has no sample", p.ID, p.Type)
	}
	_, err := fhir.ParseInteraction(v, fhir.Request{Method: "GET", Path: base, RawQuery: p.Code + "=" + value})
	var refused *fhir.RequestError
	errors.As(err, &refused)
	if fhir.ClassOf(v, base) != fhir.ClassPatient {
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
		// Canonical references are URIs: one that looks like a relative reference does no harm.
		if refused == nil && p.Code != "instantiates-canonical" && p.Code != "questionnaire" {
			t.Errorf("%s?%s takes a second person", base, p.Code)
		}
	case refused != nil && refused.Kind != fhir.NotSupported:
		t.Errorf("%s?%s=%s: got %v, want it taken or refused by name", base, p.Code, value, err)
	}
}

// TestEveryReferenceParameterTakesItsTargets uses each with each of its targets, except patients.
func TestEveryReferenceParameterTakesItsTargets(t *testing.T) {
	t.Parallel()
	naming := []string{"patient", "subject", "beneficiary"}
	eachVersion(t, func(t *testing.T, s standardVersion) {
		canonical := naming
		if s.version == fhir.R4 { // canonical references are URIs
			canonical = append(slices.Clone(naming), "instantiates-canonical", "questionnaire")
		}
		for _, p := range standard[standardParam](t, s, "search-parameters.json") {
			for _, base := range p.Base {
				if p.Type != "reference" || slices.Contains(canonical, p.Code) || base == "Patient" || fhir.ClassOf(s.version, base) != fhir.ClassPatient {
					continue
				}
				for _, target := range p.Target {
					if target == "*" {
						target = "Encounter"
					}
					_, err := fhir.ParseInteraction(s.version, get(base+"?"+p.Code+"="+target+"/x"))
					if (err == nil) != (target != "Patient") {
						t.Errorf("%s?%s=%s/x: got %v", base, p.Code, target, err)
					}
				}
			}
		}
	})
}

// TestEveryOperationIsRefused calls the standard operations at every level that they name, and some vendors' (OP-1 to OP-18). Two
// are served, each in one form only.
func TestEveryOperationIsRefused(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, s standardVersion) {
		operations := standard[standardOperation](t, s, "operations.json")
		if len(operations) != s.operations {
			t.Fatalf("got %d operations, the standard has %d", len(operations), s.operations)
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
				checkOperation(t, s.version, path, "$"+o.Code)
			}
		}
		for _, vendor := range []string{"export", "export-poll-status", "binary-access-read", "diff", "expunge", "mdm-query-links", "merge", "summary", "docref"} {
			for _, path := range []string{"$" + vendor, "Patient/$" + vendor, "Patient/A/$" + vendor} {
				checkOperation(t, s.version, path, "")
			}
		}
	})
}

func checkOperation(t *testing.T, v fhir.Version, path, element string) {
	t.Helper()
	requests := []fhir.Request{get(path), get(path + "?patient=A"), post(path, "")}
	if path == "Patient/x/$everything" || path == "Observation/$lastn" {
		requests = requests[2:]
	}
	for _, r := range requests {
		_, err := fhir.ParseInteraction(v, r)
		var refused *fhir.RequestError
		if !errors.As(err, &refused) || refused.Kind != fhir.NoOperation || refused.Element != element {
			t.Errorf("%s %s: got %v, want it refused as an operation", r.Method, path, err)
		}
	}
}

// TestThePatientIsNamedTheSameInEveryVersion renders searches of all types and parses them in every version that serves the type.
func TestThePatientIsNamedTheSameInEveryVersion(t *testing.T) {
	t.Parallel()
	for _, s := range standardVersions {
		for _, typ := range fhir.Types(s.version) {
			for _, patient := range []fhir.PatientName{patientA, byBSN} {
				i := search(typ, patient)
				for _, v := range []fhir.Version{fhir.R4, fhir.STU3} {
					got, err := fhir.ParseInteraction(v, i.Target())
					if fhir.ClassOf(v, typ) == fhir.ClassPatient && !reflect.DeepEqual(got, i) {
						t.Errorf("%+v reads in version %d as %+v, %v", i.Target(), v, got, err)
					}
				}
			}
			if i := search(typ, patientA); i.Outbound(s.version, "A") == "" {
				t.Errorf("%s is not bound in version %d", typ, s.version)
			}
		}
	}
}
