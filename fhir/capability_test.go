package fhir_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

type statement struct {
	ResourceType   string
	Status         string
	Date           string
	Kind           string
	FHIRVersion    string `json:"fhirVersion"`
	Format         []string
	Software       struct{ Name, Version string }
	Implementation struct{ URL string }
	Rest           []struct {
		Mode     string
		Resource []struct {
			Type                            string
			Interaction                     []struct{ Code string }
			SearchParam                     []struct{ Name, Type string }
			SearchInclude, SearchRevInclude []string
		}
	}
}

func TestCapabilityStatementIsTheGrammar(t *testing.T) {
	t.Parallel()
	b := fhir.CapabilityStatement(fhir.R4, fhir.Capability{
		Software: "Zorgsluis", SoftwareVersion: "1.0", Base: "https://gw.example/fhir/h", Date: "2025-01-01",
	})
	var s statement
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.ResourceType != "CapabilityStatement" || s.Status != "active" || s.Kind != "instance" || s.FHIRVersion != "4.0.1" || s.Date != "2025-01-01" {
		t.Errorf("got head %+v", s)
	}
	if s.Software.Name != "Zorgsluis" || s.Software.Version != "1.0" || s.Implementation.URL != "https://gw.example/fhir/h" {
		t.Errorf("got software %+v at %+v", s.Software, s.Implementation)
	}
	if len(s.Rest) != 1 || s.Rest[0].Mode != "server" {
		t.Fatalf("got rest %+v", s.Rest)
	}
	var types []string
	for _, r := range s.Rest[0].Resource {
		types = append(types, r.Type)
		if len(r.Interaction) != 2 || r.Interaction[0].Code != "read" || r.Interaction[1].Code != "search-type" {
			t.Errorf("%s: got interactions %+v", r.Type, r.Interaction)
		}
		for _, p := range r.SearchParam {
			value := samples[p.Type]
			switch {
			case p.Type == "reference" || p.Name == "_id":
				continue // the samples say nothing of targets; other tests do
			case value == "":
				t.Errorf("%s?%s is of kind %q", r.Type, p.Name, p.Type)
			}
			if _, err := fhir.ParseInteraction(fhir.R4, get(r.Type+"?"+p.Name+"="+value)); err != nil {
				t.Errorf("%s?%s is announced and refused: %v", r.Type, p.Name, err)
			}
		}
		for name, all := range map[string][]string{"_include": r.SearchInclude, "_revinclude": r.SearchRevInclude} {
			for _, include := range all {
				if _, err := fhir.ParseInteraction(fhir.R4, get(r.Type+"?"+name+"="+include)); err != nil {
					t.Errorf("%s?%s=%s is announced and refused: %v", r.Type, name, include, err)
				}
			}
			if !slices.IsSorted(all) {
				t.Errorf("%s: %s is not sorted", r.Type, name)
			}
		}
	}
	if !slices.Equal(types, fhir.Types(fhir.R4)) {
		t.Errorf("got types %v, want those that are served", types)
	}
	if strings.Contains(string(b), "operation") {
		t.Error("DE-1 an operation is announced")
	}
	if fhir.CapabilityStatement(0, fhir.Capability{}) != nil {
		t.Error("a version without tables has a statement")
	}
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
