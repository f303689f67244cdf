package e2e_test

import (
	"strings"

	"zorgsluis/internal/demo"
)

// leaksOfJoins are the rows of chapter 1.3.
var leaksOfJoins = []leak{
	{"IN-1", "What is included is decided on like a direct read: another patient does not come along, nor what names two.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "required", at("Coverage?_id=cov-ab&_include=Coverage:subscriber"))
		s.has(`{"resourceType":"Coverage","id":"cov-db","status":"active","beneficiary":{"reference":"Patient/PATIENT-D"},"subscriber":{"reference":"Patient/PATIENT-B"},"subscriberId":"CANARY","payor":[{"reference":"Organization/org-1"}]}`,
			`{"resourceType":"Coverage","id":"cov-d","status":"active","beneficiary":{"reference":"Patient/PATIENT-D"},"payor":[{"display":"visible"}]}`)
		s.given(demo.GP(), at("Coverage?patient=leak-d&_include=Coverage:subscriber"), "Coverage/cov-d")
		s.given(demo.GP(), at("Coverage?patient=leak-d&_include=Coverage:beneficiary"), "Coverage/cov-d", "Patient/leak-d")
		s.given(demo.GP(), at("Coverage?patient=leak-a&_include=Coverage:beneficiary"))
	}},
	{"IN-2", "What refers to a permitted resource comes along only if it is this patient's and permitted itself.", func(s *stage) {
		s.has(`{"resourceType":"DiagnosticReport","id":"dr-b","status":"final","code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-B"},"result":[{"reference":"Observation/obs-lab-a"}]}`)
		s.given(demo.GP(), at("Observation?patient=leak-a&_revinclude=DiagnosticReport:result"), "Observation/obs-lab-a", "DiagnosticReport/dr-a")
	}},
	{"IN-3", "An included resource of another category does not come along, and the reference to it loses its display.", func(s *stage) {
		r := s.given(demo.GP(), at("DiagnosticReport?patient=leak-a&_include=DiagnosticReport:result"), "DiagnosticReport/dr-a", "Observation/obs-lab-a")
		if !strings.Contains(r.body, "Observation/obs-psy-a") || strings.Contains(r.body, "PHQ-9") {
			s.Errorf("the reference should stay without its display: %s", r.body)
		}
	}},
	{"IN-4", "What comes along with a Patient does so by the parameters of membership only.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Patient?_id=leak-d&_revinclude=Observation:focus", "Patient?_id=leak-d&_revinclude=Observation:performer", "Patient?_id=leak-d&_revinclude=Group:member", "Patient?_id=leak-d&_revinclude=Coverage:subscriber")...)
		s.has(`{"resourceType":"Observation","id":"obs-focus-d","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-B"},"focus":[{"reference":"Patient/PATIENT-D"}]}`)
		s.given(demo.GP(), at("Patient?_id=leak-d&_revinclude=Observation:subject"), "Patient/leak-d", "Observation/obs-lab-d")
	}},
	{"IN-5", "Repeated includes are parsed by name and modifier; each resource is decided on; repeated reverse includes are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_revinclude:iterate=DiagnosticReport:result", "Observation?patient=leak-a&_revinclude:recurse=DiagnosticReport:result", "Observation?patient=leak-a&_include:all=Observation:subject",
			"Observation?patient=leak-a&_include:iterate=*", "Observation?patient=leak-a&_include:iterate=Task:focus", "Observation?patient=leak-a&_include:recurse=Group:member")...)
		s.has(`{"resourceType":"DiagnosticReport","id":"dr-d","status":"final","code":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-D"},"result":[{"reference":"Observation/obs-lab-d"},{"reference":"Observation/obs-lab-b"}]}`)
		for _, modifier := range []string{"iterate", "recurse"} {
			s.given(demo.GP(), at("DiagnosticReport?patient=leak-d&_include=DiagnosticReport:result&_include:"+modifier+"=Observation:subject"), "DiagnosticReport/dr-d", "Observation/obs-lab-d", "Patient/leak-d")
			s.given(demo.GP(), at("DiagnosticReport?patient=leak-a&_include=DiagnosticReport:result&_include:"+modifier+"=Observation:subject"), "DiagnosticReport/dr-a", "Observation/obs-lab-a")
		}
	}},
	{"IN-6", "Wildcards, and includes of what names the patient as another type, are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_include=*", "Observation?patient=leak-a&_revinclude=*", "Observation?patient=leak-a&_include=Observation:*", "Observation?patient=leak-a&_include=Observation:subject:Patient",
			"Observation?patient=leak-a&_include=Observation:subject:Group", "Observation?patient=leak-a&_include=*:*", "Observation?patient=leak-a&_include=Condition:subject", "Observation?patient=leak-a&_include=Observation", "Observation?patient=leak-a&_include=Observation:nothing")...)
	}},
	{"IN-7", "Who treated and who looked does not come along.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_revinclude=Provenance:target", "Observation?patient=leak-a&_revinclude=AuditEvent:entity", "Patient?_id=leak-d&_revinclude=Provenance:target", "Patient?_id=leak-d&_revinclude=AuditEvent:patient",
			"Patient?_id=leak-d&_revinclude=Task:patient", "Patient?_id=leak-d&_revinclude=List:subject")...)
	}},
	{"IN-8", "Every entry is checked whatever its mode says; what was not asked for, or is not connected by the very element that was asked for, is dropped.", func(s *stage) {
		// A visible observation names pract-2 too, but in an extension: it was included because of the hidden one.
		s.has(`{"resourceType":"Practitioner","id":"pract-2","name":[{"family":"CANARY"}]}`, `{"resourceType":"Practitioner","id":"pract-3","name":[{"family":"visible"}]}`,
			`{"resourceType":"Observation","id":"obs-note-a","status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-A"},"performer":[{"reference":"Practitioner/pract-3"}],"extension":[{"url":"urn:x","valueReference":{"reference":"Practitioner/pract-2"}}]}`,
			`{"resourceType":"Observation","id":"obs-hidden-a","status":"final",SURVEY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A"},"performer":[{"reference":"Practitioner/pract-2"}]}`)
		s.given(demo.GP(), at("Observation?patient=leak-a&_include=Observation:performer"), "Observation/obs-lab-a", "Observation/obs-note-a", "Practitioner/pract-3")
		lab, d, b := string(s.source.Resource("Observation/obs-lab-a")), string(s.source.Resource("Observation/obs-lab-d")), string(s.source.Resource("Observation/obs-lab-b"))
		psy, organization := string(s.source.Resource("Observation/obs-psy-a")), string(s.source.Resource("Organization/org-1"))
		rx := string(s.source.Resource("MedicationRequest/rx-a"))
		for _, mode := range []string{`,"search":{"mode":"match"}`, `,"search":{"mode":"include"}`, ``, `,"search":{}`} {
			s.source.Intercept(onlyObservations(s.searchset("Observation?patient=Patient/leak-a", "",
				`{"resource":`+lab+`,"search":{"mode":"match"}}`, `{"resource":`+b+mode+`}`, `{"resource":`+psy+mode+`}`, `{"resource":`+organization+mode+`}`, `{"resource":`+d+mode+`}`, `{"resource":`+rx+mode+`}`)))
			s.gets(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
			// Nor does an include return what is not connected with a match.
			s.gets(demo.GP(), at("Observation?patient=leak-a&_revinclude=DiagnosticReport:result"), "Observation/obs-lab-a")
		}
		elsewhere := string(leakResource(`{"resourceType":"DiagnosticReport","id":"dr-elsewhere","status":"final","code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A"},"extension":[{"url":"urn:x","valueReference":{"reference":"Observation/obs-lab-a"}}]}`))
		s.source.Intercept(onlyObservations(s.searchset("Observation?patient=Patient/leak-a", "", `{"resource":`+lab+`,"search":{"mode":"match"}}`, `{"resource":`+elsewhere+`,"search":{"mode":"include"}}`)))
		s.gets(demo.GP(), at("Observation?patient=leak-a&_revinclude=DiagnosticReport:result"), "Observation/obs-lab-a")
	}},
	{"IN-9", "An entry with the source's own OperationOutcome is dropped.", func(s *stage) {
		outcome := `{"resource":{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational","diagnostics":"` + marker + `"}]},"search":{"mode":"outcome"}}`
		for _, entry := range []string{outcome, strings.Replace(outcome, `"outcome"}`, `"match"}`, 1), strings.Replace(outcome, `"outcome"}`, `"include"}`, 1)} {
			s.source.Intercept(onlyObservations(s.searchset("Observation?patient=Patient/leak-a", "", entry, `{"resource":`+string(s.source.Resource("Observation/obs-lab-a"))+`,"search":{"mode":"match"}}`)))
			r := s.gets(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
			if strings.Contains(r.body, "OperationOutcome") {
				s.Errorf("an outcome left: %s", r.body)
			}
		}
	}},
	{"IN-10", "Continuations of vendors are neither given nor taken.", func(s *stage) {
		s.source.Intercept(onlyObservations(s.searchset("Observation?patient=Patient/leak-a", `,{"relation":"$includes","url":"`+s.source.URL()+`/Observation/$includes?ct=`+marker+`"}`,
			`{"resource":`+string(s.source.Resource("Observation/obs-lab-a"))+`,"search":{"mode":"match"}}`)))
		r := s.gets(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
		if strings.Contains(r.body, "includes") || r.link(s.g, "next") != "" {
			s.Errorf("the continuation left: %s", r.body)
		}
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Observation/$includes?ct=x", "$includes?ct=x")...)
		s.turnedAway(demo.GP(), 400, "not-supported", at("Observation?patient=leak-a&includesCt=x"))
	}},
}

// searchset answers with these entries, a self link for the request, and further links.
func (s *stage) searchset(self, links string, entries ...string) demo.Interceptor {
	return demo.Answer(200, "application/fhir+json", `{"resourceType":"Bundle","type":"searchset","total":99,"link":[{"relation":"self","url":"`+s.source.URL()+"/"+self+`"}`+links+
		`],"entry":[`+strings.Join(entries, ",")+`]}`)
}
