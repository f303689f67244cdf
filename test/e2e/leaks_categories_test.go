package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// denies wants gp, who may see A's laboratory results, medication and reports, to get nothing of these resources of A.
func (s *stage) denies(texts ...string) {
	s.T.Helper()
	for _, text := range texts {
		text = strings.ReplaceAll(text, "PATIENT-D", "PATIENT-A")
		name := s.have(text)[0]
		typ, _, _ := strings.Cut(name, "/")
		s.notFound(demo.GP(), name)
		s.answers(s.entry("match", text))
		s.finds(searchID(typ, leakA), text)
		s.source.Intercept(nil)
	}
}

// allows is the control of denies, and returns the body of the read.
func (s *stage) allows(text string) string {
	s.T.Helper()
	text = strings.ReplaceAll(text, "PATIENT-D", "PATIENT-A")
	name := s.have(text)[0]
	typ, _, _ := strings.Cut(name, "/")
	s.answers(s.entry("match", text))
	s.finds(searchID(typ, leakA), text, name)
	s.source.Intercept(nil)
	r := s.tell(demo.GP(), get("/fhir/demo/"+name))
	if r.status != http.StatusOK {
		s.T.Errorf("a read of %s: got %d, want 200", text, r.status)
	}
	return r.body
}

// coded returns an Observation with this category and code, both as JSON, and more members.
func coded(category, code, more string) string {
	return `{"resourceType":"Observation","id":"obs-x","status":"final",` + category + `"code":` + code + `,` + ofD + more + `}`
}

// prescription returns a MedicationRequest of D with more members.
func prescription(more string) string {
	return `{"resourceType":"MedicationRequest","id":"rx-x","status":"active","intent":"order",` + ofD + `,` + more + `}`
}

const (
	depression = `{"coding":[{"system":"http://snomed.info/sct","code":"370143000"}],"text":"CANARY"}`
	psychosis  = `{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F20.0"}],"text":"CANARY"}`
	canaryText = `{"text":"CANARY"}`
	laboratory = `LABORATORY,`
	tablets    = `"medicationCodeableConcept":{"text":"CANARY"}`
)

// inCategory returns a category element with these codings.
func inCategory(codings ...string) string {
	return `"category":[{"coding":[` + strings.Join(codings, "},{") + `]}],`
}

// categoryLeaks are the rows of leaks.md, 1.11: the kind of a resource.
var categoryLeaks = []leak{
	{"CA-1", "A resource is of every category that its type, category, code, reasons and labels give it, and all must permit: diagnoses in claims, referrals and plans count", func(s *stage) {
		s.allows(seen(prescription(tablets)))
		s.denies(prescription(tablets + `,"reasonCode":[` + psychosis + `]`))
		for _, other := range []string{
			some("Claim", `"status":"active","patient":`+toD+`,"diagnosis":[{"sequence":1,"diagnosisCodeableConcept":`+psychosis+`}]`),
			some("ExplanationOfBenefit", `"status":"active","patient":`+toD+`,"diagnosis":[{"sequence":1,"diagnosisCodeableConcept":`+psychosis+`}]`),
			some("Encounter", `"status":"finished","class":{"code":"AMB"},`+ofD+`,"reasonCode":[`+psychosis+`]`),
			some("CarePlan", `"status":"active","intent":"plan",`+ofD+`,"category":[`+depression+`]`),
			some("Goal", `"lifecycleStatus":"active","description":`+psychosis+`,`+ofD),
			some("Flag", `"status":"active","code":`+psychosis+`,`+ofD),
			some("Appointment", `"status":"booked","reasonCode":[`+psychosis+`],"participant":[{"actor":`+toD+`,"status":"accepted"}]`),
			some("ServiceRequest", `"status":"active","intent":"order",`+ofD+`,"reasonCode":[`+psychosis+`]`),
			some("DocumentReference", `"status":"current","type":`+psychosis+`,`+ofD+`,"content":[{"attachment":{"title":"CANARY"}}]`),
			some("Composition", `"status":"final","type":`+canaryText+`,"date":"2026-01-01","title":"CANARY",`+ofD+`,"section":[{"code":`+psychosis+`}]`),
		} {
			s.denies(other)
			s.hides(other) // D permits the type, but not what the diagnosis reveals
		}
	}},
	{"CA-2", "What no rule classifies is of a category of its own, which a consent for another does not open", func(s *stage) {
		s.allows(seen(coded(laboratory, canaryText, "")))
		s.denies(
			coded("", canaryText, ""), coded("", `{"coding":[{"system":"urn:local","code":"X"}],"text":"CANARY"}`, ""),
			coded(inCategory(`{"system":"urn:local","code":"laboratory"}`), canaryText, ""), coded(`"category":[{"text":"laboratory"}],`, canaryText, ""),
			coded(inCategory(`{"code":"laboratory"}`), canaryText, ""), coded("", `{"coding":[{"system":"urn:local","code":"1","display":"Hemoglobin"}],"text":"CANARY"}`, ""),
		)
	}},
	{"CA-3", "Of several codings each counts, in any order, and each code of an expression; a sensitive one in every spelling of its system", func(s *stage) {
		loinc, sensitive := `{"system":"http://loinc.org","code":"718-7"}`, `{"system":"http://snomed.info/sct","code":"370143000","display":"CANARY"}`
		for _, codings := range []string{loinc + `,` + sensitive, sensitive + `,` + loinc} {
			s.hides(coded(laboratory, `{"coding":[`+codings+`]}`, ""))
		}
		for _, system := range []string{"https://snomed.info/sct", "http://snomed.info/sct/", "http://snomed.info/sct|2026", "http://snomed.info/sct/11000146104", "HTTP://SNOMED.INFO/SCT"} {
			s.hides(coded(laboratory, `{"coding":[{"system":"`+system+`","code":"370143000","display":"CANARY"}]}`, ""))
		}
		s.hides(coded(laboratory, `{"coding":[{"system":"http://snomed.info/sct","code":"243796009:246090004=370143000","display":"CANARY"}]}`, ""))
		system := `{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"`
		s.denies(coded(`"category":[{"coding":[`+system+`laboratory"},`+system+`survey"}]}],`, canaryText, ""),
			coded(`"category":[{"coding":[`+system+`laboratory"}]},{"coding":[`+system+`survey"}]}],`, canaryText, ""))
	}},
	{"CA-4", "A component with a sensitive code makes the whole panel of its category; a member stays a bare reference", func(s *stage) {
		s.hides(coded(laboratory, canaryText, `,"component":[{"code":{"text":"x"}},{"code":`+depression+`}]`))
		body := s.allows(strings.Replace(seen(coded(laboratory, canaryText, `,"hasMember":[{"reference":"Observation/obs-psy-a","display":"HIDE"}]`)), "HIDE", "CANARY", 1))
		if strings.Contains(body, "display") || !strings.Contains(body, "obs-psy-a") {
			s.T.Errorf("got %s, want the reference without its display", body)
		}
	}},
	{"CA-5", "A category that pleases does not outweigh the code: both must be permitted, and none at all is a category of its own", func(s *stage) {
		s.hides(coded(laboratory, depression, ""))
		s.denies(coded(laboratory, `{"coding":[{"system":"http://snomed.info/sct","code":"228366006"}],"text":"CANARY"}`, ""), coded("", canaryText, ""))
		for _, category := range []string{`"category":null,`, `"category":"laboratory",`, `"category":[],`, `"category":[{}],`, `"category":[{"coding":"laboratory"}],`, `"category":[{"coding":[{"system":1,"code":"laboratory"}]}],`} {
			s.denies(coded(category, canaryText, ""))
		}
	}},
	{"CA-6", "A medicine that tells the diagnosis is restricted by its code, and with it what only refers to it: consent to medication does not open it", func(s *stage) {
		s.notFound(demo.GP(), "MedicationRequest/rx-psy-a")
		s.finds(searchID("MedicationRequest", leakA), "A's medication", "MedicationRequest/rx-a")
		for _, code := range []string{"N05AH03", "N06AB06", "N07BB01", "N07BC02", "J05AR03"} {
			coding := `{"coding":[{"system":"http://www.whocc.no/atc","code":"` + code + `"}],"text":"CANARY"}`
			s.hides(prescription(`"medicationCodeableConcept":`+coding),
				prescription(`"contained":[{"resourceType":"Medication","id":"m","code":`+coding+`}],"medicationReference":{"reference":"#m"}`))
		}
		s.shows(seen(prescription(`"medicationCodeableConcept":{"coding":[{"system":"http://www.whocc.no/atc","code":"C07AB02"}]}`)))
		for code, names := range map[string][]string{"N06AB06": nil, "C07AB02": {"MedicationRequest/rx-x"}} {
			s.have(`{"resourceType":"Medication","id":"m-x","code":{"coding":[{"system":"http://www.whocc.no/atc","code":"`+code+`"}]}}`,
				seen(prescription(`"medicationReference":{"reference":"Medication/m-x"}`)))
			s.finds(aboutD("MedicationRequest"), "a prescription of "+code, names...)
			if r := s.tell(demo.GP(), get("/fhir/demo/MedicationRequest/rx-x")); (r.status == http.StatusOK) != (len(names) > 0) {
				s.T.Errorf("a read of a prescription of %s: got %d", code, r.status)
			}
		}
	}},
	{"CA-7", "Text is never left behind where its element is taken out: stripping the number strips the narrative; nothing else is taken out, so that notes go with the whole resource", func(s *stage) {
		s.have(`{"resourceType":"Patient","id":"PATIENT-D","text":{"status":"generated","div":"<div>BSN-D</div>"},"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-D"}],"name":[{"family":"visible"}],"birthDate":"1973-01-01"}`)
		own := demo.Patient("patient", leakD)
		for _, q := range []question{get("/fhir/demo/Patient/leak-d"), get("/fhir/demo/Patient")} {
			r := s.tell(own, q)
			if r.status != http.StatusOK || !strings.Contains(r.body, "visible") || strings.Contains(r.body, leakD.BSN) || strings.Contains(r.body, `"div"`) {
				s.T.Errorf("got %d %s, want the own record without the number", r.status, r.body)
			}
		}
		s.hides(coded(laboratory, depression, `,"note":[{"text":"CANARY"}],"text":{"status":"generated","div":"<div>CANARY</div>"}`))
	}},
	{"CA-8", "Modifiers are never taken out: what is kept leaves byte for byte, what is not goes whole", func(s *stage) {
		for _, more := range []string{`,"modifierExtension":[{"url":"urn:not","valueBoolean":true}]`, `,"_status":{"extension":[{"url":"urn:x","valueCode":"entered-in-error"}]}`} {
			s.unchanged(seen(coded(laboratory, canaryText, more)))
		}
		s.unchanged(seen(prescription(tablets + `,"doNotPerform":true`)))
		s.unchanged(strings.Replace(seen(coded(laboratory, canaryText, "")), `"final"`, `"entered-in-error"`, 1))
		s.unchanged(some("Condition", `"verificationStatus":{"coding":[{"code":"refuted"}]},`+ofD+`,"id2":"visible"`))
	}},
	{"CA-9", "No element is cut out of a resource, so that none is invalid by it and none is marked as redacted", func(s *stage) {
		s.unchanged(seen(coded(laboratory, canaryText, `,"valueQuantity":{"value":7.20},"x-unknown":{"a":[1,null,"x"]}`)))
		s.hides(coded(laboratory, canaryText, `,"component":[{"code":`+depression+`,"valueInteger":1}]`))
		r := s.tell(demo.GP(), searchID("Observation", leakA))
		if strings.Contains(r.body, "REDACTED") || strings.Contains(r.body, "SUBSETTED") || r.status != http.StatusOK {
			s.T.Errorf("got %d %s, want nothing to tell of what is hidden", r.status, r.body)
		}
	}},
	{"CA-10", "A Bundle's signature and everything else of its wrapper is left behind; documents that are signed as a whole are not served", func(s *stage) {
		s.replies(func(self string) string {
			return `{"resourceType":"Bundle","id":"CANARY","identifier":{"value":"CANARY"},"timestamp":"2026-01-01T00:00:00Z","type":"searchset","link":[{"relation":"self","url":"` + self +
				`"}],"signature":{"data":"Q0FOQVJZN2YzYQ==","who":{"reference":"Practitioner/CANARY"}},"entry":[` + s.entry("match", visible) + `]}`
		})
		r := s.finds(aboutD("Observation"), "a signed bundle", "Observation/obs-visible")
		if strings.Contains(r.body, "signature") {
			s.T.Error("the signature left")
		}
		s.source.Intercept(nil)
		s.hides(some("Provenance", `"target":[`+toD+`],"recorded":"2026-01-01T00:00:00Z","signature":[{"data":"Q0FOQVJZN2YzYQ=="}]`), `{"resourceType":"Bundle","id":"b-x","type":"document","signature":{"data":"Q0FOQVJZN2YzYQ=="}}`)
	}},
	{"CA-11", "Labels can only tighten: restricted, very restricted, sensitive and unknown ones restrict, on the resource, a contained one, the Bundle, or where only a twin is; one of confidentiality or sensitivity in a tag or an extension too", func(s *stage) {
		label := func(system, code string) string {
			return `,"meta":{"security":[{"system":"` + system + `","code":"` + code + `"}]}`
		}
		const confidentiality, actCode = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
		s.shows(seen(coded(laboratory, canaryText, label(confidentiality, "N"))))
		for _, code := range []string{"R", "V", "X", ""} {
			s.hides(coded(laboratory, canaryText, label(confidentiality, code)))
		}
		for _, code := range []string{"PSY", "HIV", "SDV", "ETHUD", "NOPAT", "DELAU", "N"} {
			s.hides(coded(laboratory, canaryText, label(actCode, code)))
		}
		for _, meta := range []string{`,"meta":{"_security":[{"extension":[{"url":"urn:x","valueCode":"R"}]}]}`, `,"meta":{"security":"R"}`, `,"meta":{"security":[]}`, `,"meta":{"security":[{"display":"R"}]}`,
			`,"contained":[{"resourceType":"Medication","id":"m"` + label(confidentiality, "R") + `}]`,
			strings.Replace(label(confidentiality, "R"), "security", "tag", 1), strings.Replace(label(actCode, "PSY"), "security", "tag", 1),
			`,"extension":[{"url":"urn:label","valueCoding":{"system":"` + confidentiality + `","code":"V"}}]`} {
			s.hides(coded(laboratory, canaryText, meta))
		}
		s.replies(func(self string) string {
			return `{"resourceType":"Bundle","type":"searchset"` + label(confidentiality, "R") + `,"link":[{"relation":"self","url":"` + self + `"}],"entry":[` + s.entry("match", observation(ofD)) + `]}`
		})
		s.finds(aboutD("Observation"), "a labelled bundle")
	}},
	{"CA-12", "The version and the source in meta are taken out; what stays of it is the resource's own, and hides nothing that decides", func(s *stage) {
		body := s.shows(seen(coded(laboratory, canaryText, `,"meta":{"versionId":"HIDE","_versionId":{"id":"HIDE"},"source":"urn:HIDE","_source":{"id":"HIDE"},"profile":["urn:lab"]},"language":"nl"`)))
		if strings.Contains(body, "HIDE") || !strings.Contains(body, "urn:lab") {
			s.T.Errorf("got %s, want meta without version and source", body)
		}
		s.hides(coded(laboratory, canaryText, `,"meta":{"tag":[{"code":"SUBSETTED"}]}`), coded(laboratory, canaryText, `,"meta":[]`))
	}},
	{"CA-13", "A contained resource is classified by itself and must be permitted as well; one that is never served hides what holds it", func(s *stage) {
		s.allows(seen(prescription(`"contained":[{"resourceType":"Medication","id":"m","code":{"text":"visible"}},{"resourceType":"Practitioner","id":"p"}],"medicationReference":{"reference":"#m"}`)))
		for _, contained := range []string{`{"resourceType":"Condition","id":"c","code":{"text":"CANARY"}}`, `{"resourceType":"Observation","id":"o","code":{"text":"CANARY"}}`, `{"resourceType":"Observation","id":"o",SURVEY,"code":{"text":"CANARY"}}`} {
			s.denies(prescription(tablets + `,"contained":[` + contained + `]`))
		}
		for _, contained := range []string{`{"resourceType":"Medication","id":"m","code":` + depression + `}`, `{"resourceType":"Binary","id":"b","data":"Q0FOQVJZN2YzYQ=="}`, `{"resourceType":"List","id":"l"}`,
			`{"id":"none"}`, `{"resourceType":"Unheard","id":"u"}`, `"CANARY"`, `{"resourceType":"Observation","id":"o","contained":[{"resourceType":"Observation","id":"p"}]}`} {
			s.hides(prescription(tablets + `,"contained":[` + contained + `]`))
		}
		s.hides(prescription(tablets + `,"contained":{"resourceType":"Medication","id":"m"}`))
	}},
	{"CA-14", "No decision is kept: a new code in the tables works from the start that reads it, and every event names the tables by their hash", func(s *stage) {
		folder := filepath.Join(s.T.TempDir(), "tables")
		if err := os.CopyFS(folder, os.DirFS("../../configs")); err != nil {
			s.T.Fatal(err)
		}
		codes := filepath.Join(folder, "sensitive-codes.yaml")
		text, err := os.ReadFile(codes)
		if err != nil {
			s.T.Fatal(err)
		}
		more := strings.Replace(string(text), "sensitive_codes:\n", "sensitive_codes:\n  - { system: \"http://loinc.org\", code: \"718-7\", category: Restricted }\n", 1)
		if err := os.WriteFile(codes, []byte(more), 0o600); err != nil {
			s.T.Fatal(err)
		}
		own := newStage(s.T, fhir.R4) // the new tables end the old instance's time
		before := own.ask(demo.GP(), get("/fhir/demo/Observation/obs-lab-d"))
		newer := own.beside("policy:\n", "policy:\n  tables_folder: "+folder+"\n")
		after := newer.ask(demo.GP(), get("/fhir/demo/Observation/obs-lab-d"))
		if before.status != http.StatusOK || after.status != http.StatusNotFound {
			s.T.Errorf("got %d and %d, want 200 by the old tables and 404 by the new", before.status, after.status)
		}
		a, b := own.wantEvent(before, audit.OutcomePermit, "ok-consent"), newer.wantEvent(after, audit.OutcomeDeny, "no-consent")
		if a.Policy == "" || b.Policy == "" || a.Policy == b.Policy {
			s.T.Errorf("the events name the tables %q and %q", a.Policy, b.Policy)
		}
	}},
	{"CA-15", "A consent cannot be limited to records of a period: one that says so is not accepted, so that no edge of a period is ever judged", func(s *stage) {
		s.rejects(leakD, map[string]any{"data_period": map[string]string{"start": "2024-01-01"}, "data_from": "2024-01-01"}, "data_period", "data_from")
	}},
}

// unchanged wants a resource of D to be released byte for byte.
func (s *stage) unchanged(text string) {
	s.T.Helper()
	text = strings.ReplaceAll(text, "CANARY", "visible")
	if got, want := s.shows(text), string(leakResource(text)); got != want {
		s.T.Errorf("got  %s\nwant %s", got, want)
	}
}
