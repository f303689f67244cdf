package e2e_test

import (
	"fmt"
	"net/http"
	"strings"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// leaksOfReads are the rows of chapter 1.1.
var leaksOfReads = []leak{
	{"RD-1", "A permitted Patient is given byte for byte as the source has it, after its access event is on record.", func(s *stage) {
		r := s.permitted(demo.GP(), at("Patient/leak-d"))
		if want := string(s.source.Resource("Patient/leak-d")); r.body != want {
			s.Errorf("got %s, want %s", r.body, want)
		}
		if e := s.wantEvent(r, audit.OutcomePermit, "ok-consent"); fmt.Sprint(e.Disclosed) != "[Patient/***]" || e.Person == "" {
			s.Errorf("the event tells of %v", e.Disclosed)
		}
	}},
	{"RD-2", "A Patient who permitted nothing, or refused, is answered like one who does not exist.", func(s *stage) {
		s.absent(demo.GP(), ats("Patient/leak-b", "Patient/leak-c", "Patient/nobody")...)
	}},
	{"RD-3", "A read that names no patient is decided on the patient and category of the resource itself.", func(s *stage) {
		s.absent(demo.GP(), at("Observation/obs-lab-b"))
		s.wantAsked("GET Observation/obs-lab-b", "GET Observation/does-not-exist")
	}},
	{"RD-4", "Another category of a permitted patient is answered like what does not exist, byte for byte.", func(s *stage) {
		s.absent(demo.GP(), ats("Observation/obs-psy-a", "Condition/cond-a", "MedicationRequest/rx-psy-a")...)
		s.permitted(demo.GP(), at("Observation/obs-lab-a"))
	}},
	{"RD-5", "What does not exist is asked for at the source like what is hidden, and answered with the same bytes.", func(s *stage) {
		s.absent(demo.GP(), at("Observation/obs-psy-a"))
		s.wantAsked("GET Observation/obs-psy-a", "GET Observation/does-not-exist")
	}},
	{"RD-6", "A source's 410 becomes the same 404; its text is not even read.", func(s *stage) {
		gone := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"deleted","diagnostics":"deleted 2026-01-01 ` + marker + `"}]}`
		s.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/obs-gone") }, demo.Answer(410, "application/fhir+json", gone)))
		s.absent(demo.GP(), at("Observation/obs-gone"))
	}},
	{"RD-7", "An answer with another type or id than was asked is a 502 and an error event; nothing of it passes.", func(s *stage) {
		for _, other := range []string{"Patient/leak-b", "Patient/leak-d", "Observation/obs-lab-b", "Observation/obs-lab-d"} {
			s.source.Intercept(demo.Answer(200, "application/fhir+json", string(s.source.Resource(other))))
			s.failing(demo.GP(), at("Observation/obs-lab-a"))
		}
	}},
	{"RD-8", "A version is off unless configured; then both the version itself and the current one must be permitted.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Patient/leak-d/_history/1", "Observation/obs-lab-d/_history/1", "Observation/does-not-exist/_history/1")...)
		on := s.versioned()
		if r := on.permitted(demo.GP(), at("Observation/obs-lab-d/_history/2")); !strings.Contains(r.body, "6.90") {
			s.Errorf("got %s, want the older version", r.body)
		}
		on.absent(demo.GP(), ats("Observation/obs-lab-d/_history/1", "Observation/obs-lab-d/_history/7", "Observation/obs-lab-b/_history/2")...)
	}},
	{"RD-9", "A history is off unless configured; then each entry is decided on its own content, deletes are dropped, and there is no total.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Observation/obs-lab-d/_history", "Observation/does-not-exist/_history", "Patient/leak-d/_history?_count=1")...)
		on := s.versioned()
		r := on.gets(demo.GP(), at("Observation/obs-lab-d/_history"), "Observation/obs-lab-d", "Observation/obs-lab-d")
		if strings.Contains(r.body, "DELETE") || strings.Contains(r.body, "2020-") {
			s.Errorf("the history tells of deletes: %s", r.body)
		}
		on.absent(demo.GP(), at("Observation/obs-lab-b/_history"))
		on.turnedAway(demo.GP(), 501, "not-supported", ats("Observation/_history", "_history")...)
	}},
	{"RD-10", "Histories of a type or of everything are refused before the source is asked.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Patient/_history", "Patient/_history?_since=2026-01-01", "Observation/_history", "_history", "_history?_since=2026-01-01")...)
	}},
	{"RD-11", "A read in part is refused: the gateway decides on whole resources.", func(s *stage) {
		s.turnedAway(demo.GP(), 400, "not-supported", ats("Patient/leak-d?_elements=identifier", "Patient/leak-d?_elements=id", "Patient/leak-d?_summary=text", "Patient/leak-d?_summary=true",
			"Patient/leak-d?_summary=data", "Observation/obs-psy-a?_elements=id", "Observation/obs-psy-a?_summary=count")...)
	}},
	{"RD-12", "A path has exact segments; any other writing of it leads nowhere.", func(s *stage) {
		s.turnedAway(demo.GP(), 404, "not-found", ats("Patient/leak-d/", "Patient/leak-d//", "Patient//leak-d", "/Patient/leak-d", "Patient/./leak-d", "Patient/x/../leak-d",
			"Patient/leak%2Dd", "Patient%2Fleak-d", "Patient/leak-d%2F", "Patient/leak-d;x=1", "patient/leak-d", "Patient/leak-d/Patient/leak-d/x")...)
	}},
	{"RD-13", "HEAD is a GET without a body: hidden and absent have the same headers, and the length is of the filtered body.", func(s *stage) {
		s.absent(demo.GP(), sent(http.MethodHead, "Observation/obs-psy-a", "", ""), sent(http.MethodHead, "Observation/obs-lab-b", "", ""))
		got, head := s.permitted(demo.GP(), at("Observation/obs-lab-a")), s.permitted(demo.GP(), sent(http.MethodHead, "Observation/obs-lab-a", "", ""))
		if head.body != "" || head.header.Get("Content-Length") != fmt.Sprint(len(got.body)) {
			s.Errorf("got %d bytes, length %s; want none, %d", len(head.body), head.header.Get("Content-Length"), len(got.body))
		}
	}},
	{"RD-14", "Conditions in headers are not looked at, here or at the source: a full answer, or the one 404.", func(s *stage) {
		s.conditional("If-None-Match", `W/"3"`, `W/"1"`, "*")
	}},
	{"RD-15", "Other conditions and ranges are not looked at either.", func(s *stage) {
		s.conditional("If-Modified-Since", "Wed, 21 Oct 2099 07:28:00 GMT")
		s.conditional("If-Unmodified-Since", "Wed, 21 Oct 2015 07:28:00 GMT")
		s.conditional("If-Match", `W/"1"`, `"nothing"`)
		s.conditional("If-Range", `W/"1"`)
		s.conditional("Range", "bytes=0-10", "bytes=99999-")
	}},
	{"RD-16", "A Patient that was replaced by another is nobody: neither it nor what names it is given, whatever is on file for it.", func(s *stage) {
		old := demo.Person{BSN: "999909605", PatientID: "leak-d2"}
		s.mustPut(permit(partyGP), old)
		s.has(`{"resourceType":"Patient","id":"leak-d2","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"999909605"}],"name":[{"family":"CANARY"}],"birthDate":"1973-01-01","link":[{"other":{"reference":"Patient/PATIENT-A"},"type":"replaced-by"}]}`,
			`{"resourceType":"Observation","id":"obs-d2","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/leak-d2"}}`)
		s.absent(demo.GP(), ats("Patient/leak-d2", "Observation/obs-d2")...)
		s.refusedAll(demo.GP(), 403, "forbidden", searchID("Observation", old), search("Observation", old))
	}},
}

// conditional sends a header that must change nothing.
func (s *stage) conditional(name string, values ...string) {
	s.T.Helper()
	for _, value := range values {
		s.source.Reset()
		plain, conditional := s.permitted(demo.GP(), at("Observation/obs-lab-a")), s.permitted(demo.GP(), at("Observation/obs-lab-a").with(name, value))
		s.same(at(name), plain, conditional)
		s.absent(demo.GP(), at("Observation/obs-psy-a").with(name, value))
		s.wantOwnHeaders()
	}
}

// versioned is a gateway that serves versions, before a source whose obs-lab-d has an older version, one that was another patient's, and a
// deletion.
func (s *stage) versioned() *stage {
	s.T.Helper()
	on := s.beside("fhir_version: R4", "fhir_version: R4\n    interactions: [vread, history]")
	now := string(s.source.Resource("Observation/obs-lab-d"))
	older := strings.Replace(now, "7.20", "6.90", 1)
	moved := strings.NewReplacer("leak-d", "leak-b", "visible", marker).Replace(now)
	hidden := strings.NewReplacer("laboratory", "survey", "visible", marker, "leak-d", "leak-a").Replace(now)
	history := `{"resourceType":"Bundle","type":"history","total":5,"link":[{"relation":"self","url":"` + s.source.URL() + `/Observation/obs-lab-d/_history"}],"entry":[` +
		`{"resource":` + now + `,"response":{"status":"200","etag":"W/\"5\"","lastModified":"2020-01-01T00:00:00Z"}},{"resource":` + older + `},{"resource":` + moved + `},{"resource":` + hidden +
		`},{"request":{"method":"DELETE","url":"Observation/obs-lab-d"},"response":{"status":"204","lastModified":"2020-01-01T00:00:00Z"}}]}`
	answers := map[string]string{
		"obs-lab-d/_history/2": older, "obs-lab-d/_history/1": moved, "obs-lab-d/_history/7": hidden, "obs-lab-d/_history": history,
		"obs-lab-b/_history/2": strings.NewReplacer("obs-lab-d", "obs-lab-b").Replace(now),
		"obs-lab-b/_history":   `{"resourceType":"Bundle","type":"history","entry":[{"resource":` + strings.NewReplacer("obs-lab-d", "obs-lab-b").Replace(now) + `}]}`,
	}
	s.source.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		_, version, _ := strings.Cut(r.URL.Path, "/Observation/")
		body, there := answers[version]
		return there && demo.Answer(200, "application/fhir+json", body)(w, r)
	})
	return on
}
