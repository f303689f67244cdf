package fhir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"zorgsluis/fhir"
)

func TestCategories(t *testing.T) {
	obs := func(member string) string {
		return `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/A"},` + member + `}`
	}
	condition := func(member string) string {
		return `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/A"},` + member + `}`
	}
	coding := func(system, code string) string { return `{"system":"` + system + `","code":"` + code + `"}` }
	concept := func(codings ...string) string { return `{"coding":[` + strings.Join(codings, ",") + `]}` }
	lab, vital := coding(systemObservation, "laboratory"), coding(systemObservation, "vital-signs")
	label := func(system, code string) string {
		return condition(`"meta":{"security":[` + coding(system, code) + `]}`)
	}
	tests := []struct {
		name, resource, want string
	}{
		{"a rule by type", condition(`"x":1`), "Condition"},
		{"two rules by type", `{"resourceType":"CarePlan","id":"c","subject":{"reference":"Patient/A"}}`, "Episode Nursing"},
		{"a Patient", `{"resourceType":"Patient","id":"A"}`, "Patient"},
		{"CA-2 a type without a rule", `{"resourceType":"Flag","id":"f","subject":{"reference":"Patient/A"}}`, "Unclassified"},
		{"a category in a rule", obs(`"category":[` + concept(lab) + `]`), "ObservationLaboratory"},
		{"a code in a rule", obs(`"code":` + concept(coding(sct, "228366006"))), "ObservationSocialHistory"},
		{"any code of a system", obs(`"category":[` + concept(coding("urn:survey", "anything")) + `]`), "ObservationSurvey"},
		{"JS-3 an escaped code", obs(`"category":[{"coding":[{"system":"` + systemObservation + `","code":"labor\u0061tory"}]}]`), "ObservationLaboratory"},
		{"CA-2 no category and no code", obs(`"x":1`), "Unclassified"},
		{"CA-2 a text-only code", obs(`"code":{"text":"suicidal ideation"}`), "Unclassified"},
		{"CA-2 a local code", obs(`"code":` + concept(coding("urn:local", "1"))), "Unclassified"},
		{"CA-2 another case of a code", obs(`"category":[` + concept(coding(systemObservation, "Laboratory")) + `]`), "Unclassified"},
		{"CA-2 the code of another system", obs(`"category":[` + concept(coding("urn:x", "laboratory")) + `]`), "Unclassified"},
		{"CA-3 two categories", obs(`"category":[` + concept(lab) + `,` + concept(vital) + `]`), "ObservationLaboratory ObservationVitalSigns"},
		{"CA-3 two codings of one category", obs(`"category":[` + concept(lab, vital) + `]`), "ObservationLaboratory ObservationVitalSigns"},
		{"CA-3 a known category beside one in no rule", obs(`"category":[` + concept(lab, coding("urn:x", "y")) + `]`), "ObservationLaboratory Unclassified"},
		{"CA-3 a known category beside one of text only", obs(`"category":[` + concept(lab) + `,{"text":"GGZ"}]`), "ObservationLaboratory Unclassified"},
		{"CA-5 category and code both count", obs(`"category":[` + concept(lab) + `],"code":` + concept(coding(sct, "228366006"))), "ObservationLaboratory ObservationSocialHistory"},
		{"CA-5 a code in no rule beside a known category", obs(`"category":[` + concept(lab) + `],"code":` + concept(coding("http://loinc.org", "1"))), "ObservationLaboratory"},
		{"a category rule does not read the code", obs(`"code":` + concept(lab)), "Unclassified"},
		{"a category deeper down does not count", obs(`"x":{"category":[` + concept(lab) + `]}`), "Unclassified"},
		{"a rule by code replaces the bare one", `{"resourceType":"Consent","id":"c","patient":{"reference":"Patient/A"},"category":[` + concept(coding(sct, "11341000146107")) + `]}`, "AdvanceDirective"},
		{"it replaces it whatever stands beside", `{"resourceType":"Consent","id":"c","patient":{"reference":"Patient/A"},"category":[` + concept(coding(sct, "11341000146107"), coding("x", "y")) + `]}`, "AdvanceDirective"},
		{"a Consent of another category", `{"resourceType":"Consent","id":"c","patient":{"reference":"Patient/A"},"category":[` + concept(coding("x", "y")) + `]}`, "Consent"},
		{"AllergyIntolerance.category holds strings", `{"resourceType":"AllergyIntolerance","id":"a","patient":{"reference":"Patient/A"},"category":["food"]}`, "Unclassified"},

		{"CA-4 a sensitive component", obs(`"category":[` + concept(lab) + `],"component":[{"code":` + concept(coding(sct, "370143000")) + `}]`), "MentalHealth ObservationLaboratory"},
		{"CA-1 a sensitive reason", condition(`"evidence":[{"code":[` + concept(coding(sct, "370143000")) + `]}]`), "Condition MentalHealth"},
		{"CA-6 a sensitive medication by prefix", `{"resourceType":"MedicationRequest","id":"m","subject":{"reference":"Patient/A"},"medicationCodeableConcept":` + concept(coding(atc, "N06AB06")) + `}`, "MedicationRequest MentalHealth"},
		{"CA-6 a contained sensitive medication", `{"resourceType":"MedicationRequest","id":"m","subject":{"reference":"Patient/A"},"contained":[{"resourceType":"Medication","id":"c","code":` + concept(coding(atc, "N06AB06")) + `}]}`, "MedicationRequest MentalHealth"},
		{"the prefix itself", condition(`"code":` + concept(coding(atc, "N06A"))), "Condition MentalHealth"},
		{"shorter than the prefix", condition(`"code":` + concept(coding(atc, "N06"))), "Condition"},
		{"the exact code with more behind", condition(`"code":` + concept(coding(sct, "3701430001"))), "Condition"},
		{"a sensitive code in small letters", condition(`"code":` + concept(coding(atc, "n06ab06"))), "Condition MentalHealth"},
		{"a sensitive code with white space about it", condition(`"code":` + concept(coding(sct, ` 370143000\u00a0`))), "Condition MentalHealth"},
		{"a sensitive code in an extension", condition(`"extension":[{"url":"x","valueCoding":` + coding(sct, "370143000") + `}]`), "Condition MentalHealth"},
		{"a sensitive code, escaped", condition(`"code":{"coding":[{"system":"http:\/\/snomed.info\/sct","code":"37014300\u0030"}]}`), "Condition MentalHealth"},
		{"a sensitive code of another system", condition(`"code":` + concept(coding("x", "370143000"))), "Condition"},

		{"a sensitive code of a system with a slash", condition(`"code":` + concept(coding(sct+"/", "370143000"))), "Condition MentalHealth"},
		{"a sensitive code of a version of a system", condition(`"code":` + concept(coding(atc+"|2026", "N06AB06"))), "Condition MentalHealth"},
		{"a sensitive code of the Dutch edition", condition(`"code":` + concept(coding(sct+"/11000146104/version/20260331", "370143000"))), "Condition MentalHealth"},
		{"a sensitive code of a system over https", condition(`"code":` + concept(coding("https://snomed.info/sct", "370143000"))), "Condition MentalHealth"},
		{"a sensitive code of a system in capitals", condition(`"code":` + concept(coding("HTTP://Snomed.info/SCT", "370143000"))), "Condition MentalHealth"},
		{"a sensitive code of a system with white space about it", condition(`"code":` + concept(coding(" "+sct+`\u00a0`, "370143000"))), "Condition MentalHealth"},
		{"a sensitive code of a system that begins like it", condition(`"code":` + concept(coding(sct+"2", "370143000"))), "Condition"},
		{"CA-6 a medication named by its code alone", `{"resourceType":"MedicationRequest","id":"m","subject":{"reference":"Patient/A"},"medicationReference":{"identifier":{"system":"` + atc + `","value":"N06AB06"}}}`, "MedicationRequest MentalHealth"},
		{"an identifier of another system", condition(`"identifier":[{"system":"urn:x","value":"N06AB06"}]`), "Condition"},
		{"a sensitive code in an expression", condition(`"code":` + concept(coding(sct, "243796009:246090004=370143000"))), "Condition MentalHealth"},
		{"a sensitive code with its term", condition(`"code":` + concept(coding(sct, "370143000 |a term|"))), "Condition MentalHealth"},
		{"a longer code in an expression", condition(`"code":` + concept(coding(sct, "243796009:246090004=3701430001"))), "Condition"},
		{"a sensitive code with a space of no width in it", condition(`"code":` + concept(coding(sct, `37014\u200b3000`))), "Condition MentalHealth"},
		{"a sensitive code in wide characters", condition(`"code":` + concept(coding(atc, "Ｎ０６Ａ"))), "Condition MentalHealth"},
		{"never disclosed, of a system with a slash", condition(`"code":` + concept(coding("urn:note/", "own"))), ""},

		{"BI-7 resources inside an attachment", condition(`"x":{"contentType":"application/fhir+json; charset=utf-8","data":"e30="}`), "Condition Restricted"},
		{"BI-7 and in the type of another version", condition(`"x":[{"data":"e30=","contentType":"application/JSON+FHIR"}]`), "Condition Restricted"},
		{"BI-7 a link to them", condition(`"x":{"contentType":"application/fhir+json","url":"Binary/b"}`), "Condition"},
		{"BI-7 a document", condition(`"x":{"contentType":"application/pdf","data":"e30="}`), "Condition"},

		{"CA-11 a label in a tag", condition(`"meta":{"tag":[` + coding(systemConfidentiality, "R") + `]}`), "Condition Restricted"},
		{"CA-11 a label of what an element is about", condition(`"code":{"text":"x","extension":[{"url":"x","valueCoding":` + coding(systemConfidentiality, "V") + `}]}`), "Condition Restricted"},
		{"CA-11 a label of another version in a tag", condition(`"meta":{"tag":[` + coding("http://hl7.org/fhir/v3/Confidentiality", "R") + `]}`), "Condition Restricted"},
		{"CA-11 a normal label in a tag", condition(`"meta":{"tag":[` + coding(systemConfidentiality, "N") + `]}`), "Condition"},

		{"CA-11 label N", label(systemConfidentiality, "N"), "Condition"},
		{"CA-11 label U", label(systemConfidentiality, "U"), "Condition"},
		{"CA-11 label L", label(systemConfidentiality, "L"), "Condition"},
		{"CA-11 label M", label(systemConfidentiality, "M"), "Condition"},
		{"CA-11 label R", label(systemConfidentiality, "R"), "Condition Restricted"},
		{"CA-11 label V", label(systemConfidentiality, "V"), "Condition Restricted"},
		{"CA-11 an unknown label", label(systemConfidentiality, "X"), "Condition Restricted"},
		{"CA-11 a label in lower case", label(systemConfidentiality, "n"), "Condition Restricted"},
		{"CA-11 PSY", label("http://terminology.hl7.org/CodeSystem/v3-ActCode", "PSY"), "Condition Restricted"},
		{"CA-11 N beside R", condition(`"meta":{"security":[` + coding(systemConfidentiality, "N") + `,` + coding(systemConfidentiality, "R") + `]}`), "Condition Restricted"},
		{"CA-11 a label without a system", condition(`"meta":{"security":[{"code":"N"}]}`), "Condition Restricted"},
		{"CA-11 labels that are no array", condition(`"meta":{"security":` + coding(systemConfidentiality, "N") + `}`), "Condition Restricted"},
		{"CA-11 labels that are strings", condition(`"meta":{"security":["N"]}`), "Condition Restricted"},
		{"CA-11 labels that are null", condition(`"meta":{"security":null}`), "Condition Restricted"},
		{"CA-11 no labels in the array", condition(`"meta":{"security":[]}`), "Condition Restricted"},
		{"CA-11 a label in _security only", condition(`"meta":{"_security":[{"extension":[]}]}`), "Condition Restricted"},
		{"CA-11 an escaped label", condition(`"m\u0065ta":{"secur\u0069ty":[{"system":"` + systemConfidentiality + `","code":"\u0052"}]}`), "Condition Restricted"},
		{"CA-11 a label of a contained resource", condition(`"contained":[{"resourceType":"Medication","id":"m","meta":{"security":[` + coding(systemConfidentiality, "R") + `]}}]`), "Condition Restricted"},
		{"CA-11 an element called security elsewhere", condition(`"x":{"security":["R"]}`), "Condition"},
		{"CA-11 a securityLabel of normal", condition(`"securityLabel":[` + concept(coding(systemConfidentiality, "N")) + `]`), "Condition"},
		{"CA-11 a securityLabel of restricted", condition(`"securityLabel":[` + concept(coding(systemConfidentiality, "R")) + `]`), "Condition Restricted"},
		{"CA-11 a securityLabel that is no array", condition(`"securityLabel":` + concept(coding(systemConfidentiality, "N"))), "Condition Restricted"},
		{"CA-11 a securityLabel of text", condition(`"securityLabel":[{"text":"R"}]`), "Condition Restricted"},
		{"CA-11 a securityLabel of another shape", condition(`"securityLabel":"N"`), "Condition Restricted"},
		{"CA-11 a confidential composition", condition(`"confidentiality":"R"`), "Condition Restricted"},
		{"CA-11 a normal composition", condition(`"confidentiality":"N"`), "Condition"},
		{"CA-11 a confidentiality of another shape", condition(`"confidentiality":["N"]`), "Condition Restricted"},

		{"CA-13 a contained Condition", obs(`"category":[` + concept(lab) + `],"contained":[{"resourceType":"Condition","id":"c"}]`), "Condition ObservationLaboratory"},
		{"CA-13 a contained Observation has a category of its own", obs(`"category":[` + concept(lab) + `],"contained":[{"resourceType":"Observation","id":"c","category":[` + concept(vital) + `]}]`), "ObservationLaboratory ObservationVitalSigns"},
		{"CA-10 a document that is signed", `{"resourceType":"Composition","id":"c","subject":{"reference":"Patient/A"},"attester":[{"mode":"legal","party":{"reference":"Practitioner/p"}}]}`, "Unclassified"},
		{"CA-12 a sensitive tag", condition(`"meta":{"tag":[` + coding(sct, "370143000") + `]}`), "Condition MentalHealth"},
		{"CA-13 a contained type without a rule", obs(`"category":[` + concept(lab) + `],"contained":[{"resourceType":"Flag","id":"c"}]`), "ObservationLaboratory Unclassified"},
		{"CA-13 a contained shared type", obs(`"category":[` + concept(lab) + `],"contained":[{"resourceType":"Organization","id":"c"}]`), "ObservationLaboratory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readOne(t, tt.resource)
			if got.Attributed != (tt.want != "") {
				t.Fatalf("attributed: %t", got.Attributed)
			}
			var names []string
			for _, c := range got.Categories {
				names = append(names, string(c))
			}
			if s := strings.Join(names, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestBundleLabelHoldsForAll(t *testing.T) {
	entries := searchset(match(`{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/A"}}`), match(`{"resourceType":"Group","id":"g"}`))
	for name, tt := range map[string]struct {
		meta string
		want []fhir.DataCategory
	}{
		"no label":      {`{"lastUpdated":"2020"}`, []fhir.DataCategory{"Condition"}},
		"normal":        {`{"security":[{"system":"` + systemConfidentiality + `","code":"N"}]}`, []fhir.DataCategory{"Condition"}},
		"restricted":    {`{"security":[{"system":"` + systemConfidentiality + `","code":"R"}]}`, []fhir.DataCategory{"Condition", "Restricted"}},
		"another shape": {`[]`, []fhir.DataCategory{"Condition", "Restricted"}},
	} {
		for _, body := range []string{
			strings.Replace(entries, `"type"`, `"meta":`+tt.meta+`,"type"`, 1),
			entries[:len(entries)-1] + `,"meta":` + tt.meta + `}`,
		} {
			var c fhir.Contents
			if err := newReader(t).Searchset([]byte(body), &c); err != nil {
				t.Fatal(err)
			}
			if got := c.Resources[0].Categories; !slices.Equal(got, tt.want) {
				t.Errorf("%s: got %v, want %v", name, got, tt.want)
			}
			if got := c.Resources[1].Categories; got != nil {
				t.Errorf("%s: a resource of nobody has %v", name, got)
			}
		}
	}
}

// TestBundleThatIsNeverDisclosed: a code in the Bundle's meta hides every entry, in a searchset and a history.
func TestBundleThatIsNeverDisclosed(t *testing.T) {
	const resource = `{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/A"}}`
	for _, typ := range []string{"searchset", "history"} {
		for meta, want := range map[string]bool{
			`{}`: true, `{"security":[` + never + `]}`: false, `{"tag":[{"code":"x"},` + never + `]}`: false, `{"tag":[{"system":"urn:other","code":"own"}]}`: true,
		} {
			for _, body := range []string{
				`{"resourceType":"Bundle","type":"` + typ + `","meta":` + meta + `,"entry":[{"resource":` + resource + `}]}`,
				`{"resourceType":"Bundle","type":"` + typ + `","entry":[{"resource":` + resource + `}],"meta":` + meta + `}`,
			} {
				var c fhir.Contents
				read := newReader(t).Searchset
				if typ == "history" {
					read = func(body []byte, c *fhir.Contents) error {
						return newReader(t).History(body, fhir.LocalReference{Type: "Condition", ID: "c"}, c)
					}
				}
				if err := read([]byte(body), &c); err != nil {
					t.Fatalf("%s: %v", body, err)
				}
				if got := c.Resources[0].Attributed; got != want {
					t.Errorf("%s: got attributed %v, want %v", body, got, want)
				}
			}
		}
	}
}

func TestTypeCategories(t *testing.T) {
	c := newClassifier(t)
	for typ, want := range map[string]string{
		"Condition":   "[Condition]",
		"Consent":     "[AdvanceDirective Consent]",
		"CarePlan":    "[Episode Nursing]",
		"Flag":        "[Unclassified]",
		"Observation": "[ObservationLaboratory ObservationSocialHistory ObservationSurvey ObservationVitalSigns Unclassified]",
	} {
		if got := fmt.Sprint(c.TypeCategories(typ)); got != want {
			t.Errorf("%s: got %s, want %s", typ, got, want)
		}
	}
}

func TestNewClassifierRefuses(t *testing.T) {
	code := fhir.Coding{System: "s", Code: "c"}
	tests := []struct {
		name      string
		rule      fhir.CategoryRule
		sensitive fhir.SensitiveCode
	}{
		{"no category", fhir.CategoryRule{Type: "Condition"}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"no type", fhir.CategoryRule{Category: "x"}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"an unknown type", fhir.CategoryRule{Category: "x", Type: "Conditions"}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"an unknown element", fhir.CategoryRule{Category: "x", Type: "Condition", Element: "bodySite", Code: code}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"an element without a system", fhir.CategoryRule{Category: "x", Type: "Condition", Element: "code", Code: fhir.Coding{Code: "c"}}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"a code without an element", fhir.CategoryRule{Category: "x", Type: "Condition", Code: code}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"a rule that discloses never", fhir.CategoryRule{Category: fhir.NeverDisclosed, Type: "Condition"}, fhir.SensitiveCode{Coding: code, Category: "x"}},
		{"a sensitive code without category", fhir.CategoryRule{Category: "x", Type: "Condition"}, fhir.SensitiveCode{Coding: code}},
		{"a sensitive code without system", fhir.CategoryRule{Category: "x", Type: "Condition"}, fhir.SensitiveCode{Coding: fhir.Coding{Code: "c"}, Category: "x"}},
		{"a sensitive code without code", fhir.CategoryRule{Category: "x", Type: "Condition"}, fhir.SensitiveCode{Coding: fhir.Coding{System: "s"}, Category: "x", Prefix: true}},
	}
	for _, tt := range tests {
		if _, err := fhir.NewClassifier(fhir.R4, []fhir.CategoryRule{tt.rule}, []fhir.SensitiveCode{tt.sensitive}); err == nil {
			t.Errorf("%s: got no error", tt.name)
		}
	}
	var many []fhir.CategoryRule
	for i := range 300 {
		many = append(many, fhir.CategoryRule{Category: fhir.DataCategory(fmt.Sprint(i)), Type: "Condition"})
	}
	if _, err := fhir.NewClassifier(fhir.R4, many, nil); err == nil {
		t.Error("300 categories: got no error")
	}
	_, err := fhir.NewClassifier(fhir.R4, []fhir.CategoryRule{{}, {Category: "x"}}, []fhir.SensitiveCode{{}})
	for _, want := range []string{"category rule 1", "category rule 2", "sensitive code 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want all defects at once, %s among them", err, want)
		}
	}
	if _, err := fhir.NewClassifier(fhir.Version(0), []fhir.CategoryRule{{Category: "x", Type: "Condition"}}, nil); err == nil {
		t.Error("no version: got no error")
	}
}

func TestAddedCategoriesAreThoseOfCodesAndLabels(t *testing.T) {
	c, err := fhir.NewClassifier(fhir.R4, []fhir.CategoryRule{{Category: "Bare", Type: "Condition"}}, []fhir.SensitiveCode{
		{Coding: fhir.Coding{System: "s", Code: "1"}, Category: "Exact"}, {Coding: fhir.Coding{System: "s", Code: "2"}, Prefix: true, Category: "Prefix"},
		{Coding: fhir.Coding{System: "s", Code: "3"}, Category: fhir.NeverDisclosed},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.AddedCategories(), []fhir.DataCategory{"Exact", "Prefix", "Restricted"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	none, err := fhir.NewClassifier(fhir.R4, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !c.HidesSome() || none.HidesSome() {
		t.Errorf("got that it hides some: %v, and without such a code %v", c.HidesSome(), none.HidesSome())
	}
}
