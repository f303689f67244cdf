package e2e_test

import (
	"net/http"
	"strings"
	"time"

	"zorgsluis/internal/demo"
)

// The subject of a fixture: D or B.
const (
	ofD = `"subject":{"reference":"Patient/PATIENT-D"}`
	ofB = `"subject":{"reference":"Patient/PATIENT-B"}`
	toD = `{"reference":"Patient/PATIENT-D"}`
	toB = `{"reference":"Patient/PATIENT-B"}`
)

// some returns a resource of a type with these members.
func some(typ, members string) string {
	return `{"resourceType":"` + typ + `","id":"` + strings.ToLower(typ) + `-x","text":{"status":"generated","div":"<div>CANARY</div>"},` + members + `}`
}

// modelLeaks are the rows of leaks.md, 1.11: whose data a resource is.
var modelLeaks = []leak{
	{"RM-1", "A Group is not served, not even in part: 501 before the source is asked, and left out where a source adds it", func(s *stage) {
		s.hides(some("Group", `"type":"person","actual":true,"name":"HIV cohort CANARY","quantity":2,"member":[{"entity":`+toD+`},{"entity":`+toB+`}]`))
	}},
	{"RM-2", "A List is not served, with or without a subject", func(s *stage) {
		s.hides(
			some("List", `"status":"current","mode":"working",`+ofD+`,"entry":[{"item":{"reference":"Observation/obs-lab-b"}}]`),
			some("List", `"status":"current","mode":"working","entry":[{"item":{"reference":"Observation/obs-lab-d"}},{"item":{"reference":"Observation/obs-lab-b"}}]`),
		)
	}},
	{"RM-3", "What has two patients as participants is dropped whole, and so is an Encounter of a group; nobody is cut out of a list of participants", func(s *stage) {
		one := some("Appointment", `"status":"booked","participant":[{"actor":`+toD+`,"status":"accepted"}]`)
		s.shows(seen(one))
		s.hides(
			strings.Replace(one, `"participant":[`, `"participant":[{"actor":`+toB+`,"status":"accepted"},`, 1),
			some("AppointmentResponse", `"participantStatus":"accepted","actor":`+toD+`,"appointment":{"reference":"Appointment/x"},"extension":[{"url":"urn:other","valueReference":`+toB+`}]`),
			some("Encounter", `"status":"finished","class":{"code":"AMB"},"subject":{"reference":"Group/grp-ab"}`),
			some("Encounter", `"status":"finished","class":{"code":"AMB"},`+ofD+`,"participant":[{"individual":`+toB+`}]`),
		)
	}},
	{"RM-4", "Schedule and Slot are not served", func(s *stage) {
		s.hides(some("Schedule", `"actor":[`+toD+`,`+toB+`]`), some("Slot", `"schedule":{"reference":"Schedule/x"},"status":"busy","start":"2026-01-01T00:00:00Z","end":"2026-01-01T01:00:00Z"`))
	}},
	{"RM-5", "A message that names a second patient as sender, recipient, subject matter or in its payload is dropped; a RelatedPerson named in it stays a bare reference to what is not served", func(s *stage) {
		s.shows(seen(some("Communication", `"status":"completed",`+ofD+`,"recipient":[{"reference":"RelatedPerson/rp-x"}]`)))
		s.hides(some("RelatedPerson", `"patient":`+toB))
		for _, more := range []string{`"sender":` + toB, `"recipient":[` + toD + `,` + toB + `]`, `"about":[` + toB + `]`, `"payload":[{"contentReference":` + toB + `}]`} {
			s.hides(some("Communication", `"status":"completed",`+ofD+`,`+more))
		}
		s.hides(
			some("CommunicationRequest", `"status":"active",`+ofD+`,"recipient":[`+toB+`]`),
			some("CommunicationRequest", `"status":"active",`+ofB+`,"recipient":[`+toD+`]`),
		)
	}},
	{"RM-6", "A Coverage whose subscriber, policy holder or payer is another patient is dropped whole", func(s *stage) {
		s.shows(seen(some("Coverage", `"status":"active","beneficiary":`+toD+`,"subscriber":`+toD+`,"payor":[{"reference":"Organization/org-1"}]`)))
		for _, more := range []string{`"subscriber":` + toB + `,"subscriberId":"CANARY"`, `"policyHolder":` + toB, `"payor":[` + toB + `]`} {
			s.hides(some("Coverage", `"status":"active","beneficiary":`+toD+`,`+more))
		}
	}},
	{"RM-7", "A guarantor, recipient or enterer who is another patient counts, though the Patient compartment does not name these elements", func(s *stage) {
		s.shows(seen(some("Account", `"status":"active","subject":[`+toD+`],"guarantor":[{"party":`+toD+`}]`)))
		s.hides(
			some("Account", `"status":"active","subject":[`+toD+`],"guarantor":[{"party":`+toB+`}]`),
			some("Account", `"status":"active","subject":[`+toD+`,`+toB+`]`),
			some("Invoice", `"status":"issued",`+ofD+`,"recipient":`+toB),
			some("ChargeItem", `"status":"billable","code":{"text":"x"},`+ofD+`,"enterer":`+toB),
		)
	}},
	{"RM-8", "RelatedPerson is not served, neither by itself nor contained", func(s *stage) {
		related := `"patient":` + toD + `,"name":[{"family":"CANARY"}],"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}]`
		s.hides(some("RelatedPerson", related), observation(ofD+`,"contained":[{"resourceType":"RelatedPerson","id":"r",`+related+`}]`))
	}},
	{"RM-9", "A family history is of a category of its own, and one whose extension refers to another patient is dropped", func(s *stage) {
		history := some("FamilyMemberHistory", `"status":"completed","relationship":{"text":"mother"},"patient":`+toD)
		s.shows(seen(history))
		s.hides(strings.Replace(history, `"patient":`, `"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/familymemberhistory-patient-record","valueReference":`+toB+`}],"patient":`, 1))
		s.have(strings.Replace(history, "PATIENT-D", "PATIENT-A", 1)) // A permits no such category
		s.notFound(demo.GP(), "FamilyMemberHistory/familymemberhistory-x")
	}},
	{"RM-10", "Linkage and Person are not served, and Patient.link is taken out of what is", func(s *stage) {
		s.hides(
			some("Linkage", `"item":[{"type":"source","resource":`+toD+`},{"type":"alternate","resource":`+toB+`}]`),
			some("Person", `"link":[{"target":`+toD+`},{"target":`+toB+`}]`),
		)
		body := s.shows(`{"resourceType":"Patient","id":"PATIENT-D","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-D"}],"birthDate":"1973-01-01",` +
			`"link":[{"other":{"reference":"Patient/PATIENT-B","display":"CANARY"},"type":"seealso"}],"_link":[{"id":"CANARY"}]}`)
		if strings.Contains(body, `link"`) || strings.Contains(body, "leak-b") {
			s.T.Errorf("the link is there: %s", body)
		}
	}},
	{"RM-11", "Provenance and the source's AuditEvents are not served", func(s *stage) {
		s.hides(
			some("Provenance", `"recorded":"2026-01-01T00:00:00Z","target":[`+toD+`,`+toB+`],"agent":[{"who":{"display":"CANARY"}}]`),
			some("Provenance", `"recorded":"2026-01-01T00:00:00Z","target":[{"reference":"Observation/obs-lab-d"}],"agent":[{"who":{"display":"CANARY"}}]`),
			some("AuditEvent", `"recorded":"2026-01-01T00:00:00Z","entity":[{"what":`+toD+`}]`),
		)
	}},
	{"RM-12", "MeasureReport, ResearchSubject and ResearchStudy are not served: small cells tell of persons", func(s *stage) {
		s.hides(
			some("MeasureReport", `"status":"complete","type":"summary","group":[{"population":[{"count":1}]}],"evaluatedResource":[`+toB+`]`),
			some("ResearchSubject", `"status":"on-study","individual":`+toD), some("ResearchStudy", `"status":"active"`),
		)
	}},
	{"RM-13", "The subject decides whose an Observation is; a performer or focus who is another patient hides it, and so does a subject that is no patient", func(s *stage) {
		s.shows(seen(observation(ofD + `,"performer":[` + toD + `]`)))
		for _, members := range []string{
			`"subject":{"reference":"Group/grp-ab"}`, `"subject":{"reference":"Device/d"}`, `"subject":{"reference":"Location/l"}`,
			`"subject":{"reference":"Group/grp-ab"},"performer":[` + toD + `]`, `"performer":[` + toD + `]`,
			ofD + `,"performer":[` + toB + `]`, ofD + `,"focus":[` + toB + `]`, ofB + `,"performer":[` + toD + `]`,
		} {
			s.hides(observation(members))
		}
	}},
	{"RM-14", "Donors, operators and performers who are other patients hide a resource; what has no patient of its own is not served", func(s *stage) {
		s.shows(seen(some("Specimen", ofD)))
		s.hides(
			some("Specimen", ofD+`,"extension":[{"url":"urn:donor","valueReference":`+toB+`}]`),
			some("BiologicallyDerivedProduct", `"collection":{"source":`+toD+`}`),
			some("ImmunizationEvaluation", `"status":"completed","patient":`+toD+`,"extension":[{"url":"urn:x","valueReference":`+toB+`}]`),
			some("Media", `"status":"completed",`+ofD+`,"operator":`+toB+`,"content":{"title":"CANARY"}`),
			some("Procedure", `"status":"completed",`+ofD+`,"performer":[{"actor":`+toB+`}]`),
		)
	}},
	{"RM-15", "What a child's record says of the mother, or hers of the child, is in neither", func(s *stage) {
		s.hides(
			some("Encounter", `"status":"finished","class":{"code":"IMP"},`+ofD+`,"extension":[{"url":"urn:mother","valueReference":`+toB+`}]`),
			some("Condition", ofD+`,"evidence":[{"detail":[`+toB+`]}]`), observation(ofD+`,"focus":[`+toB+`]`), observation(ofB+`,"focus":[`+toD+`]`),
			some("Observation", `"status":"final",LABORATORY,"code":{"text":"HIV"},"subject":{"reference":"Patient/PATIENT-D"},"derivedFrom":[{"reference":"Observation/y"}],"note":[{"authorReference":`+toB+`,"text":"CANARY"}]`),
		)
	}},
	{"RM-16", "A Composition or DocumentManifest that names a second patient is dropped whole; a stored Bundle is not served", func(s *stage) {
		composition := some("Composition", `"status":"final","type":{"text":"x"},"date":"2026-01-01","title":"CANARY",`+ofD+`,"section":[{"entry":[`+toD+`]}]`)
		s.shows(seen(composition))
		s.hides(
			strings.Replace(composition, `"entry":[`, `"entry":[`+toB+`,`, 1),
			some("DocumentManifest", `"status":"current",`+ofD+`,"recipient":[`+toB+`],"content":[{"reference":"DocumentReference/doc-a"}]`),
			`{"resourceType":"Bundle","id":"b-x","type":"document","entry":[{"resource":`+composition+`}]}`,
		)
	}},
	{"RM-17", "Types that hold patients' data outside the Patient compartment are not served; a Device is served by its own patient", func(s *stage) {
		for _, typ := range []string{"Task", "Contract", "GuidanceResponse", "EnrollmentResponse", "PaymentNotice", "PaymentReconciliation", "VerificationResult", "MessageHeader", "Parameters"} {
			s.hides(some(typ, `"for":`+toD+`,"subject":`+toD+`,"focus":`+toB))
		}
		s.hides(some("Device", `"patient":`+toB), some("Device", `"type":{"text":"of nobody"}`))
	}},
	{"RM-18", "HL7's own label of a type, \"business\", decides nothing: each of these types is refused, or bound to the patient it names", func(s *stage) {
		for _, typ := range []string{"Group", "Device", "MeasureReport", "RequestGroup", "Schedule", "VerificationResult", "Questionnaire", "Task", "MessageHeader"} {
			s.hides(some(typ, `"patient":`+toB+`,"subject":`+toB))
		}
		s.notFound(demo.GP(), "Binary/binary-b")
	}},
	{"RM-19", "Shared types are given only beside a kept entry that refers to them, and never where a person's number stands in them", func(s *stage) {
		for _, typ := range []string{"Practitioner", "PractitionerRole", "Organization", "Location", "HealthcareService", "Endpoint", "Medication", "Substance", "ValueSet", "Questionnaire", "Library"} {
			s.hides(some(typ, `"name":"CANARY"`))
		}
		named := `{"resourceType":"Practitioner","id":"pract-named","name":[{"family":"visible"}]}`
		number := `{"resourceType":"Practitioner","id":"pract-number","name":[{"family":"CANARY"}],"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-B"}]}`
		kept := seen(observation(ofD + `,"performer":[{"reference":"Practitioner/pract-named"},{"reference":"Practitioner/pract-number"}]`))
		s.answers(s.entry("match", kept), s.entry("include", named), s.entry("include", number),
			s.entry("include", `{"resourceType":"Practitioner","id":"pract-1","name":[{"family":"CANARY"}]}`))
		s.finds(get("/fhir/demo/Observation?patient=leak-d&_include=Observation:performer"), "includes", "Observation/obs-x", "Practitioner/pract-named")
		s.source.Intercept(nil)
		s.notFound(demo.GP(), "Practitioner/pract-named") // an earlier include does not permit a read
	}},
	{"RM-20", "Consent belongs to the person, whatever the record: a refusal holds for every record of that person, a replaced record and two records of one number open nothing, and a link never adds a record", func(s *stage) {
		s.have(`{"resourceType":"Patient","id":"leak-c2","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-C"}],"name":[{"family":"CANARY"}],"birthDate":"1972-01-01"}`,
			some("Observation", `"status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/leak-c2"}`))
		s.notFound(demo.GP(), "Observation/observation-x")
		s.forbidden(demo.GP(), searchID("Observation", demo.Person{PatientID: "leak-c2"}))
		record := func(id, number, more string) string {
			return `{"resourceType":"Patient","id":"` + id + `","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"` + number + `"}],"birthDate":"1970-01-01"` + more + `}`
		}
		twice := s.somebody(adult)
		s.mustPut(permit(partyGP), twice)
		s.have(record("leak-twice", twice.BSN, ""))
		s.forbidden(demo.GP(), search("Observation", twice)) // two records claim the number
		for link, status := range map[string]int{"replaced-by": 403, "replaces": 200, "refer": 200, "seealso": 200} {
			p := s.somebody(adult)
			s.mustPut(permit(partyGP), p)
			s.have(record(string(p.PatientID), p.BSN, `,"link":[{"other":`+toB+`,"type":"`+link+`"}]`))
			r := s.answersWith(status, demo.GP(), "Observation", p, link)
			if status == 200 && len(r.entries()) != 2 {
				s.T.Errorf("%s: got %v, want the two of the record itself", link, r.entries())
			}
		}
	}},
	{"RM-21", "Nothing is inherited over a link, so that a link taken away leaves nothing behind: a record is its own person's from the next look", func(s *stage) {
		linked := `{"resourceType":"Patient","id":"PATIENT-D","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-D"}],"birthDate":"1973-01-01","link":[{"other":` + toB + `,"type":"replaces"}]}`
		s.have(linked)
		s.hides(observation(ofB))
		s.have(strings.Replace(linked, `,"link":[{"other":`+toB+`,"type":"replaces"}]`, "", 1))
		s.hides(observation(ofB))
		s.shows(seen(observation(ofD)))
	}},
	{"RM-22", "The same id at two sources is two patients: consent follows the number that each source gives", func(s *stage) {
		swapped := leakResource(`{"resourceType":"Patient","id":"PATIENT-D","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-C"}],"name":[{"family":"CANARY"}],"birthDate":"1972-01-01"}`)
		other, err := demo.NewSource(demo.Data{swapped, leakResource(observation(ofD))}, demo.SourceOptions{})
		if err != nil {
			s.T.Fatal(err)
		}
		defer other.Close()
		own := s.beside("policy:\n", "  - id: second\n    fhir_version: R4\n    base_url: \""+other.URL()+
			"\"\n    holder: { organization: \"ura:90000009\", category: hospital }\n    timeout: 2s\n    person_systems: [\"http://fhir.nl/fhir/NamingSystem/bsn\"]\npolicy:\n")
		for range 2 {
			own.finds(aboutD("Observation"), "the first source", "Observation/obs-lab-d")
			own.forbidden(demo.GP(), get("/fhir/second/Observation?patient=leak-d"))
			own.forbidden(demo.GP(), func() question {
				q := search("Observation", leakD)
				q.path = "/fhir/second/Observation/_search"
				return q
			}())
			if r := own.tell(demo.GP(), get("/fhir/second/Observation/obs-x")); r.status != http.StatusNotFound {
				own.T.Errorf("a read at the second source: got %d, want 404", r.status)
			}
		}
	}},
	{"RM-23", "An answer with another Patient than was asked is an error, whether the id differs in case or in leading zeros, or the number is another's", func(s *stage) {
		patient := string(leakResource(`{"resourceType":"Patient","id":"PATIENT-D","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-D"}],"birthDate":"1973-01-01","name":[{"family":"CANARY"}]}`))
		for _, id := range []string{"LEAK-D", "Leak-d", "0leak-d", "leak-d.0"} {
			s.source.Intercept(demo.Answer(http.StatusOK, "application/fhir+json", patient))
			s.bad(get("/fhir/demo/Patient/" + id))
			s.bad(get("/fhir/demo/Observation?patient=" + id))
		}
		s.source.Intercept(demo.Answer(http.StatusOK, "application/fhir+json", `{"resourceType":"Bundle","type":"searchset","entry":[`+s.entry("match", patient)+`]}`))
		s.bad(search("Observation", leakA2))
	}},
	{"RM-24", "Nobody known, nothing given: a subject by display only, a Patient without a number, one without a birth date", func(s *stage) {
		s.hides(observation(`"subject":{"display":"D"}`))
		for _, rest := range []string{
			`"birthDate":"1970-01-01"`, `"identifier":[{"system":"urn:local","value":"1"}],"birthDate":"1970-01-01"`,
			`"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"BSN-A2"}]`,
			`"identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","_value":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}],"birthDate":"1970-01-01"`,
		} {
			s.have(`{"resourceType":"Patient","id":"doe-x","name":[{"family":"CANARY"}],` + rest + `}`)
			s.notFound(demo.GP(), "Patient/doe-x")
			s.forbidden(demo.GP(), get("/fhir/demo/Observation?patient=doe-x"))
			s.hides(observation(`"subject":{"reference":"Patient/doe-x"}`))
		}
	}},
	{"RM-25", "Age is that of the moment of the request, in the legal time zone: a child's own consent opens nothing the day before the birthday, and does on it", func(s *stage) {
		amsterdam, err := time.LoadLocation("Europe/Amsterdam")
		if err != nil {
			s.T.Fatal(err)
		}
		child := demo.Person{Name: "child", BSN: demo.SyntheticPerson(78).BSN}
		s.mustPut(permit(partyGP), child)
		today := time.Now().In(amsterdam)
		for id, tt := range map[string]struct {
			birth  time.Time
			status int
		}{
			"child-16": {today.AddDate(-16, 0, 0), 200}, "child-15": {today.AddDate(-16, 0, 1), 403}, "child-11": {today.AddDate(-12, 0, 1), 403},
		} {
			s.have(`{"resourceType":"Patient","id":"` + id + `","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"` + child.BSN + `"}],"birthDate":"` + tt.birth.Format(time.DateOnly) + `"}`)
			if r := s.tell(demo.GP(), get("/fhir/demo/Observation?patient="+id)); r.status != tt.status {
				s.T.Errorf("%s: got %d, want %d", id, r.status, tt.status)
			}
		}
	}},
}
