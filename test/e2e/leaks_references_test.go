package e2e_test

import (
	"net/http"
	"strings"

	"zorgsluis/internal/demo"
)

// referring returns a laboratory result whose subject is this reference.
func referring(reference string) string { return observation(`"subject":` + reference) }

// referenceLeaks are the rows of leaks.md, 1.11: what a reference means.
var referenceLeaks = []leak{
	{"RF-1", "A reference to a version of a Patient is one to that Patient; the version says nothing about identity", func(s *stage) {
		s.shows(seen(referring(`{"reference":"Patient/PATIENT-D/_history/3"}`)))
		s.hides(
			referring(`{"reference":"Patient/PATIENT-B/_history/PATIENT-D"}`), referring(`{"reference":"Patient/PATIENT-D/_history/"}`),
			referring(`{"reference":"Patient/PATIENT-D/_history/3/4"}`), referring(`{"reference":"Patient/PATIENT-D/_History/3"}`),
		)
	}},
	{"RF-2", "An absolute reference is local only on exactly the source's base, and leaves as one on ours", func(s *stage) {
		base := s.source.URL()
		body := s.shows(seen(referring(`{"reference":"` + base + `/Patient/PATIENT-D"}`)))
		if !strings.Contains(body, `"reference":"`+s.g.base+`/fhir/demo/Patient/leak-d"`) {
			s.T.Errorf("the reference was not rewritten: %s", body)
		}
		host := strings.TrimPrefix(base, "http://")
		for _, other := range []string{base + "X", base + "/", "https://" + host, "http://evil.example@" + host, "http://" + host[:len(host)-5] + "@evil.example/fhir",
			"HTTP://" + host, "http:/" + host, "//" + host, strings.TrimSuffix(base, "/fhir"), base + "/../fhir", "http://evil.example/" + host} {
			s.hides(referring(`{"reference":"` + other + `/Patient/PATIENT-D"}`))
		}
	}},
	{"RF-3", "A reference to a Patient elsewhere attributes nothing, and hides what else names a patient", func(s *stage) {
		foreign := `{"reference":"https://other.example/fhir/Patient/PATIENT-D"}`
		s.hides(referring(foreign), observation(ofD+`,"performer":[`+foreign+`]`))
	}},
	{"RF-4", "A subject by number only attributes nothing, even by the right number: it stays hidden", func(s *stage) {
		for _, number := range []string{"BSN-B", "BSN-D", "000000000"} {
			s.hides(referring(`{"identifier":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"` + number + `"}}`))
		}
	}},
	{"RF-5", "A subject whose reference and number are of two persons hides the resource", func(s *stage) {
		s.shows(seen(referring(`{"reference":"Patient/PATIENT-D","identifier":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-D"}}`)))
		s.hides(
			referring(`{"reference":"Patient/PATIENT-D","identifier":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}}`),
			referring(`{"reference":"Patient/PATIENT-D","identifier":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"not a number"}}`),
			observation(ofD+`,"extension":[{"url":"urn:x","valueIdentifier":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}}]`),
		)
	}},
	{"RF-6", "A reference whose type contradicts it hides the resource", func(s *stage) {
		s.shows(seen(referring(`{"reference":"Patient/PATIENT-D","type":"Patient"}`)))
		s.hides(
			referring(`{"reference":"Group/PATIENT-D","type":"Patient"}`), referring(`{"reference":"Patient/PATIENT-D","type":"Group"}`),
			referring(`{"reference":"Patient/PATIENT-D","type":"patient"}`), referring(`{"reference":"Patient/PATIENT-D","type":1}`),
			observation(ofD+`,"performer":[{"reference":"Practitioner/p","type":"Patient"}]`),
		)
	}},
	{"RF-7", "A contained Patient attributes nothing, and hides what holds it unless it has the number of the same person", func(s *stage) {
		patient := `"contained":[{"resourceType":"Patient","id":"p1","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"NUMBER"}]}]`
		for _, number := range []string{"BSN-B", "BSN-D"} {
			contained := strings.Replace(patient, "NUMBER", number, 1)
			s.hides(observation(contained + `,"subject":{"reference":"#p1"}`))
			if number == "BSN-D" {
				s.shows(seen(observation(contained + `,` + ofD)))
			} else {
				s.hides(observation(contained + `,` + ofD))
			}
		}
		s.hides(observation(strings.Replace(patient, `"identifier"`, `"x"`, 1) + `,` + ofD))
		s.hides(referring(`{"reference":"#p1"}`), referring(`{"reference":"#"}`))
	}},
	{"RF-8", "A subject by urn hides the resource, in a read and in a searchset, whatever its entries call themselves", func(s *stage) {
		s.hides(referring(`{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}`), referring(`{"reference":"urn:oid:1.2.3"}`))
		patient := strings.Replace(s.entry("match", `{"resourceType":"Patient","id":"PATIENT-D"}`), s.source.URL()+"/Patient/leak-d", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", 1)
		s.answers(patient, s.entry("match", referring(`{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}`)))
		s.finds(aboutD("Observation"), "a urn inside the bundle")
	}},
	{"RF-9", "A conditional reference attributes nothing: the resource is hidden", func(s *stage) {
		s.hides(referring(`{"reference":"Patient?identifier=http://fhir.nl/fhir/NamingSystem/bsn|BSN-D"}`), referring(`{"reference":"Patient?_id=PATIENT-D"}`))
	}},
	{"RF-10", "Only the exact form Type/id is a reference; every other spelling of it hides the resource", func(s *stage) {
		for _, reference := range []string{
			"patient/PATIENT-D", "Patient/PATIENT-D/", "/Patient/PATIENT-D", "./Patient/PATIENT-D", "Patient/../Patient/PATIENT-D", "Patient%2FPATIENT-D",
			"Patient/PATIENT-D?x=1", "Patient/PATIENT-D#f", "Patient/leak-\u03b4", "Patient/PATIENT-D\u200b", "Patient/e\u0301", "Patient/\u00e9",
			"Patient/" + strings.Repeat("a", 65), "Patient//PATIENT-D", " Patient/PATIENT-D", "Patient/PATIENT-D ", "Patient", "Patient/", "PATIENT-D", "Patient\\\\PATIENT-D", "", "Patient/..",
		} {
			s.hides(referring(`{"reference":"` + reference + `"}`))
		}
		s.hides(referring(`{"reference":"Patient/LEAK-D"}`)) // another id: there is no such patient
	}},
	{"RF-11", "A subject of another shape hides the resource, and one that stands twice makes the whole answer unusable", func(s *stage) {
		for _, subject := range []string{`[` + toD + `]`, `[` + toD + `,` + toB + `]`, `[` + toD + `,null]`, `1`, `null`, `{}`, `"Patient/PATIENT-D"`, `{"reference":["Patient/PATIENT-D"]}`, `{"reference":null}`, `{"reference":{"reference":"Patient/PATIENT-D"}}`,
			`{"_reference":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}`, `{"display":"D"}`, `[]`, `true`} {
			s.hides(referring(subject))
		}
		for _, twice := range []string{observation(ofD + `,` + ofB), referring(`{"reference":"Patient/PATIENT-B","reference":"Patient/PATIENT-D"}`)} {
			s.answers(`{"resource":` + string(leakResource(twice)) + `,"search":{"mode":"match"}}`)
			s.bad(aboutD("Observation"))
		}
	}},
	{"RF-12", "An entry whose fullUrl has another base is dropped: its references mean patients elsewhere", func(s *stage) {
		for _, base := range []string{"http://example.org/fhir-2", s.source.URL() + "X", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", s.source.URL() + "/other"} {
			s.answers(strings.Replace(s.entry("match", observation(ofD)), s.source.URL(), base, 1), s.entry("match", visible))
			s.finds(aboutD("Observation"), base, "Observation/obs-visible")
		}
	}},
	{"RF-13", "A reference to what is hidden stays a bare reference, its display goes, and the target cannot be read", func(s *stage) {
		r := s.tell(demo.GP(), get("/fhir/demo/DiagnosticReport/dr-a"))
		if r.status != http.StatusOK || strings.Contains(r.body, "display") || !strings.Contains(r.body, "Observation/obs-psy-a") {
			s.T.Errorf("got %d %s, want both references, without displays", r.status, r.body)
		}
		s.notFound(demo.GP(), "Observation/obs-psy-a")
		s.finds(get("/fhir/demo/DiagnosticReport?patient=leak-a"), "a search", "DiagnosticReport/dr-a")
		s.finds(get("/fhir/demo/DiagnosticReport?patient=leak-a&_include=DiagnosticReport:result"), "an include", "DiagnosticReport/dr-a", "Observation/obs-lab-a")
	}},
	{"RF-14", "The display of every reference into a type that is not wholly permitted goes, wherever it stands", func(s *stage) {
		to := func(element, target string) string {
			return `"` + element + `":{"reference":"` + target + `","display":"CANARY"}`
		}
		s.have(`{"resourceType":"MedicationRequest","id":"rx-refs","status":"active","intent":"order","medicationCodeableConcept":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-A","display":"CANARY"},` +
			to("encounter", "Encounter/e") + `,"basedOn":[{"reference":"ServiceRequest/s","_display":{"id":"CANARY"},"display":"CANARY"}],"reasonReference":[{"reference":"Condition/c","display":"CANARY"},` +
			`{"identifier":{"system":"urn:x","value":"1"},"type":"Condition","display":"CANARY"}],"extension":[{"url":"urn:x","valueReference":{"reference":"EpisodeOfCare/e","display":"CANARY"}}]}`)
		r := s.tell(demo.GP(), get("/fhir/demo/MedicationRequest/rx-refs"))
		if r.status != http.StatusOK || !strings.Contains(r.body, "Encounter/e") {
			s.T.Errorf("got %d %s, want the references", r.status, r.body)
		}
	}},
	{"RF-15", "A patient counts wherever the reference stands: extensions, notes, signatures, answers, plain URLs; the link of an attachment to another resource goes", func(s *stage) {
		for _, odd := range []string{
			`"extension":[{"url":"urn:x","valueReference":` + toB + `}]`, `"note":[{"authorReference":` + toB + `,"text":"x"}]`,
			`"extension":[{"url":"urn:x","valueSignature":{"who":` + toB + `}}]`, `"extension":[{"url":"urn:x","valueSignature":{"onBehalfOf":` + toB + `}}]`,
			`"extension":[{"url":"urn:x","valueUsageContext":{"valueReference":` + toB + `}}]`, `"extension":[{"url":"urn:x","valueDataRequirement":{"subjectReference":` + toB + `}}]`,
			`"extension":[{"url":"urn:x","valueUri":"Patient/PATIENT-B"}]`, `"extension":[{"url":"urn:x","valueUrl":"Patient/PATIENT-B"}]`,
			`"extension":[{"url":"urn:x","valueCanonical":"Patient/PATIENT-B"}]`, `"_status":{"extension":[{"url":"urn:x","valueReference":` + toB + `}]}`,
			`"vendor":{"deep":[{"deeper":{"reference":"Patient/PATIENT-B"}}]}`, `"component":[{"code":{"text":"x"},"extension":[{"extension":[{"url":"urn:y","valueReference":` + toB + `}]}]}]`,
		} {
			s.hides(observation(ofD + `,` + odd))
		}
		s.hides(some("QuestionnaireResponse", `"status":"completed",`+ofD+`,"item":[{"linkId":"1","answer":[{"item":[{"linkId":"2","answer":[{"valueReference":`+toB+`}]}]}]}]`))
		body := s.shows(`{"resourceType":"DiagnosticReport","id":"dr-x","status":"final","code":{"text":"visible"},` + ofD +
			`,"presentedForm":[{"contentType":"text/plain","title":"visible","url":"Patient/PATIENT-B/CANARY"}]}`)
		if strings.Contains(body, "leak-b") {
			s.T.Errorf("the link of the attachment is there: %s", body)
		}
	}},
}
