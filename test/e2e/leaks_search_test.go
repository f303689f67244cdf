package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"zorgsluis/internal/demo"
)

// formed returns a search by POST with this form, and this query.
func formed(path, form string) question {
	return sent(http.MethodPost, path, "application/x-www-form-urlencoded", form)
}

// leaksOfSearches are the rows of chapter 1.2.
var leaksOfSearches = []leak{
	{"SE-1", "The source is asked about the one patient; what is not permitted of him is not among the entries, and there is no total.", func(s *stage) {
		s.given(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
		s.wantAsked("GET Observation?patient=Patient/leak-a&_count=50")
	}},
	{"SE-2", "A search that names nobody is refused; a patient's token binds it to the own record.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "required", at("Observation"), at("Observation?code=718-7"), at("Patient"), at("Patient?_count=1"), formed("Observation/_search", ""))
		s.given(demo.Patient("patient", leakD), at("Observation"), "Observation/obs-lab-d")
		s.wantAsked("GET Observation?patient=Patient/leak-d&_count=50")
		s.refusedAll(demo.Patient("patient", leakD), 403, "forbidden", at("Observation?patient=leak-a"))
	}},
	{"SE-3", "A list of patients is refused: two persons have no common commit.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?patient=leak-a,leak-b", "Observation?patient=leak-b,leak-a", "Observation?patient=leak-a%2Cleak-b", "Observation?patient=leak-a,leak-a",
			"Observation?subject=Patient/leak-a,Patient/leak-b", "Observation?patient.identifier="+token(leakA)+","+token(leakB), "Patient?identifier="+token(leakA)+","+token(leakB))...)
	}},
	{"SE-4", "A patient who is named twice is refused, even where it is the same one.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?patient=leak-a&patient=leak-b", "Observation?patient=leak-b&patient=leak-a", "Observation?patient=leak-a&patient=leak-a",
			"Observation?patient=leak-a&patient=", "Patient/leak-a/Observation?patient=leak-b", "Patient/leak-a/Observation?patient=leak-a")...)
	}},
	{"SE-5", "Two parameters that both name a patient are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?subject=Patient/leak-b&patient=leak-a", "Observation?patient=leak-a&subject=Patient/leak-b", "Observation?patient=leak-a&patient.identifier="+token(leakB),
			"Observation?patient=leak-a&subject:Patient=leak-b", "Patient?_id=leak-a&identifier="+token(leakB))...)
		s.turnedAway(demo.GP(), 400, "not-supported", at("Observation?patient=leak-a&performer:Patient=leak-b"))
	}},
	{"SE-6", "A modifier that says Patient names the patient like the parameter itself; no other modifier is served.", func(s *stage) {
		s.refusedAll(demo.GP(), 403, "forbidden", ats("Observation?subject:Patient=leak-b", "Observation?patient:Patient=leak-b")...)
		s.wantAsked()
		s.given(demo.GP(), at("Observation?subject:Patient=leak-a"), "Observation/obs-lab-a")
		s.wantAsked("GET Observation?patient=Patient/leak-a&_count=50")
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?subject:Group=leak-b", "Observation?patient:patient=leak-b", "Observation?subject:Patient:Patient=leak-b", "Observation?subject:=leak-b")...)
	}},
	{"SE-7", "A patient named by number is resolved by a form to the source and rewritten to the id; unknown, refused and silent patients get one 403.", func(s *stage) {
		for _, name := range []string{"subject:identifier", "patient:identifier", "subject.identifier", "patient.identifier"} {
			s.given(demo.GP(), at("Observation?"+name+"="+token(leakA)), "Observation/obs-lab-a")
			s.wantAsked("GET Observation?patient=Patient/leak-a&_count=50")
		}
		for _, r := range s.source.Requests() {
			if strings.Contains(r.Path+r.Query, leakA.BSN) {
				s.Error("the number of a person stands in an address")
			}
		}
		nobody := demo.Person{BSN: "999909617"}
		one := s.ask(demo.GP(), search("Observation", nobody))
		for _, p := range []demo.Person{leakB, leakC} {
			s.same(at(p.Name), s.ask(demo.GP(), search("Observation", p)), one)
		}
		s.refusedAll(demo.GP(), 403, "forbidden", search("Observation", nobody), search("Observation", leakB), search("Observation", leakC),
			at("Observation?subject:identifier="+url.QueryEscape("http://other.example/numbers|"+leakA.BSN)))
	}},
	{"SE-8", "A patient is named by id or Type/id; a reference with an address is refused, wherever it points.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?patient=http://other.example/fhir/Patient/leak-a", "Observation?subject=https://other.example/fhir/Patient/leak-a",
			"Observation?patient="+url.QueryEscape(s.source.URL()+"/Patient/leak-a"), "Observation?patient=//other.example/Patient/leak-a")...)
	}},
	{"SE-9", "An id has exactly one writing, after one decoding.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?patient=Patient/leak-a/_history/1", "Observation?patient=leak-a%20", "Observation?patient=leak-a%00", `Observation?patient=leak-a\,leak-b`,
			"Observation?patient=%20leak-a", "Observation?patient=leak-a+", "Observation?patient=Patient//leak-a", "Observation?patient=Patient/Patient/leak-a", "Observation?patient=patient/leak-a", "Observation?patient=leak%252Da",
			"Observation?patient=leak-a%ff", "Observation?patient="+strings.Repeat("a", 65), "Observation?patient=leak-a;patient=leak-b", "Observation?patient=leak-a%0Apatient=leak-b")...)
		s.refusedAll(demo.GP(), 403, "forbidden", at("Observation?patient=LEAK-A"))
	}},
	{"SE-10", "A search for what has no patient is refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient:missing=true", "Observation?subject:missing=true", "Observation?patient:missing=false", "Observation?patient=leak-a&code:missing=true", "Observation?patient=leak-a&subject:missing=true")...)
	}},
	{"SE-11", "Negations are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient:not=leak-b", "Observation?_id:not=x", "Observation?patient=leak-a&code:not=718-7", "Observation?patient=leak-a&category:not-in=http://x", "Observation?patient=leak-a&_id:not=x", "Observation?patient=leak-a&status:not=final")...)
	}},
	{"SE-12", "Unknown parameters are refused; the source is asked to be strict, and not believed where its self link lacks what was asked.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?pateint=leak-a", "Observation?patient=leak-a&pateint=leak-b", "Observation?Patient=leak-a", "Observation?patient=leak-a&cod=1")...)
		q := at("Observation?patient=leak-a&code=718-7")
		s.given(demo.GP(), q, "Observation/obs-lab-a")
		s.wantOwnHeaders()
		for name, self := range map[string]string{
			"nothing": "", "no code": "patient=Patient%2Fleak-a", "no patient": "code=718-7", "another patient": "patient=Patient%2Fleak-b&code=718-7", "two patients": "patient=Patient%2Fleak-a,Patient%2Fleak-b&code=718-7",
		} {
			link := ""
			if self != "" {
				link = `"link":[{"relation":"self","url":"` + s.source.URL() + "/Observation?" + self + `"}],`
			}
			s.source.Intercept(onlyObservations(demo.Answer(200, "application/fhir+json", `{"resourceType":"Bundle","type":"searchset",`+link+`"entry":[{"resource":`+string(s.source.Resource("Observation/obs-lab-a"))+`,"search":{"mode":"match"}}]}`)))
			r := s.ask(demo.GP(), q)
			if r.status != 502 || strings.Contains(r.body, "obs-lab-a") {
				s.Errorf("a self link with %s: got %d, want 502", name, r.status)
			}
		}
	}},
	{"SE-13", "Patients are not found by name, birth date or anything else that many have.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Patient?name=jansen", "Patient?family=visible", "Patient?birthdate=1970-01-01", "Patient?gender=female&birthdate=1970-01-01", "Patient?name:contains=a", "Patient?family:exact=visible", "Patient?phonetic:missing=true")...)
	}},
	{"SE-14", "A patient named by number: unknown, silent and refusing ones get the same 403.", func(s *stage) {
		unknown := s.ask(demo.GP(), at("Patient?identifier="+token(demo.Person{BSN: "999909617"})))
		for _, p := range []demo.Person{leakB, leakC} {
			s.same(at(p.Name), s.ask(demo.GP(), at("Patient?identifier="+token(p))), unknown)
		}
		s.refusedAll(demo.GP(), 403, "forbidden", at("Patient?identifier="+token(leakB)), at("Patient?identifier="+token(leakC)), at("Patient?identifier="+token(demo.Person{BSN: "999909617"})))
		s.given(demo.GP(), at("Patient?identifier="+token(leakD)), "Patient/leak-d")
		s.given(demo.GP(), at("Patient?identifier="+token(leakA)))
	}},
	{"SE-15", "A probe of several ids is refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", ats("Patient?_id=leak-a,leak-b,leak-c", "Patient?_id=leak-d,leak-b", "Patient?_id=leak-d&_id=leak-b")...)
		s.given(demo.GP(), at("Patient?_id=leak-d"), "Patient/leak-d")
	}},
	{"SE-16", "Patient/[id]/[type] is a search of that type; other compartments and * are refused.", func(s *stage) {
		s.given(demo.GP(), at("Patient/leak-a/Observation"), "Observation/obs-lab-a")
		s.wantAsked("GET Observation?patient=Patient/leak-a&_count=50")
		s.refusedAll(demo.GP(), 403, "forbidden", ats("Patient/leak-b/Observation", "Patient/leak-c/Observation", "Patient/nobody/Observation")...)
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Patient/leak-a/*", "Patient/leak-a/Patient", "Patient/leak-a/Practitioner", "Patient/leak-a/Task", "Patient/leak-a/Provenance", "Encounter/e1/Observation", "Encounter/e1/*",
			"Practitioner/pract-1/Patient", "Practitioner/pract-1/Observation", "Device/d/Observation", "RelatedPerson/r/Observation", "Observation/*")...)
		s.has(`{"resourceType":"Observation","id":"obs-performed-by-d","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-B"},"performer":[{"reference":"Patient/PATIENT-D"}]}`)
		s.given(demo.GP(), at("Patient/leak-d/Observation"), "Observation/obs-lab-d")
	}},
	{"SE-17", "A search by POST has its parameters in the form only.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "invalid", formed("Observation/_search?patient=leak-a", "patient=leak-b"), formed("Observation/_search?patient=leak-a", ""), formed("Observation/_search?_count=1", "patient=leak-a"), formed("Observation/_search", "patient=leak-a&patient=leak-b"))
		s.turnedAway(demo.GP(), 400, "required", formed("Observation/_search", "code=718-7"))
		s.given(demo.GP(), formed("Observation/_search", "patient=leak-a"), "Observation/obs-lab-a")
	}},
	{"SE-18", "Unusual forms of search are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", formed("Patient/leak-a/Observation/_search", ""), formed("_search", "_type=Observation&patient=leak-a"), at("Patient/leak-a/Observation/_search"), formed("Task/_search", "patient=leak-a"))
		s.turnedAway(demo.GP(), 400, "invalid", formed("?_type=Observation&patient=leak-a", ""))
		s.turnedAway(demo.GP(), 405, "not-supported", formed("Patient/leak-a/Observation", ""), at("Observation/_search?patient=leak-a"), formed("Observation", "patient=leak-a"))
	}},
	{"SE-19", "There is no search over all types.", func(s *stage) {
		s.turnedAway(demo.GP(), 404, "not-found", ats("?_type=Observation,Condition&patient=leak-a", "?_id=leak-a", "?_content=hiv", "?patient=leak-a")...)
	}},
	{"SE-20", "Searches in part are refused, and what a source marks as a part is dropped.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_elements=id", "Observation?patient=leak-a&_elements:exclude=subject", "Observation?patient=leak-a&_summary=true", "Observation?patient=leak-a&_summary=text", "Observation?patient=leak-a&_summary=data", "Observation?patient=leak-a&_summary=false")...)
		part := leakResource(`{"resourceType":"Observation","id":"part","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},"status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A"}}`)
		s.source.Intercept(onlyObservations(s.source.ExtraEntries(part)))
		s.gets(demo.GP(), at("Observation?patient=leak-a"), "Observation/obs-lab-a")
	}},
	{"SE-21", "Contained resources are not searched.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_contained=true", "Observation?patient=leak-a&_contained=both", "Observation?patient=leak-a&_contained=true&_containedType=contained", "Observation?patient=leak-a&_containedType=container")...)
	}},
	{"SE-22", "Lists are no filter.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_list=42", "Observation?patient=leak-a&_list=$current-allergies", "Observation?_list=list-ab")...)
	}},
	{"SE-23", "Free predicates are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_query=custom", "Observation?patient=leak-a&_text=hiv", "Observation?patient=leak-a&_content=hiv", "Observation?patient=leak-a&_filter=code%20eq%20x")...)
	}},
	{"SE-24", "Labels and origins cannot be asked about; _lastUpdated only of one patient, and it tells nothing of what is hidden.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_source=x", "Observation?patient=leak-a&_tag=x", "Observation?patient=leak-a&_profile=x", "Observation?patient=leak-a&_security=R", "Observation?patient=leak-a&_security:not=R")...)
		s.turnedAway(demo.GP(), 400, "required", at("Observation?_lastUpdated=gt2020-01-01"))
		before := s.given(demo.GP(), at("Observation?patient=leak-a&_lastUpdated=gt2020-01-01"))
		s.has(`{"resourceType":"Observation","id":"obs-new-psy","meta":{"lastUpdated":"2026-10-01T00:00:00Z"},"status":"final",SURVEY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A"}}`)
		s.same(at("_lastUpdated"), before, s.given(demo.GP(), at("Observation?patient=leak-a&_lastUpdated=gt2020-01-01")))
	}},
	{"SE-25", "Modifiers that expand or fetch are refused.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&code:in=http://evil.example/ValueSet/x", "Observation?patient=leak-a&code:above=x", "Observation?patient=leak-a&code:below=x", "Observation?patient=leak-a&code:text=hiv",
			"Observation?patient=leak-a&identifier:of-type=x", "Observation?patient=leak-a&code:not-in=x", "Observation?patient=leak-a&code:IN=x", "Observation?patient=leak-a&code%3Ain=x")...)
	}},
	{"SE-26", "Parameters of vendors, and those that change what a source does, are refused; _format and _pretty end at the gateway.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&_type=Observation", "Observation?patient=leak-a&_graph=x", "Observation?patient=leak-a&_expunge=true", "Observation?patient=leak-a&_cascade=delete", "Observation?patient=leak-a&_mdm=true",
			"Observation?patient=leak-a&_offset=10", "Observation?patient=leak-a&_getpages=x", "Observation?patient=leak-a&_page=2", "Observation?patient=leak-a&ct=x")...)
		s.turnedAway(demo.GP(), 406, "not-supported", ats("Observation?patient=leak-a&_format=xml", "Observation?patient=leak-a&_format=ttl", "Observation?patient=leak-a&_format=html")...)
		s.given(demo.GP(), at("Observation?patient=leak-a&_format=json&_pretty=true"), "Observation/obs-lab-a")
		s.wantAsked("GET Observation?patient=Patient/leak-a&_count=50")
	}},
	{"SE-27", "Types without a patient of their own are not searched; shared ones are seen only where a permitted resource refers to them.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Practitioner?name=x", "Medication", "Group", "Group?member=Patient/leak-a", "Task?patient=leak-a", "Organization", "Location?name=x", "List?patient=leak-a", "Provenance?patient=leak-a", "Person?name=x",
			"AuditEvent?patient=leak-a", "Contract?patient=leak-a", "GuidanceResponse?patient=leak-a", "Schedule?actor=Patient/leak-a", "Basic?patient=leak-a")...)
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Group/grp-ab", "Task/task-a", "List/list-ab", "Provenance/prov-ab")...)
		s.turnedAway(demo.GP(), 404, "not-found", ats("Practitioner/pract-1", "Organization/org-1", "Nonsense", "Nonsense/x", "observation?patient=leak-a")...)
	}},
	{"SE-28", "Only the parameters of the shipped tables count, whatever the source knows.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Observation?patient=leak-a&x-diagnosis=hiv", "Observation?patient=leak-a&diagnosis=hiv", "Observation?x-diagnosis=hiv", "Condition?patient=leak-d&bodysite=x")...)
	}},
	{"SE-29", "Long queries, long lists and repeated escapes end at a bound.", func(s *stage) {
		long := strings.Repeat("x,", 2000) + "x"
		s.turnedAway(demo.GP(), 414, "too-long", at("Observation?patient=leak-a&code="+strings.Repeat("x", 30<<10)), at("Observation?patient=leak-a&code="+long), at("Observation?patient=leak-a"+strings.Repeat("&code=1", 60)),
			formed("Observation/_search", "patient=leak-a&code="+long), at("Observation?patient=leak-a&code="+strings.Repeat("%25", 5000)))
		s.turnedAway(demo.GP(), 400, "invalid", ats("Observation?patient=leak-a&code=%2", "Observation?patient=leak-a&code=%zz", "Observation?patient=leak-a&&code=1", "Observation?patient=leak-a&code=%00")...)
		if r := s.ask(demo.GP(), at(fmt.Sprintf("Observation?patient=leak-a&code=%s", strings.Repeat("%2525", 20)))); r.status != 200 || len(r.entries()) != 0 {
			s.Errorf("got %d %v, want 200 and nothing", r.status, r.entries())
		}
	}},
}

// onlyObservations makes the source misbehave when Observations are searched or read.
func onlyObservations(i demo.Interceptor) demo.Interceptor {
	return demo.Only(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/Observation") }, i)
}
