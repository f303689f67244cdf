package fhir_test

import (
	"reflect"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

func TestOutboundIsBoundToThePatient(t *testing.T) {
	t.Parallel()
	cursor := fhir.Interaction{Code: fhir.CodeSearch, Type: "Observation", Cursor: "abc"}
	for _, c := range []struct {
		name    string
		i       fhir.Interaction
		patient fhir.ID
		want    string
	}{
		{"a read", read("Observation", "x"), "", "Observation/x"},
		{"a search", search("Observation", patientA), "A", "Observation?patient=Patient/A"},
		{"a search that names nobody", search("Observation", nobody), "A", "Observation?patient=Patient/A"},
		{"an identifier is gone", search("Observation", byBSN), "A", "Observation?patient=Patient/A"},
		{"a type that knows subject only", search("AdverseEvent", patientA), "A", "AdverseEvent?subject=Patient/A"},
		{"a type whose subject is another element", search("SupplyRequest", nobody), "A", "SupplyRequest?subject=Patient/A"},
		{"a Coverage", search("Coverage", nobody), "A", "Coverage?patient=Patient/A"},
		{"a Patient", search("Patient", byBSN), "A", "Patient?_id=A"},
		{
			"values are escaped",
			search("Observation", patientA, par("_count", "5"), par("code", `http://loinc.org|1-2,a\,b`), par("value-string", "a&b=c d+é%")),
			"A", "Observation?patient=Patient/A&_count=5&code=http://loinc.org%7C1-2,a%5C,b&value-string=a%26b%3Dc%20d%2B%C3%A9%25",
		},
		{"RD-8 a version", fhir.Interaction{Code: fhir.CodeVRead, Type: "Observation", ID: "x", Version: "1"}, "", "Observation/x/_history/1"},
		{
			"RD-9 a history", fhir.Interaction{Code: fhir.CodeHistory, Type: "Observation", ID: "x", Params: []fhir.Param{par("_count", "5"), par("_since", "2020")}},
			"", "Observation/x/_history?_count=5&_since=2020",
		},
		{"RD-8 nothing is asked for no version", fhir.Interaction{Code: fhir.CodeVRead, Type: "Observation", ID: "x"}, "", ""},
		{"RD-9 nor for the history of nothing", fhir.Interaction{Code: fhir.CodeHistory, Type: "Observation"}, "", ""},
		{"BI-1 nor for a link", fhir.Interaction{Code: fhir.CodeAttachment, Type: "Binary", Cursor: "abc"}, "A", ""},

		{"nothing is asked about nobody", search("Observation", patientA), "", ""},
		{"nor about an id that is none", search("Observation", nobody), "A&patient=B", ""},
		{"nor about another patient than was named", search("Observation", patientA), "B", ""},
		{"nor for a cursor", cursor, "A", ""},
		{"nor for a shared type", search("Practitioner", nobody), "A", ""},
		{"nor for a type that there is not", search("Nothing", nobody), "A", ""},
		{"nor for a read without an id", read("Observation", ""), "A", ""},
		{"nor for a read of dots", read("Observation", ".."), "A", ""},
		{"nor for no interaction", fhir.Interaction{Type: "Observation"}, "A", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.i.Outbound(fhir.R4, c.patient); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := read("Observation", "x").Outbound(0, ""); got != "" {
		t.Errorf("got %q for no version, want nothing", got)
	}
}

func TestRedactedDoesNotNameThePatient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		i    fhir.Interaction
		want string
	}{
		{"a read of a Patient", read("Patient", "A"), "Patient/***"},
		{"a read of another type", read("Observation", "x"), "Observation/x"},
		{"a search by id", search("Observation", patientA, par("code", "a|b")), "Observation?patient=***&code=a%7Cb"},
		{"a search by identifier", search("Condition", byBSN), "Condition?patient.identifier=***"},
		{"a Patient by id", search("Patient", patientA), "Patient?_id=***"},
		{"a Patient by identifier", search("Patient", byBSN), "Patient?identifier=***"},
		{"a search that names nobody", search("Condition", nobody), "Condition"},
		{"with a parameter", search("Condition", nobody, par("_count", "1")), "Condition?_count=1"},
		{"a cursor", fhir.Interaction{Code: fhir.CodeSearch, Type: "Condition", Cursor: "abc"}, "Condition?_cursor=***"},
		{"a page of everything", fhir.Interaction{Code: fhir.CodeEverything, Type: "Patient", Cursor: "abc"}, "Patient/$everything?_cursor=***"},
		{"everything", everything(par("_count", "3")), "Patient/***/$everything?_count=3"},
		{"the last observations", lastN(patientA, par("max", "3")), "Observation/$lastn?patient=***&max=3"},
		{"a version of a Patient", fhir.Interaction{Code: fhir.CodeVRead, Type: "Patient", ID: "A", Version: "1"}, "Patient/***/_history/1"},
		{"the history of another type", fhir.Interaction{Code: fhir.CodeHistory, Type: "Condition", ID: "x"}, "Condition/x/_history"},
		{"an attachment", fhir.Interaction{Code: fhir.CodeAttachment, Type: "Binary", Cursor: "abc"}, "Binary/***"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.i.Redacted(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPatientSearchKeepsTheIdentifierOutOfTheURL(t *testing.T) {
	t.Parallel()
	path, form := fhir.PatientSearch(fhir.Identifier{System: "urn:x,y", Value: `a|b$c\&d`})
	if want := "Patient/_search"; path != want {
		t.Errorf("got path %q, want %q", path, want)
	}
	if want := `identifier=urn:x%5C,y%7Ca%5C%7Cb%5C%24c%5C%5C%26d`; form != want {
		t.Errorf("got form %q, want %q", form, want)
	}
	got, err := fhir.ParseInteraction(fhir.R4, post(path, form))
	if want := search("Patient", identified("urn:x,y", `a|b$c\&d`)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it reads as %+v, %v; want %+v", got, err, want)
	}
}

// FuzzParseInteraction checks the promise that what is forwarded is what was decided: an accepted request renders to one that
// parses to the same Interaction, a refused one leaves nothing behind, and what is sent to the source is bound to one patient.
func FuzzParseInteraction(f *testing.F) {
	for _, seed := range []struct{ method, path, query, body string }{
		{"GET", "Patient/A", "_format=json", ""},
		{"GET", "Observation", "patient=A&code=http://loinc.org|1234-5,a%5C,b&date=ge2020-01-01&_count=10", ""},
		{"GET", "Observation", "subject:Patient=A&_sort=-date,_id&_include=Observation:performer", ""},
		{"GET", "Condition", "patient.identifier=" + bsnSystem + "%7C999990019&onset-info=a+b%C3%A9", ""},
		{"GET", "Coverage", "beneficiary:identifier=urn:x%5C,y|a%5C|b", ""},
		{"GET", "Patient", "_id=A&_revinclude=Observation:patient", ""},
		{"GET", "Patient", "identifier=a|b", ""},
		{"HEAD", "AdverseEvent", "subject=Patient/A", ""},
		{"GET", "Observation", "_cursor=abc-_", ""},
		{"POST", "Observation/_search", "", "patient=A&value-quantity=gt5.4|http://unitsofmeasure.org|mg"},
		{"GET", "Patient/A/$everything", "_type=Patient,Observation&_since=2020&_count=3", ""},
		{"GET", "Patient/A/Observation", "code=a", ""},
		{"GET", "Observation/$lastn", "patient=A&max=3&code=b", ""},
		{"GET", "Observation/x/_history/1", "", ""},
		{"GET", "Observation/x/_history", "_count=3&_since=2020", ""},
		{"GET", "Binary/abc", "", ""},
		{"GET", "ProcedureRequest", "subject=Patient/A&medication.code=a", ""},
		{"GET", "MedicationRequest", "patient.identifier=a|b&periodofuse=ge2020&medication.code=a", ""},
		{"GET", "CarePlan", "_include:recurse=DeviceUseStatement:device:Device&_include:iterate=PractitionerRole:organization", ""},
		{"GET", "Observation", "patient=A&patient=B;patient=C&=&%zz", ""},
	} {
		for allow := range fhir.AllowVRead | fhir.AllowHistory + 1 {
			for _, v := range []fhir.Version{fhir.R4, fhir.STU3} {
				f.Add(uint8(v), uint8(allow), seed.method, seed.path, seed.query, seed.body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, version, allow uint8, method, path, query, body string) {
		v := fhir.Version(version)
		i, err := fhir.ParseInteraction(v, fhir.Request{
			Method: method, Path: path, RawQuery: query, ContentType: "application/x-www-form-urlencoded", Body: []byte(body), Allow: fhir.Allow(allow),
		})
		if err != nil {
			if !reflect.DeepEqual(i, fhir.Interaction{}) {
				t.Fatalf("got %+v together with the error %v", i, err)
			}
			return
		}
		checkTarget(t, v, i)
		all := i.Everything(v)
		if search, most := i.LastN(); i.Code == fhir.CodeLastN {
			if most < 1 || most > fhir.MaxLastN {
				t.Fatalf("%+v: got the last %d", i, most)
			}
			all = append(all, search)
		} else if i.Code == fhir.CodeSearch && i.Cursor == "" {
			all = append(all, i)
		}
		if len(all) == 0 && i.Code == fhir.CodeEverything {
			t.Fatalf("%+v is nothing", i)
		}
		for _, search := range all {
			checkOutbound(t, v, search)
		}
	})
}

// checkTarget renders an interaction and parses it again.
func checkTarget(t *testing.T, v fhir.Version, i fhir.Interaction) {
	t.Helper()
	again, err := fhir.ParseInteraction(v, i.Target())
	if err != nil || !reflect.DeepEqual(again, i) {
		t.Fatalf("%+v renders to %+v, which reads as %+v, %v", i, i.Target(), again, err)
	}
}

// checkOutbound parses the outbound request as the source does.
func checkOutbound(t *testing.T, v fhir.Version, i fhir.Interaction) {
	t.Helper()
	patient := i.Patient.ID
	if patient == "" {
		patient = "Bound"
	}
	outbound := i.Outbound(v, patient)
	back, err := fhir.ParseInteraction(v, get(outbound))
	if err != nil && strings.Contains(err.Error(), "too long") || err != nil && strings.Contains(err.Error(), "too many parameters") {
		return // binding makes a query at the limit too long
	}
	if err != nil || back.Patient != (fhir.PatientName{ID: patient}) || !reflect.DeepEqual(back.Params, i.Params) {
		t.Fatalf("%+v goes out as %q, which reads as %+v, %v", i, outbound, back, err)
	}
}

func BenchmarkParseInteraction(b *testing.B) {
	for name, target := range map[string]string{
		"read":   "Observation/5a3b",
		"search": "Observation?patient=5a3b&category=http://terminology.hl7.org/CodeSystem/observation-category%7Claboratory&date=ge2020-01-01&_count=100",
	} {
		b.Run(name, func(b *testing.B) {
			r := get(target)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := fhir.ParseInteraction(fhir.R4, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestRedactedKeepsNoBareNumbers(t *testing.T) {
	for query, want := range map[string]string{
		"patient=A&code=999990019":                                  "Observation?patient=***&code=***",
		"patient=A&code=718-7,999990019":                            "Observation?patient=***&code=718-7,***",
		"patient=A&code=%7C999990019":                               "Observation?patient=***&code=***",
		"patient=A&code=http://snomed.info/sct%7C271649006":         "Observation?patient=***&code=http://snomed.info/sct%7C271649006",
		"patient=A&identifier=urn:bsn%7C999990019,urn:x%7Ca-1":      "Observation?patient=***&identifier=***,urn:x%7Ca-1",
		"patient=A&date=ge2026-01-01&_count=10&category=laboratory": "Observation?patient=***&_count=10&category=laboratory&date=ge2026-01-01",
	} {
		i, err := fhir.ParseInteraction(fhir.R4, fhir.Request{Method: "GET", Path: "Observation", RawQuery: query})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if got := i.Redacted(); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}
