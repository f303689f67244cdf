package fhir_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// The code systems of STU3, which R4 renamed.
const (
	systemObservationSTU3     = "http://hl7.org/fhir/observation-category"
	systemConfidentialitySTU3 = "http://hl7.org/fhir/v3/Confidentiality"
)

// newSTU3Reader makes a reader with the rules of a Dutch STU3 source.
func newSTU3Reader(tb testing.TB) *fhir.Reader {
	tb.Helper()
	c, err := fhir.NewClassifier(fhir.STU3, []fhir.CategoryRule{
		{Category: "Patient", Type: "Patient"},
		{Category: "Request", Type: "ProcedureRequest"},
		{Category: "Genomics", Type: "Sequence"},
		{Category: "Alert", Type: "Flag"},
		{Category: "Radiology", Type: "DiagnosticReport", Element: "category", Code: fhir.Coding{System: "http://hl7.org/fhir/v2/0074", Code: "RAD"}},
		{Category: "ObservationLaboratory", Type: "Observation", Element: "category", Code: fhir.Coding{System: systemObservationSTU3, Code: "laboratory"}},
		{Category: "ObservationLaboratory", Type: "Observation", Element: "category", Code: fhir.Coding{System: sct, Code: "275711006"}},
	}, []fhir.SensitiveCode{{Coding: fhir.Coding{System: sct, Code: "370143000"}, Category: "MentalHealth"}})
	if err != nil {
		tb.Fatal(err)
	}
	r, err := fhir.NewReader(fhir.ReaderOptions{
		Version: fhir.STU3, Base: "http://hapi:8080/fhir", PersonSystems: []string{systemBSN}, Classifier: c,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// An STU3 source is read with STU3's types, systems and element shapes.
func TestSTU3Resources(t *testing.T) {
	obs := func(member string) string {
		return `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},` + member + `}`
	}
	coding := func(system, code string) string {
		return `{"coding":[{"system":"` + system + `","code":"` + code + `"}]}`
	}
	lab := `"category":[` + coding(systemObservationSTU3, "laboratory") + `]`
	label := func(system, code string) string {
		return obs(`"meta":{"security":[{"system":"` + system + `","code":"` + code + `"}]},` + lab)
	}
	tests := []struct {
		name, resource string
		patient        fhir.ID // "" means not attributed
		categories     string
	}{
		{"a lab result by HL7's category", obs(lab), "A", "ObservationLaboratory"},
		{"CA-2 a lab result by the system of R4", obs(`"category":[` + coding(systemObservation, "laboratory") + `]`), "A", "Unclassified"},
		{"a lab result by the Dutch category", obs(`"category":[` + coding(sct, "275711006") + `]`), "A", "ObservationLaboratory"},
		{"a report, whose category is no list in STU3", `{"resourceType":"DiagnosticReport","id":"d","subject":{"reference":"Patient/A"},"category":` + coding("http://hl7.org/fhir/v2/0074", "RAD") + `}`, "A", "Radiology"},
		{"a flag, whose category is no list in STU3", `{"resourceType":"Flag","id":"f","subject":{"reference":"Patient/A"},"category":` + coding("x", "y") + `}`, "A", "Alert"},
		{"a type that only STU3 has", `{"resourceType":"ProcedureRequest","id":"p","subject":{"reference":"Patient/A"}}`, "A", "Request"},
		{"RM-13 its performer is another patient", `{"resourceType":"ProcedureRequest","id":"p","subject":{"reference":"Patient/A"},"requester":{"agent":{"reference":"Patient/B"}}}`, "", ""},
		{"CA-2 a type that only STU3 has, without a rule", `{"resourceType":"ReferralRequest","id":"r","subject":{"reference":"Patient/A"}}`, "A", "Unclassified"},
		{"a reference to a type that only STU3 has", obs(`"basedOn":[{"reference":"ReferralRequest/r"}],` + lab), "A", "ObservationLaboratory"},
		{"RF-6 a reference to a type that only R4 has", obs(`"basedOn":[{"reference":"ServiceRequest/r"}],` + lab), "", ""},
		{"CA-13 a contained type that only R4 has", obs(`"contained":[{"resourceType":"ServiceRequest","id":"c"}],` + lab), "", ""},
		{"CA-4 a sensitive component", obs(lab + `,"component":[{"code":` + coding(sct, "370143000") + `}]`), "A", "MentalHealth ObservationLaboratory"},
		{"CA-11 label N of STU3's system", label(systemConfidentialitySTU3, "N"), "A", "ObservationLaboratory"},
		{"CA-11 label R of STU3's system", label(systemConfidentialitySTU3, "R"), "A", "ObservationLaboratory Restricted"},
		{"CA-11 label N of R4's system", label(systemConfidentiality, "N"), "A", "ObservationLaboratory Restricted"},
		{"RM-10 a Patient's link", `{"resourceType":"Patient","id":"A","link":[{"other":{"reference":"Patient/B"},"type":"refer"}]}`, "A", "Patient"},
		{"SE-20 a resource that is not whole", obs(`"meta":{"tag":[{"system":"http://hl7.org/fhir/v3/ObservationValue","code":"SUBSETTED"}]},` + lab), "", ""},
	}
	r := newSTU3Reader(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c fhir.Contents
			if err := r.Searchset([]byte(searchset(match(tt.resource))), &c); err != nil {
				t.Fatal(err)
			}
			got := c.Resources[0]
			if got.Attributed != (tt.patient != "") || got.Patient != tt.patient || strings.Trim(categoriesOf(got), "[]") != tt.categories {
				t.Errorf("got %+v, want patient %q and categories %q", got, tt.patient, tt.categories)
			}
		})
	}
	var c fhir.Contents
	only := `{"resourceType":"ServiceRequest","id":"s","subject":{"reference":"Patient/A"}}`
	if err := r.Searchset([]byte(searchset(match(only))), &c); !errors.Is(err, fhir.ErrContent) {
		t.Errorf("JS-11 a type that only R4 has: got %v, want ErrContent", err)
	}
}

func TestSTU3Binary(t *testing.T) {
	const head = `{"resourceType":"Binary","id":"b","contentType":"application/pdf",`
	want := fhir.Binary{
		ContentType: "application/pdf", Data: []byte("%PDF"), SecurityContext: fhir.LocalReference{Type: "DocumentReference", ID: "d"}, HasSecurityContext: true,
	}
	r := newSTU3Reader(t)
	got, err := r.Binary([]byte(head+`"securityContext":{"reference":"DocumentReference/d"},"content":"JVBERg=="}`), "b")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if _, err := r.Binary([]byte(head+`"data":"JVBERg=="}`), "b"); !errors.Is(err, fhir.ErrContent) {
		t.Errorf("BI-4 R4's name for the content: got %v, want ErrContent", err)
	}
}

func TestSTU3PatientsAndHistory(t *testing.T) {
	r := newSTU3Reader(t)
	patient := `{"resourceType":"Patient","id":"A","birthDate":"2010-01-01","identifier":[{"system":"` + systemBSN + `","value":"999999990"}],"link":[{"type":"replaced-by","other":{"reference":"Patient/B"}}]}`
	records, err := r.Patients([]byte(patient), "2026-01-01")
	if err != nil || len(records) != 1 || !records[0].Replaced || records[0].BirthEarliest != "2010-01-01" || len(records[0].Identifiers) != 1 {
		t.Errorf("RD-16, RM-20: got %+v, %v, want a record that is replaced", records, err)
	}
	var c fhir.Contents
	manifest := `{"resourceType":"DocumentManifest","id":"m","subject":{"reference":"Patient/A"},"content":[{"pAttachment":{"url":"Binary/b"}}]}`
	if err := r.History([]byte(history(`{"resource":`+manifest+`,"request":{"method":"POST"}}`)), fhir.LocalReference{Type: "DocumentManifest", ID: "m"}, &c); err != nil {
		t.Fatal(err)
	}
	if got := c.Attachments(0); !slices.Equal(got, []fhir.ID{"b"}) {
		t.Errorf("BI-12: got attachments %q, want b", got)
	}
}
