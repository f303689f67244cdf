package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

var sealedLink = regexp.MustCompile(`/fhir/demo/Binary/[A-Za-z0-9_-]{100,}`)

// linkIn returns the first sealed link in a released resource.
func (s *stage) linkIn(r reply) string {
	s.T.Helper()
	link := sealedLink.FindString(r.body)
	if link == "" {
		s.T.Fatalf("there is no link: %d %s", r.status, tail(r.body, 500))
	}
	return link
}

// letter returns the link to D's letter.
func (s *stage) letter() string {
	s.T.Helper()
	return s.linkIn(s.permitted(demo.GP(), at("DocumentReference/doc-d")))
}

// asksBinary makes the source misbehave when a Binary is read.
func asksBinary(i demo.Interceptor) demo.Interceptor {
	return demo.Only(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/Binary/") }, i)
}

// binaryOf returns the source's Binary/binary-d with other content and more members.
func binaryOf(contentType, data, more string) demo.Interceptor {
	return asksBinary(demo.Answer(200, fhirJSON, `{"resourceType":"Binary","id":"binary-d","contentType":"`+contentType+`"`+more+`,"data":"`+data+`"}`))
}

// passing gives a person a record until the row ends: a Patient, a letter, and consent for gp.
func (s *stage) passing(bsn, id string) demo.Person {
	s.T.Helper()
	p := demo.Person{BSN: bsn, PatientID: fhir.ID(id)}
	s.has(`{"resourceType":"Patient","id":"`+id+`","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"`+bsn+`"}],"birthDate":"1970-01-01"}`,
		`{"resourceType":"DocumentReference","id":"doc-`+id+`","status":"current","subject":{"reference":"Patient/`+id+`"},"content":[{"attachment":{"contentType":"application/pdf","url":"Binary/binary-`+id+`"}}]}`,
		`{"resourceType":"Binary","id":"binary-`+id+`","contentType":"application/pdf","data":"Q0FOQVJZN2YzYSBh"}`)
	s.mustPut(permit(partyGP), p)
	return p
}

// leaksOfBinaries are the rows of chapter 1.8.
var leaksOfBinaries = []leak{
	{"BI-1", "A Binary is given only through a sealed link of the resource that holds it, which is read and decided on anew; its own id leads nowhere.", func(s *stage) {
		s.turnedAway(demo.GP(), 404, "not-found", ats("Binary/binary-a", "Binary/binary-b", "Binary/binary-d", "Binary/nothing", "Binary/a.b")...)
		s.absent(demo.GP(), at("Binary/binary-d"))
		link := s.letter()
		s.source.Reset()
		if r := s.permitted(demo.GP(), get(link)); r.body != "the letter" {
			s.Errorf("got %q", r.body)
		}
		s.wantAsked("GET DocumentReference/doc-d", "GET Binary/binary-d")
		for _, other := range []demo.Caller{demo.Pharmacist(), demo.EmergencyDoctor(), demo.Patient("patient", leakD), demo.Patient("patient", leakA)} {
			s.turnedAway(other, 404, "not-found", get(link))
		}
		moved := strings.Replace(string(s.source.Resource("DocumentReference/doc-d")), "leak-d", "leak-b", 1)
		s.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "doc-d") }, demo.Answer(200, fhirJSON, moved)))
		s.absent(demo.GP(), get(link))
		s.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "doc-d") }, demo.Answer(404, fhirJSON, "{}")))
		s.absent(demo.GP(), get(link))
	}},
	{"BI-2", "A securityContext can only narrow: one that names anything but the patient or the holder hides the Binary.", func(s *stage) {
		link := s.letter()
		for reference, status := range map[string]int{"Patient/leak-d": 200, "DocumentReference/doc-d": 200, "Patient/leak-b": 404, "DocumentReference/doc-b": 404, "Patient/leak-a": 404} {
			s.source.Intercept(binaryOf("application/pdf", "dGhlIGxldHRlcg==", `,"securityContext":{"reference":"`+reference+`"}`))
			if r := s.ask(demo.GP(), get(link)); r.status != status {
				s.Errorf("%s: got %d, want %d", reference, r.status, status)
			}
		}
	}},
	{"BI-3", "A Binary that two resources hold is given through the link of the permitted one, never through the other.", func(s *stage) {
		s.has(`{"resourceType":"DocumentReference","id":"doc-same-b","status":"current","subject":{"reference":"Patient/PATIENT-B"},"content":[{"attachment":{"url":"Binary/binary-d"}}]}`,
			`{"resourceType":"DocumentReference","id":"doc-same-a","status":"current","subject":{"reference":"Patient/PATIENT-A"},"content":[{"attachment":{"url":"Binary/binary-d"}}]}`)
		s.absent(demo.GP(), ats("DocumentReference/doc-same-b", "DocumentReference/doc-same-a")...)
		e := s.wantEvent(s.permitted(demo.GP(), get(s.letter())), audit.OutcomePermit, "ok-consent")
		if strings.Join(e.Disclosed, " ") != "DocumentReference/doc-d Binary/binary-d" {
			s.Errorf("the event tells of %v", e.Disclosed)
		}
	}},
	{"BI-4", "The source is asked for FHIR JSON; the gateway unpacks it, and its headers keep a browser from showing or running it.", func(s *stage) {
		link := s.letter()
		for _, contentType := range []string{"application/pdf", "text/html", "image/svg+xml", "application/javascript"} {
			s.source.Reset()
			s.source.Intercept(binaryOf(contentType, "dGhlIGxldHRlcg==", ""))
			r := s.permitted(demo.GP(), get(link).with("Accept", "*/*"))
			if h := r.header; r.body != "the letter" || h.Get("Content-Disposition") != "attachment" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "sandbox") {
				s.Errorf("%s: got %q %v", contentType, r.body, h)
			}
			s.wantOwnHeaders()
		}
		if r := s.permitted(demo.GP(), get(link).with("Accept", fhirJSON)); !strings.Contains(r.body, `"resourceType":"Binary"`) || strings.Contains(r.body, "binary-d") {
			s.Errorf("got %s", r.body)
		}
		for _, raw := range []demo.Interceptor{demo.Answer(200, "application/pdf", marker), demo.Answer(200, fhirJSON, `"`+marker+`"`), binaryOf("x", "dGhl", ""), binaryOf("text/html", "###", "")} {
			s.source.Intercept(asksBinary(raw))
			s.failing(demo.GP(), get(link))
		}
	}},
	{"BI-5", "Links to elsewhere, signed or not, are removed.", func(s *stage) {
		for _, url := range []string{"https://bucket.s3.example/CANARY?X-Amz-Signature=CANARY", "http://other.example/fhir/Binary/CANARY", "//bucket.example/CANARY", "data:text/plain;base64,Q0FOQVJZN2YzYQ==", "ftp://x/CANARY", "file:///CANARY"} {
			s.has(`{"resourceType":"DocumentReference","id":"doc-signed","status":"current","subject":{"reference":"Patient/PATIENT-D"},"content":[{"attachment":{"contentType":"application/pdf","url":"` + url + `","title":"visible"}}]}`)
			if r := s.permitted(demo.GP(), at("DocumentReference/doc-signed")); strings.Contains(r.body, `"url"`) || !strings.Contains(r.body, "visible") {
				s.Errorf("%s: got %s", url, r.body)
			}
		}
	}},
	{"BI-6", "A link to the source's own Binary becomes a sealed one; no address of the source leaves.", func(s *stage) {
		for _, url := range []string{s.source.URL() + "/Binary/binary-d", "Binary/binary-d"} {
			s.has(`{"resourceType":"DocumentReference","id":"doc-own","status":"current","subject":{"reference":"Patient/PATIENT-D"},"content":[{"attachment":{"contentType":"application/pdf","url":"` + url + `"}}]}`)
			r := s.permitted(demo.GP(), at("DocumentReference/doc-own"))
			if got := s.permitted(demo.GP(), get(s.linkIn(r))); got.body != "the letter" || strings.Contains(r.body, "binary-d") {
				s.Errorf("%s: got %q through %s", url, got.body, r.body)
			}
		}
		s.has(`{"resourceType":"DocumentReference","id":"doc-own","status":"current","subject":{"reference":"Patient/PATIENT-D"},"content":[{"attachment":{"url":"http://hapi:8080/fhir/Binary/CANARY"}}]}`)
		s.permitted(demo.GP(), at("DocumentReference/doc-own"))
	}},
	{"BI-7", "Inline content is as permitted as the resource that holds it: without that the whole resource is hidden. FHIR in it is restricted; in a Binary it is looked into, for other persons and sensitive codes.", func(s *stage) {
		s.has(`{"resourceType":"DocumentReference","id":"doc-inline","status":"current","subject":{"reference":"Patient/PATIENT-A"},"content":[{"attachment":{"contentType":"text/plain","data":"Q0FOQVJZN2YzYSBh"}}]}`)
		s.absent(demo.GP(), at("DocumentReference/doc-inline"))
		s.given(demo.GP(), at("DocumentReference?patient=leak-a"))
	}},
	{"BI-8", "Metadata of a hidden document is hidden with it.", func(s *stage) {
		s.absent(demo.GP(), ats("DocumentReference/doc-a", "DocumentReference/doc-b")...)
		s.given(demo.GP(), at("DocumentReference?patient=leak-a"))
		s.given(demo.GP(), at("Patient/leak-a/$everything?_type=DocumentReference"))
	}},
	{"BI-9", "A Binary is given whole or not at all: ranges are not looked at, and a 416 of the source is a 502.", func(s *stage) {
		link := s.letter()
		for name, value := range map[string]string{"Range": "bytes=0-2", "If-Range": `W/"1"`, "If-None-Match": "*"} {
			s.source.Reset()
			if r := s.permitted(demo.GP(), get(link).with(name, value)); r.body != "the letter" || r.header.Get("Accept-Ranges")+r.header.Get("Content-Range") != "" {
				s.Errorf("%s: got %q %v", name, r.body, r.header)
			}
			s.wantOwnHeaders()
		}
		if r := s.permitted(demo.GP(), question{method: http.MethodHead, path: link}); r.body != "" {
			s.Errorf("HEAD gave %q", r.body)
		}
		for _, status := range []int{416, 206} {
			s.source.Intercept(asksBinary(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("Content-Range", "bytes */48211")
				return demo.Answer(status, fhirJSON, "{}")(w, r)
			}))
			s.failing(demo.GP(), get(link))
		}
	}},
	{"BI-10", "Redirects of the source are not followed, and not passed on.", func(s *stage) {
		var elsewhere atomic.Int32
		bucket := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
		defer bucket.Close()
		link := s.letter()
		for _, to := range []string{bucket.URL + "/" + marker, s.source.URL() + "/Binary/binary-b"} {
			s.source.Reset()
			s.source.Intercept(asksBinary(demo.Redirect(to)))
			s.failing(demo.GP(), get(link))
			s.wantAsked("GET DocumentReference/doc-d", "GET Binary/binary-d")
		}
		if n := elsewhere.Load(); n > 0 {
			s.Errorf("the redirect was followed %d times", n)
		}
	}},
	{"BI-11", "Binaries are neither searched nor written.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", at("Binary?_lastUpdated=gt2020-01-01"), at("Binary?contenttype=application/pdf"), at("Binary"), at("Binary/_search"), formed("Binary/_search", "x=y"), at("Binary/_history"), at("Binary/binary-d/_history"))
		s.turnedAway(demo.GP(), 405, "not-supported", sent(http.MethodPost, "Binary", "text/html", "<script>"), sent(http.MethodPut, "Binary/binary-d", "text/html", "<script>"), sent(http.MethodDelete, "Binary/binary-d", "", ""))
	}},
	{"BI-12", "Attachments are found wherever they stand, by their shape: links to the source are sealed, others go.", func(s *stage) {
		const attachment = `{"contentType":"application/pdf","url":"Binary/binary-d"}`
		const other = `{"contentType":"application/pdf","url":"https://bucket.example/CANARY"}`
		const subject = `"subject":{"reference":"Patient/PATIENT-D"}`
		for typ, members := range map[string]string{
			"DiagnosticReport":      subject + `,"status":"final","code":{"text":"x"},"presentedForm":[` + attachment + `,` + other + `]`,
			"Media":                 subject + `,"status":"completed","content":` + attachment,
			"Communication":         subject + `,"status":"completed","payload":[{"contentAttachment":` + attachment + `},{"contentAttachment":` + other + `}]`,
			"CommunicationRequest":  subject + `,"status":"completed","payload":[{"contentAttachment":` + attachment + `}]`,
			"QuestionnaireResponse": subject + `,"status":"completed","item":[{"linkId":"1","answer":[{"valueAttachment":` + attachment + `},{"valueAttachment":` + other + `}]}]`,
			"ExplanationOfBenefit":  `"patient":{"reference":"Patient/PATIENT-D"},"status":"active","form":` + attachment + `,"supportingInfo":[{"sequence":1,"valueAttachment":` + other + `}]`,
			"Claim":                 `"patient":{"reference":"Patient/PATIENT-D"},"status":"active","supportingInfo":[{"sequence":1,"valueAttachment":` + attachment + `}]`,
			"BodyStructure":         `"patient":{"reference":"Patient/PATIENT-D"},"image":[` + attachment + `,` + other + `]`,
			"Observation":           subject + `,"status":"final",LABORATORY,"code":{"text":"x"},"extension":[{"url":"http://x","valueAttachment":` + attachment + `},{"url":"http://y","extension":[{"url":"z","valueAttachment":` + other + `}]}]`,
		} {
			s.has(`{"resourceType":"` + typ + `","id":"with-attachment",` + members + `}`)
			r := s.permitted(demo.GP(), at(typ+"/with-attachment"))
			if strings.Contains(r.body, "binary-d") || strings.Contains(r.body, "bucket") {
				s.Errorf("%s: got %s", typ, r.body)
			}
			if got := s.permitted(demo.GP(), get(s.linkIn(r))); got.body != "the letter" {
				s.Errorf("%s: got %q", typ, got.body)
			}
		}
		s.has(`{"resourceType":"Patient","id":"leak-photo","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"999909642"}],"birthDate":"1970-01-01","photo":[` + attachment + `,` + other + `]}`)
		s.mustPut(permit(partyGP), demo.Person{BSN: "999909642"})
		if r := s.permitted(demo.GP(), at("Patient/leak-photo")); strings.Contains(r.body, "binary-d") || s.permitted(demo.GP(), get(s.linkIn(r))).body != "the letter" {
			s.Errorf("Patient: got %s", r.body)
		}
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Person/x", "RelatedPerson/x", "Contract/x", "Task/x", "Library/x")...)
	}},
	{"BI-13", "Endpoints are neither given nor included: their addresses and headers are another door.", func(s *stage) {
		endpoint := `{"resourceType":"Endpoint","id":"pacs","status":"active","address":"https://pacs.example/CANARY","header":["Authorization: CANARY"]}`
		s.has(endpoint, `{"resourceType":"ImagingStudy","id":"scan-d","status":"available","subject":{"reference":"Patient/PATIENT-D"},"endpoint":[{"reference":"Endpoint/pacs"}]}`,
			`{"resourceType":"ImagingStudy","id":"scan-d2","status":"available","subject":{"reference":"Patient/PATIENT-D"},"contained":[`+strings.Replace(endpoint, `"pacs"`, `"e"`, 1)+`],"endpoint":[{"reference":"#e"}]}`)
		s.turnedAway(demo.GP(), 501, "not-supported", ats("Endpoint/pacs", "Endpoint")...)
		s.turnedAway(demo.GP(), 400, "not-supported", ats("ImagingStudy?patient=leak-d&_include=ImagingStudy:endpoint", "ImagingStudy?patient=leak-d&_include=ImagingStudy:endpoint:Endpoint")...)
		s.permitted(demo.GP(), at("ImagingStudy/scan-d"))
		s.absent(demo.GP(), at("ImagingStudy/scan-d2"))
		s.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "ImagingStudy") }, s.source.ExtraEntries(leakResource(endpoint))))
		s.gets(demo.GP(), at("ImagingStudy?patient=leak-d"), "ImagingStudy/scan-d")
	}},
	{"BI-14", "A Binary is read whole, up to a cap, before the commit: what is withdrawn meanwhile is not given.", func(s *stage) {
		p := s.passing("999909629", "leak-e")
		link := s.linkIn(s.permitted(demo.GP(), at("DocumentReference/doc-leak-e")))
		arrived, release := make(chan struct{}), make(chan struct{})
		s.source.Intercept(asksBinary(func(http.ResponseWriter, *http.Request) bool {
			close(arrived)
			<-release
			return false
		}))
		answer := s.g.later(demo.GP(), get(link))
		receive(s.T, arrived, "the source to be asked")
		s.withdraw(s.h, p, partyGP)
		close(release)
		r := receive(s.T, answer, "the answer")
		s.clean(r)
		if r.status != 404 {
			s.Errorf("got %d, want 404", r.status)
		}
		s.source.Intercept(nil)
		s.absent(demo.GP(), get(link), at("DocumentReference/doc-leak-e"))
		letter := s.letter()
		s.source.Intercept(asksBinary(demo.Flood(5 << 20)))
		s.refusedAll(demo.GP(), 502, "too-costly", get(letter))
	}},
}
