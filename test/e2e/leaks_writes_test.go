package e2e_test

import (
	"net/http"
	"strings"

	"zorgsluis/internal/demo"
)

const fhirJSON = "application/fhir+json"

// written returns writes of a body: a create, an update, and whatever else can be done to one resource.
func written(path, body string) []question {
	return []question{sent(http.MethodPut, path, fhirJSON, body), sent(http.MethodPatch, path, "application/json-patch+json", body), sent(http.MethodDelete, path, "", "")}
}

// unwritable wants none of these writes to have any effect.
func (s *stage) unwritable(questions ...question) {
	s.T.Helper()
	for _, caller := range []demo.Caller{demo.GP(), demo.Patient("patient", leakD)} {
		s.turnedAway(caller, 405, "not-supported", questions...)
	}
}

// leaksOfWrites are the rows of chapter 1.7. The gateway is read-only.
var leaksOfWrites = []leak{
	{"WR-1", "An update is refused, whoever's record it is or would become.", func(s *stage) {
		body := string(s.source.Resource("Observation/obs-lab-d"))
		for _, id := range []string{"obs-lab-b", "obs-lab-d", "does-not-exist"} {
			s.unwritable(written("Observation/"+id, body)...)
		}
	}},
	{"WR-2", "A create under an id of the caller's choice is refused, so that 201 and 200 tell nothing.", func(s *stage) {
		s.unwritable(sent(http.MethodPut, "Observation/new-id", fhirJSON, `{"resourceType":"Observation","id":"new-id"}`), sent(http.MethodPut, "Observation/obs-psy-a", fhirJSON, `{"resourceType":"Observation","id":"obs-psy-a"}`))
	}},
	{"WR-3", "A create is refused, whomever it is about.", func(s *stage) {
		for _, patient := range []string{"leak-b", "leak-d"} {
			s.unwritable(sent(http.MethodPost, "Observation", fhirJSON, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/`+patient+`"},"focus":[{"reference":"Patient/leak-b"}],"performer":[{"reference":"Patient/leak-b"}]}`))
		}
	}},
	{"WR-4", "A preference for what a write returns makes no difference.", func(s *stage) {
		for _, value := range []string{"return=representation", "return=OperationOutcome", "return=minimal"} {
			s.unwritable(sent(http.MethodPost, "Observation", fhirJSON, `{"resourceType":"Observation"}`).with("Prefer", value), sent(http.MethodPut, "Observation/obs-psy-a", fhirJSON, `{"resourceType":"Observation"}`).with("Prefer", value))
		}
	}},
	{"WR-5", "A condition on a version makes no difference.", func(s *stage) {
		for _, id := range []string{"obs-psy-a", "obs-lab-a", "does-not-exist"} {
			s.unwritable(sent(http.MethodPut, "Observation/"+id, fhirJSON, `{"resourceType":"Observation"}`).with("If-Match", `W/"7"`), sent(http.MethodDelete, "Observation/"+id, "", "").with("If-Match", `W/"1"`))
		}
	}},
	{"WR-6", "A create on condition is refused; whether the person is known is not looked at.", func(s *stage) {
		for _, p := range []demo.Person{leakB, leakD, {BSN: "999909617"}} {
			s.unwritable(sent(http.MethodPost, "Patient", fhirJSON, `{"resourceType":"Patient"}`).with("If-None-Exist", "identifier="+token(p)))
		}
	}},
	{"WR-7", "Updates, deletes and patches of what a search finds are refused.", func(s *stage) {
		for _, path := range []string{"Observation?identifier=x", "Observation?patient=leak-b&status=final", "Patient?identifier=" + token(leakB)} {
			s.unwritable(written(path, `{"resourceType":"Observation"}`)...)
		}
	}},
	{"WR-8", "Deletes are refused, cascading or not.", func(s *stage) {
		s.unwritable(sent(http.MethodDelete, "Patient/leak-a?_cascade=delete", "", ""), sent(http.MethodDelete, "Patient/leak-a", "", "").with("X-Cascade", "delete"), sent(http.MethodDelete, "Patient/leak-a?_expunge=true", "", ""))
	}},
	{"WR-9", "A delete has the same answer however often, and of whatever.", func(s *stage) {
		one := s.ask(demo.GP(), sent(http.MethodDelete, "Observation/obs-lab-d", "", ""))
		for _, id := range []string{"obs-lab-d", "obs-lab-d", "obs-psy-a", "does-not-exist"} {
			s.same(at(id), s.ask(demo.GP(), sent(http.MethodDelete, "Observation/"+id, "", "")), one)
		}
		s.unwritable(sent(http.MethodDelete, "Observation/obs-lab-d", "", ""))
		s.permitted(demo.GP(), at("Observation/obs-lab-d"))
	}},
	{"WR-10", "A patch that tests a value is refused, hit or miss.", func(s *stage) {
		patch := func(id, value string) question {
			return sent(http.MethodPatch, "Observation/"+id, "application/json-patch+json", `[{"op":"test","path":"/valueInteger","value":`+value+`}]`)
		}
		s.unwritable(patch("obs-psy-a", "21"), patch("obs-psy-a", "20"), patch("does-not-exist", "21"))
		s.same(at("patch"), s.ask(demo.GP(), patch("obs-psy-a", "21")), s.ask(demo.GP(), patch("obs-psy-a", "20")))
	}},
	{"WR-11", "A patch that copies or moves is refused.", func(s *stage) {
		for _, op := range []string{"copy", "move", "add", "remove", "replace"} {
			s.unwritable(sent(http.MethodPatch, "Observation/obs-lab-a", "application/json-patch+json", `[{"op":"`+op+`","from":"/note/0/text","path":"/identifier/0/value"}]`))
		}
	}},
	{"WR-12", "Patches of every other kind are refused.", func(s *stage) {
		for _, media := range []string{fhirJSON, "application/xml-patch+xml", "application/merge-patch+json", "application/fhir+xml", "text/plain"} {
			s.unwritable(sent(http.MethodPatch, "Observation/obs-psy-a", media, `{"resourceType":"Parameters","parameter":[{"name":"operation"}]}`))
		}
	}},
	{"WR-13", "Nothing is written that later decisions could rest on.", func(s *stage) {
		for _, typ := range strings.Fields("Consent AuditEvent Provenance Subscription Group List Linkage Person RelatedPerson CareTeam SearchParameter StructureDefinition OperationDefinition CapabilityStatement Endpoint Binary Bundle Task PractitionerRole Flag") {
			s.turnedAway(demo.GP(), 405, "not-supported", append(written(typ+"/x", `{"resourceType":"`+typ+`"}`), sent(http.MethodPost, typ, fhirJSON, `{"resourceType":"`+typ+`"}`))...)
		}
		s.turnedAway(demo.GP(), 404, "not-found", sent(http.MethodPost, "SubscriptionTopic", fhirJSON, `{"resourceType":"SubscriptionTopic"}`)) // no type of R4
	}},
	{"WR-14", "What says who treats whom cannot be changed by those who ask.", func(s *stage) {
		for path, body := range map[string]string{
			"Patient/leak-b":   `{"resourceType":"Patient","id":"leak-b","link":[{"other":{"reference":"Patient/leak-d"},"type":"seealso"}],"generalPractitioner":[{"reference":"Practitioner/pract-1"}],"managingOrganization":{"reference":"Organization/org-1"}}`,
			"Encounter/e1":     `{"resourceType":"Encounter","id":"e1","participant":[{"individual":{"reference":"Practitioner/pract-1"}}]}`,
			"CareTeam/c1":      `{"resourceType":"CareTeam","id":"c1","participant":[{"member":{"reference":"Practitioner/pract-1"}}]}`,
			"EpisodeOfCare/e1": `{"resourceType":"EpisodeOfCare","id":"e1"}`,
		} {
			s.unwritable(written(path, body)...)
		}
		s.absent(demo.GP(), at("Patient/leak-b"))
	}},
	{"WR-15", "No label is taken off by an update.", func(s *stage) {
		s.unwritable(written("Observation/obs-psy-a", `{"resourceType":"Observation","id":"obs-psy-a","meta":{"security":[]}}`)...)
	}},
	{"WR-16", "Headers that would write, or set a context, are not forwarded and change nothing.", func(s *stage) {
		for name, value := range map[string]string{"X-Provenance": `{"resourceType":"Provenance"}`, "X-Security-Context": "Patient/leak-b", "X-Forwarded-User": "admin", "X-Patient": "leak-b"} {
			s.source.Reset()
			plain := s.permitted(demo.GP(), at("Observation/obs-lab-a"))
			s.same(at(name), s.permitted(demo.GP(), at("Observation/obs-lab-a").with(name, value)), plain)
			s.absent(demo.GP(), at("Observation/obs-lab-b").with(name, value))
			s.wantOwnHeaders()
			s.unwritable(sent(http.MethodPost, "Observation", fhirJSON, `{"resourceType":"Observation"}`).with(name, value))
		}
	}},
	{"WR-17", "A create is refused whatever stands in it.", func(s *stage) {
		for _, body := range []string{
			`{"resourceType":"Observation","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`, `{"resourceType":"Observation","implicitRules":"http://evil.example"}`,
			`{"resourceType":"Observation","modifierExtension":[{"url":"http://evil.example"}]}`, `{`, ``, `<Observation/>`,
		} {
			s.unwritable(sent(http.MethodPost, "Observation", fhirJSON, body))
		}
	}},
	{"WR-18", "The answer to a write is the gateway's own: no location, version or hint of the source.", func(s *stage) {
		for _, q := range append(written("Observation/obs-lab-d", `{}`), sent(http.MethodPost, "Observation", fhirJSON, `{}`)) {
			r := s.ask(demo.GP(), q) // ask checks the headers
			if r.header.Get("Allow") != "GET, HEAD, OPTIONS" || strings.Contains(r.body, "obs-lab-d") {
				s.Errorf("%s: %v %s", q, r.header, r.body)
			}
		}
		s.unwritable(written("Observation/obs-lab-d", `{}`)...)
	}},
}
