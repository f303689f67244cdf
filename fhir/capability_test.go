package fhir_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"zorgsluis/fhir"
)

type statement struct {
	ResourceType   string
	Status         string
	Date           string
	Kind           string
	FHIRVersion    string `json:"fhirVersion"`
	AcceptUnknown  string
	Format         []string
	Software       struct{ Name, Version string }
	Implementation struct{ Description, URL string }
	Rest           []struct {
		Mode        string
		Interaction []struct{ Code string }
		Compartment []string
		Operation   []struct {
			Name       string
			Definition struct{ Reference string }
		}
		Resource []struct {
			Type                            string
			Interaction                     []struct{ Code string }
			Versioning                      string
			SearchParam                     []struct{ Name, Type string }
			SearchInclude, SearchRevInclude []string
			Operation                       []struct{ Name, Definition string }
		}
	}
}

func capability(t *testing.T, v fhir.Version, o fhir.Capability) statement {
	t.Helper()
	o.Software, o.SoftwareVersion, o.Base, o.Date = "Zorgsluis", "1.0", "https://gw.example/fhir/h", "2025-01-01"
	var s statement
	if err := json.Unmarshal(fhir.CapabilityStatement(v, o), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Rest) != 1 || s.Rest[0].Mode != "server" || s.ResourceType != "CapabilityStatement" {
		t.Fatalf("got %+v", s)
	}
	return s
}

func TestCapabilityStatementIsTheGrammar(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, standard standardVersion) {
		v := standard.version
		s := capability(t, v, fhir.Capability{})
		number := map[fhir.Version]string{fhir.R4: "4.0.1", fhir.STU3: "3.0.2"}[v]
		if s.Status != "active" || s.Kind != "instance" || s.FHIRVersion != number || s.Date != "2025-01-01" || (s.AcceptUnknown == "no") != (v == fhir.STU3) {
			t.Errorf("got head %+v", s)
		}
		if s.Software.Name != "Zorgsluis" || s.Software.Version != "1.0" || s.Implementation.URL != "https://gw.example/fhir/h" {
			t.Errorf("got software %+v at %+v", s.Software, s.Implementation)
		}
		var types []string
		for _, r := range s.Rest[0].Resource {
			types = append(types, r.Type)
			if len(r.Interaction) != 2 || r.Interaction[0].Code != "read" || r.Interaction[1].Code != "search-type" || r.Versioning != "no-version" {
				t.Errorf("%s: got interactions %+v, %s", r.Type, r.Interaction, r.Versioning)
			}
			for _, p := range r.SearchParam {
				value := samples[p.Type]
				switch {
				case p.Type == "reference" || p.Name == "_id":
					continue // the samples do not cover targets; other tests do
				case value == "":
					t.Errorf("%s?%s is of kind %q", r.Type, p.Name, p.Type)
				}
				if _, err := fhir.ParseInteraction(v, get(r.Type+"?"+p.Name+"="+value)); err != nil {
					t.Errorf("%s?%s is announced and refused: %v", r.Type, p.Name, err)
				}
			}
			for name, all := range map[string][]string{"_include": r.SearchInclude, "_include:iterate": r.SearchInclude, "_revinclude": r.SearchRevInclude} {
				for _, include := range all {
					if _, err := fhir.ParseInteraction(v, get(r.Type+"?"+name+"="+include)); err != nil {
						t.Errorf("%s?%s=%s is announced and refused: %v", r.Type, name, include, err)
					}
				}
				if !slices.IsSorted(all) {
					t.Errorf("%s: %s is not sorted", r.Type, name)
				}
			}
		}
		if !slices.Equal(types, fhir.Types(v)) {
			t.Errorf("got types %v, want those that are served", types)
		}
	})
	if fhir.CapabilityStatement(0, fhir.Capability{}) != nil {
		t.Error("a version without tables has a statement")
	}
}

// TestCapabilityStatementSaysWhatIsEnabled is DE-1: no more is announced than is served, and no less.
func TestCapabilityStatementSaysWhatIsEnabled(t *testing.T) {
	t.Parallel()
	eachVersion(t, func(t *testing.T, standard standardVersion) {
		v := standard.version
		operations := map[string]string{}
		for _, o := range []fhir.Capability{{}, {Allow: fhir.AllowVRead}, {Allow: fhir.AllowHistory}, {Allow: fhir.AllowVRead | fhir.AllowHistory, Batch: true}} {
			rest := capability(t, v, o).Rest[0]
			if batch := len(rest.Interaction) == 1 && rest.Interaction[0].Code == "batch"; batch != o.Batch || len(rest.Interaction) > 1 {
				t.Errorf("%+v: got interactions %+v", o, rest.Interaction)
			}
			if !slices.Equal(rest.Compartment, []string{"http://hl7.org/fhir/CompartmentDefinition/patient"}) {
				t.Errorf("got compartments %v", rest.Compartment)
			}
			for _, operation := range rest.Operation {
				operations[operation.Name] = operation.Definition.Reference
			}
			for _, r := range rest.Resource {
				got := fmt.Sprint(r.Interaction, r.Versioning)
				want := map[fhir.Allow]string{
					0: "[{read} {search-type}]no-version", fhir.AllowVRead: "[{read} {search-type} {vread}]versioned",
					fhir.AllowHistory:                   "[{read} {search-type} {history-instance}]no-version",
					fhir.AllowVRead | fhir.AllowHistory: "[{read} {search-type} {vread} {history-instance}]versioned",
				}[o.Allow]
				if got != want {
					t.Errorf("%s: got %s, want %s", r.Type, got, want)
				}
				for _, operation := range r.Operation {
					operations[operation.Name] = operation.Definition
				}
			}
		}
		want := map[string]string{
			"everything": "http://hl7.org/fhir/OperationDefinition/Patient-everything", "lastn": "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
		}
		if !maps.Equal(operations, want) {
			t.Errorf("got operations %v, want %v", operations, want)
		}
	})
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, severity, code, text, diagnostics, want string }{
		{
			"everything", "error", "not-found", "not found", "id 1",
			`{"issue":[{"severity":"error","code":"not-found","details":{"text":"not found"},"diagnostics":"id 1"}],"resourceType":"OperationOutcome"}`,
		},
		{
			"codes only", "information", "suppressed", "", "",
			`{"issue":[{"severity":"information","code":"suppressed"}],"resourceType":"OperationOutcome"}`,
		},
		{
			"codes that there are not", "bad", "worse", "", "",
			`{"issue":[{"severity":"error","code":"exception"}],"resourceType":"OperationOutcome"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := string(fhir.Outcome(c.severity, c.code, c.text, c.diagnostics)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
