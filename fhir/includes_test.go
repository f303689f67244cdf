package fhir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// An include is described by the types on both ends and by its elements.
func TestIncludesTellWhatCanComeAlong(t *testing.T) {
	for query, want := range map[string][]string{
		"patient=A": nil,
		"patient=A&_include=Observation:encounter":                 {"Observation → Encounter EpisodeOfCare"},
		"patient=A&_include=Observation:performer:Practitioner":    {"Observation → Practitioner"},
		"patient=A&_include=Observation:performer:Patient":         {"Observation → "},
		"patient=A&_include=Observation:subject":                   {"Observation → Patient"},
		"patient=A&_revinclude=DiagnosticReport:result":            {"DiagnosticReport ← Observation"},
		"patient=A&_include:iterate=PractitionerRole:organization": {"PractitionerRole → Organization, iterated"},
		"patient=A&_revinclude=DiagnosticReport:result&_include=Observation:derived-from:Observation": {
			"Observation → Observation", "DiagnosticReport ← Observation",
		},
	} {
		var got []string
		for _, n := range includes(t, fhir.R4, "Observation?"+query) {
			arrow, end := "→", ""
			if n.Reverse {
				arrow = "←"
			}
			if n.Iterate {
				end = ", iterated"
			}
			got = append(got, fmt.Sprintf("%s %s %s%s", n.Source, arrow, strings.Join(n.Targets, " "), end))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
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

// TestMedicationsComeAlongWithWhatRefersToThem is CA-6: a search includes the Medications that decide about its results.
func TestMedicationsComeAlongWithWhatRefersToThem(t *testing.T) {
	for query, want := range map[string]string{
		"MedicationRequest?patient=A":                                           "MedicationRequest?patient=Patient/A&_include=MedicationRequest:medication",
		"MedicationRequest?patient=A&_include=MedicationRequest:medication":     "MedicationRequest?patient=Patient/A&_include=MedicationRequest:medication",
		"MedicationStatement?patient=A&_count=5":                                "MedicationStatement?patient=Patient/A&_count=5&_include=MedicationStatement:medication",
		"MedicationDispense?patient=A&_include=MedicationDispense:prescription": "MedicationDispense?patient=Patient/A&_include=MedicationDispense:prescription&_include=MedicationDispense:medication&%s=MedicationRequest:medication",
		"Encounter?patient=A&_revinclude=MedicationAdministration:context":      "Encounter?patient=Patient/A&%s=MedicationAdministration:medication&_revinclude=MedicationAdministration:context",
		"Observation?patient=A&_include=Observation:performer":                  "Observation?patient=Patient/A&_include=Observation:performer",
		"Immunization?patient=A":                                                "Immunization?patient=Patient/A",
	} {
		for v, iterate := range map[fhir.Version]string{fhir.R4: "_include:iterate", fhir.STU3: "_include:recurse"} {
			path, params, _ := strings.Cut(query, "?")
			i, err := fhir.ParseInteraction(v, fhir.Request{Method: "GET", Path: path, RawQuery: params})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := i.WithMedication(v).Outbound(v, "A"), strings.ReplaceAll(want, "%s", iterate); got != want {
				t.Errorf("version %d, %s: got %s, want %s", v, query, got, want)
			}
		}
	}
}

// includes returns the includes of a request.
func includes(t *testing.T, v fhir.Version, target string) []fhir.Include {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	i, err := fhir.ParseInteraction(v, fhir.Request{Method: "GET", Path: path, RawQuery: query})
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return i.Includes(v)
}

func TestAnIncludeFollowsItsElementsOnly(t *testing.T) {
	const (
		prescription = `{"resourceType":"MedicationRequest","id":"m","subject":{"reference":"Patient/A"},`
		encounter    = `{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/A"},`
		dispenser    = "http://nictiz.nl/fhir/StructureDefinition/ext-DispenseRequest.DispenseLocation"
	)
	for _, c := range []struct{ name, include, resource, want string }{
		{"the element of the parameter", "requester", prescription + `"requester":{"reference":"Practitioner/1"}}`, "Practitioner/1"},
		{"another element to the same type", "requester", prescription + `"recorder":{"reference":"Practitioner/1"}}`, ""},
		{"both", "requester", prescription + `"recorder":{"reference":"Practitioner/1"},"requester":{"reference":"Organization/2"}}`, "Organization/2"},
		{"the reference of a choice", "medication", prescription + `"medicationReference":{"reference":"Medication/1"}}`, "Medication/1"},
		{"the code of a choice", "medication", prescription + `"medicationCodeableConcept":{"text":"x"}}`, ""},
		{"the patient", "subject", prescription + `"requester":{"reference":"Patient/A"}}`, "Patient/A"},
		{"a patient elsewhere", "requester", prescription + `"requester":{"reference":"Patient/A"}}`, ""},
		{"a deeper element", "intended-dispenser", prescription + `"dispenseRequest":{"quantity":{"value":1},"performer":{"reference":"Organization/1"}}}`, "Organization/1"},
		{"the same name higher up", "intended-dispenser", prescription + `"performer":{"reference":"Organization/1"}}`, ""},
		{"the same name in an extension", "requester", prescription + `"extension":[{"url":"x","requester":{"reference":"Practitioner/1"}}]}`, ""},
		{"a reference to the base of the source", "requester", prescription + `"requester":{"reference":"http:\/\/hapi:8080\/fhir\/Practitioner\/1"}}`, "Practitioner/1"},
		{"a version", "requester", prescription + `"requester":{"reference":"Practitioner/1/_history/2"}}`, "Practitioner/1"},
		{"another base", "requester", prescription + `"requester":{"reference":"http://other.example/fhir/Practitioner/1"}}`, ""},
		{"a contained resource", "requester", prescription + `"contained":[{"resourceType":"Practitioner","id":"1"}],"requester":{"reference":"#1"}}`, ""},
		{"what a contained resource refers to", "medication", prescription + `"contained":[{"resourceType":"MedicationRequest","id":"1","medicationReference":{"reference":"Medication/1"}}],"medicationReference":{"reference":"#1"}}`, ""},
		{"an identifier only", "requester", prescription + `"requester":{"type":"Practitioner","identifier":{"system":"urn:x","value":"Practitioner/1"}}}`, ""},
		{"a type that the parameter does not go to", "requester", prescription + `"requester":{"reference":"Location/1"}}`, ""},
		{"a type that was not asked for", "requester:Organization", prescription + `"requester":{"reference":"Practitioner/1"}}`, ""},
		{"a type that was asked for", "requester:Practitioner", prescription + `"requester":{"reference":"Practitioner/1"}}`, "Practitioner/1"},
		{"an escaped name", "requester", prescription + `"r\u0065quester":{"r\u0065ference":"Practitioner/1"}}`, "Practitioner/1"},
		{"names and values that look like others", "requester", prescription + `"note":[{"text":"\"requester\":{\"reference\":\"Practitioner/2\"}\\"}],"x":-1.0e+2,"y":[true,null],"requester":{"reference":"Practitioner/1"}}`, "Practitioner/1"},
		{"white space", "requester", prescription + "\n \"requester\" :\t{ \"display\" : \"x\" ,\r\n\"reference\" : \"Practitioner/1\" } }", "Practitioner/1"},
		{"an extension", "dispense-location", prescription + `"dispenseRequest":{"extension":[{"url":"x","valueReference":{"reference":"Location/2"}},{"valueReference":{"reference":"Location/1"},"url":"` + dispenser + `"}]}}`, "Location/1"},
		{"an extension at another place", "dispense-location", prescription + `"extension":[{"url":"` + dispenser + `","valueReference":{"reference":"Location/1"}}]}`, ""},
		{"an extension without a name", "dispense-location", prescription + `"dispenseRequest":{"extension":[{"valueReference":{"reference":"Location/1"}},{"url":["` + dispenser + `"],"valueReference":{"reference":"Location/3"}}]}}`, ""},
		{"lists", "participant", encounter + `"participant":[{"individual":{"reference":"Practitioner/1"}},{"type":[]},{"individual":{"reference":"PractitionerRole/2"}}]}`, "Practitioner/1 PractitionerRole/2"},
		{"only the type that the parameter is about", "practitioner", encounter + `"participant":[{"individual":{"reference":"Practitioner/1"}},{"individual":{"reference":"PractitionerRole/2"}}]}`, "Practitioner/1"},
		{"nobody's resource", "requester", `{"resourceType":"MedicationRequest","id":"m","requester":{"reference":"Practitioner/1"}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			typ := "MedicationRequest"
			if strings.HasPrefix(c.resource, encounter) {
				typ = "Encounter"
			}
			var contents fhir.Contents
			if err := newReader(t).Searchset([]byte(searchset(match(c.resource))), &contents); err != nil {
				t.Fatal(err)
			}
			asked := includes(t, fhir.R4, typ+"?patient=A&_include="+typ+":"+c.include)[0]
			var got []string
			for ref := range contents.Follow(0, asked) {
				got = append(got, ref.String())
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			asked.Source = "Condition"
			for ref := range contents.Follow(0, asked) {
				t.Errorf("an include from another type leads to %s", ref)
			}
		})
	}
}

// An include of STU3 with two elements follows both, and stops when told to.
func TestAnIncludeFollowsAllItsElements(t *testing.T) {
	classifier, err := fhir.NewClassifier(fhir.STU3, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := fhir.NewReader(fhir.ReaderOptions{Version: fhir.STU3, Base: "http://hapi:8080/fhir", Classifier: classifier})
	if err != nil {
		t.Fatal(err)
	}
	resource := `{"resourceType":"Consent","id":"c","patient":{"reference":"Patient/A"},"actor":[{"reference":{"reference":"Organization/1"}},{"reference":{"reference":"Organization/2"}}],` +
		`"except":[{"actor":[{"reference":{"reference":"Practitioner/3"}}],"data":[{"reference":{"reference":"Observation/4"}}]}]}`
	var contents fhir.Contents
	if err := reader.Resource([]byte(resource), fhir.LocalReference{Type: "Consent", ID: "c"}, &contents); err != nil {
		t.Fatal(err)
	}
	asked := includes(t, fhir.STU3, "Consent?patient=A&_include=Consent:actor")[0]
	if got := slices.Collect(contents.Follow(0, asked)); fmt.Sprint(got) != "[Organization/1 Organization/2 Practitioner/3]" {
		t.Errorf("got %v", got)
	}
	for ref := range contents.Follow(0, asked) {
		if ref.ID != "1" {
			t.Errorf("got %s after the loop was left", ref)
		}
		break
	}
}
