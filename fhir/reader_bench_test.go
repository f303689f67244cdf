package fhir_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

// benchReader is a reader with the rules and codes of a typical deployment.
func benchReader(tb testing.TB) *fhir.Reader {
	tb.Helper()
	const observation = "http://terminology.hl7.org/CodeSystem/observation-category"
	c, err := fhir.NewClassifier(fhir.R4, []fhir.CategoryRule{
		{Category: "ObservationLaboratory", Type: "Observation", Element: "category", Code: fhir.Coding{System: observation, Code: "laboratory"}},
	}, []fhir.SensitiveCode{
		{Coding: fhir.Coding{System: "http://hl7.org/fhir/sid/icd-10", Code: "F"}, Prefix: true, Category: fhir.Restricted},
	})
	if err != nil {
		tb.Fatal(err)
	}
	r, err := fhir.NewReader(fhir.ReaderOptions{
		Version: fhir.R4, Base: "http://hapi:8080/fhir", PersonSystems: []string{"http://fhir.nl/fhir/NamingSystem/bsn"}, Classifier: c,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// benchBundle is a searchset of 50 Observations as a HAPI server writes them, of about 100 kB.
func benchBundle() []byte {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","id":"b","meta":{"lastUpdated":"2026-01-01T00:00:00Z"},"type":"searchset","total":50,` +
		`"link":[{"relation":"self","url":"http://hapi:8080/fhir/Observation?patient=A"}],"entry":[`)
	for i := range 50 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"fullUrl":"http://hapi:8080/fhir/Observation/o%d","resource":{"resourceType":"Observation","id":"o%d",`+
			`"meta":{"versionId":"1","lastUpdated":"2026-01-01T00:00:00.000+00:00","source":"#abc","profile":["http://nictiz.nl/fhir/StructureDefinition/nl-core-LaboratoryTestResult"],`+
			`"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]},`+
			`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><table><caption>Observatie/bepaling. Subject: Patiënt, Johanna Petronella Maria (Jo) van Putten-van der Giessen. Categorie: <span title=\"Laboratory (laboratory - http://terminology.hl7.org/CodeSystem/observation-category)\">Laboratory</span>, Status: definitief</caption><tbody><tr><th>Code</th><th>Waarde</th></tr><tr><td>Sodium</td><td>138 mmol/l</td></tr></tbody></table></div>"},`+
			`"extension":[{"url":"http://nictiz.nl/fhir/StructureDefinition/ext-Comment","valueString":"ok"}],`+
			`"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory","display":"Laboratory"}]}],`+
			`"code":{"coding":[{"system":"http://loinc.org","code":"2947-0","display":"Sodium [Moles/volume] in Blood"}],"text":"Natrium"},`+
			`"subject":{"reference":"Patient/78f005f3-7b33-4a5b-84d9-28417b36dbab","type":"Patient","display":"Patient"},`+
			`"encounter":{"reference":"Encounter/e%d"},"effectiveDateTime":"2021-06-12T13:15:00+02:00","_issued":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]},`+
			`"performer":[{"reference":"Practitioner/p1","display":"dr. Jansen"}],`+
			`"valueQuantity":{"value":138.0%d,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/l"},`+
			`"referenceRange":[{"low":{"value":136,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/l"},"high":{"value":146,"unit":"mmol/l","system":"http://unitsofmeasure.org","code":"mmol/l"}}]},`+
			`"search":{"mode":"match"}}`, i, i, i, i)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func BenchmarkSearchset(b *testing.B) {
	body := benchBundle()
	r := benchReader(b)
	var c fhir.Contents
	if err := r.Searchset(body, &c); err != nil {
		b.Fatal(err)
	}
	keep := make([]bool, len(c.Resources))
	for i := range keep {
		keep[i] = c.Resources[i].Attributed
	}
	edits := fhir.Edits{Base: "https://gw.example/fhir/h", Self: "https://gw.example/fhir/h/Observation?patient=***",
		KeepDisplay: func(typ string) bool { return typ != "Practitioner" }}
	dst := make([]byte, 0, 2*len(body))
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Searchset(body, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read and render", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if err := r.Searchset(body, &c); err != nil {
				b.Fatal(err)
			}
			dst = c.AppendSearchset(dst[:0], keep, edits)
		}
	})
	b.Run("json.Valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if !json.Valid(body) {
				b.Fatal("invalid")
			}
		}
	})
}
