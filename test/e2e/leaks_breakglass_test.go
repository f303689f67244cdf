package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// doctors counts the emergency doctors that rows invented, since each can declare only so often.
var doctors atomic.Int32

// doctor returns an emergency doctor that no other row uses.
func (s *stage) doctor() demo.Caller {
	by := demo.EmergencyDoctor()
	by.Claims.UZI = fmt.Sprintf("90000%04d", 1000+doctors.Add(1))
	by.Claims.Subject = "uzi-" + by.Claims.UZI
	return by
}

// declares wants a declaration to be accepted.
func (s *stage) declares(by demo.Caller, p demo.Person) reply {
	s.T.Helper()
	r := s.tell(by, declare(p))
	if r.status != http.StatusCreated {
		s.T.Errorf("a declaration: got %d, want 201\n%s", r.status, r.body)
	}
	return r
}

// declaring returns a declaration with this body.
func declaring(body string) question {
	return question{method: http.MethodPost, path: "/gateway/$break-glass", contentType: "application/fhir+json", body: body}
}

// breakGlassLeaks are the rows of leaks.md, 1.17: emergencies.
var breakGlassLeaks = []leak{
	{"BG-1", "No header and no purpose in a token opens anything: an emergency is declared, by a professional who is signed in strongly, or nothing happens", func(s *stage) {
		p, doctor := s.somebody(adult), s.doctor()
		header := searchID("Observation", p).with("Category", `http://terminology.hl7.org/CodeSystem/v3-ActReason#BTG; scheme="http://hl7.org/fhir/tag/security"; label="break the glass"`, "X-Break-Glass", "true")
		s.forbidden(doctor, header)
		for _, purpose := range []string{"BTG", "ETREAT"} {
			claimed := doctor
			claimed.Claims.PurposeOfUse = []string{purpose}
			s.forbidden(claimed, searchID("Observation", p))
		}
		weak := doctor
		weak.Claims.ACR = "http://eidas.europa.eu/LoA/low"
		r := s.answered(weak, declare(p), http.StatusUnauthorized, "login")
		if !strings.Contains(r.header.Get("Www-Authenticate"), "insufficient_user_authentication") {
			s.T.Errorf("no step-up: %v", r.header)
		}
		s.forbidden(demo.Pharmacist(), declare(p))
		s.forbidden(doctor, searchID("Observation", p))
	}},
	{"BG-2", "A reason is ten to a thousand characters without control characters, and it is never logged or echoed", func(s *stage) {
		doctor := s.doctor()
		good := declare(leakB).body
		const reason = "Brought in unconscious after an accident"
		for _, bad := range []string{"", " ", "          ", "x", "short", strings.Repeat("a", 1001), `CANARY7f3a\u0000 reason`, `CANARY7f3a\n reason`, `CANARY7f3a\u001b[31m reason`} {
			s.answered(doctor, declaring(strings.Replace(good, reason, bad, 1)), http.StatusBadRequest, "invalid")
		}
		s.answered(doctor, declaring(strings.Replace(good, reason, strings.Repeat("a", 80_000), 1)), http.StatusRequestEntityTooLarge, "too-long")
		s.answered(doctor, declaring(strings.Replace(good, `"valueString"`, `"valueCode"`, 1)), http.StatusBadRequest, "invalid")
		s.answered(doctor, declaring(strings.Replace(good, `"unconscious"`, `"curious"`, 1)), http.StatusBadRequest, "invalid")
		for _, statement := range []string{"consent-impossible", "no-alternative"} {
			stated := `{"name":"` + statement + `","valueBoolean":true}`
			if !strings.Contains(good, stated) {
				s.T.Fatalf("the declaration does not state %s: %s", statement, good)
			}
			s.answered(doctor, declaring(strings.Replace(good, stated, strings.Replace(stated, "true", "false", 1), 1)), http.StatusForbidden, "forbidden")
		}
		if strings.Contains(s.g.logged(), marker) {
			s.T.Error("the log holds a reason")
		}
	}},
	{"BG-3", "A declaration serves this professional, of this organization, through this client, for this patient, until it ends; on every instance", func(s *stage) {
		p, q, doctor := s.somebody(adult), s.somebody(adult), s.doctor()
		s.declares(doctor, p)
		s.answersWith(200, doctor, "Observation", p, "declared")
		other := s.beside()
		if r := other.ask(doctor, searchID("Observation", p)); r.status != http.StatusOK {
			s.T.Errorf("another instance: got %d", r.status)
		}
		s.answersWith(403, doctor, "Observation", q, "another patient")
		s.answersWith(403, s.doctor(), "Observation", p, "another professional")
		client, organization := doctor, doctor
		client.Claims.ClientID = "gp"
		s.answersWith(403, client, "Observation", p, "another client")
		organization.Claims.OrganizationURA = "90000055"
		s.answersWith(403, organization, "Observation", p, "another organization")
		whileItLasts(s.T, func(lasts time.Duration) (reply, time.Time) {
			ends := s.declared(doctor, q, lasts)
			return s.tell(doctor, searchID("Observation", q)), ends
		})
		s.answersWith(403, doctor, "Observation", q, "when it is over")
	}},
	{"BG-4", "A declaration opens reads and searches about its patient only: no search without a patient, none about several, no includes of others", func(s *stage) {
		p, doctor := s.somebody(adult), s.doctor()
		s.declares(doctor, p)
		s.refused(doctor, get("/fhir/demo/Observation"), http.StatusBadRequest, "required")
		s.refused(doctor, get("/fhir/demo/Observation?patient="+string(p.PatientID)+",leak-b"), http.StatusBadRequest, "invalid")
		s.answersWith(403, doctor, "Observation", leakB, "another patient")
		s.answers(s.entry("match", `{"resourceType":"Observation","id":"of-b","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-B"}}`))
		if r := s.answersWith(200, doctor, "Observation", p, "a source that gives others"); len(r.entries()) != 0 {
			s.T.Errorf("got %v", r.entries())
		}
	}},
	{"BG-5", "A declaration opens what was never asked and a refusal with an exception; it opens no refusal without one, and nothing for parties whom the law shuts out", func(s *stage) {
		unknown, refused, except, doctor := s.somebody(adult), s.somebody(adult), s.somebody(adult), s.doctor()
		s.mustPut(deny(partyHospital), refused)
		s.mustPut(changed(deny(partyHospital), func(r *consent.Record) { r.EmergencyException = true }), except)
		for p, status := range map[demo.Person]int{unknown: 200, refused: 403, except: 200} {
			s.answersWith(403, doctor, "Observation", p, "before")
			s.declares(doctor, p)
			s.answersWith(status, doctor, "Observation", p, "declared")
		}
		for _, blocked := range []demo.Caller{demo.CompanyDoctor(), demo.Insurer()} {
			s.forbidden(blocked, declare(unknown))
			s.answersWith(403, blocked, "Observation", unknown, "blocked by law")
		}
	}},
	{"BG-6", "An emergency that cannot be recorded is none: 503, and nothing opens", func(s *stage) {
		own := newStage(s.T, s.version)
		doctor := own.doctor()
		own.ask(doctor, searchID("Observation", leakB))
		own.redis.Do("config", "set", "maxmemory", "1mb")
		own.unavailable(doctor, declare(leakB), "a declaration")
		own.redis.Do("config", "set", "maxmemory", "256mb")
		own.recovers(own.g, demo.GP(), aboutD("Observation"))
		if r := own.ask(doctor, searchID("Observation", leakB)); r.status != http.StatusForbidden {
			s.T.Errorf("got %d, want 403: nothing was declared", r.status)
		}
		own.ask(doctor, declare(leakA))
		own.redis.Do("config", "set", "maxmemory", "1mb")
		own.unavailable(doctor, searchID("Observation", leakA), "a use")
	}},
	{"BG-7", "Declarations are limited for each professional, over all instances; the one too many alerts, and every one stands in the list of reviews", func(s *stage) {
		own := s.beside("per_hour: 50", "per_hour: 2")
		doctor, p := s.doctor(), s.somebody(adult)
		own.declares(doctor, p)
		own.declares(doctor, p)
		r := own.ask(doctor, declare(leakB))
		if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
			s.T.Errorf("the third: got %d", r.status)
		}
		if e := s.wantEvent(r, audit.OutcomeDeny, "declaration-limit"); !slices.Contains(e.Obligations, policy.ObligationAlert) {
			s.T.Error("nobody is alerted")
		}
		if list := must(s.T, "", "review", "list", "--config", s.h); strings.Count(list, doctor.Claims.UZI) != 2 {
			s.T.Errorf("the reviews are %s", list)
		}
	}},
	{"BG-8", "A declaration that is sent again is the same one, wherever it arrives, and ends when the first one does by the store's clock", func(s *stage) {
		doctor, p, other := s.doctor(), s.somebody(adult), s.beside()
		q := declare(p).with("X-Request-Id", uuid())
		answers := []<-chan reply{s.g.later(doctor, q), other.g.later(doctor, q), s.g.later(doctor, q)}
		bodies := map[string]bool{}
		for _, a := range answers {
			r := receive(s.T, a, "the answer")
			if r.status != http.StatusCreated {
				s.T.Errorf("got %d %s", r.status, r.body)
			}
			bodies[r.body] = true
		}
		if len(bodies) != 1 {
			s.T.Errorf("one declaration got %d answers", len(bodies))
		}
		if n := len(s.eventsOf(q.header.Get("X-Request-Id"))); n != 1 {
			s.T.Errorf("got %d events, want 1", n)
		}
		st, _, err := s.store.Standing(s.T.Context(), s.store.Key(p.Identifier()))
		if err != nil || len(st.Declarations) != 1 {
			s.T.Errorf("got %d declarations, %v", len(st.Declarations), err)
		}
		q.body = strings.Replace(q.body, "after an accident", "after a fall", 1)
		if r := s.ask(doctor, q); r.status != http.StatusConflict {
			s.T.Errorf("other words under the same id: got %d %s", r.status, r.body)
		}
	}},
	{"BG-9", "No answer hints at what is hidden, not even to those who could declare an emergency: refused and unknown are one text, and a search tells of no gap", func(s *stage) {
		doctor := s.doctor()
		unknown, refused := s.tell(doctor, searchID("Observation", leakB)), s.tell(doctor, searchID("Observation", leakC))
		s.same(labD, unknown, refused)
		r := s.finds(searchID("Observation", leakA), "A's", "Observation/obs-lab-a")
		if strings.Contains(r.body, "OperationOutcome") || strings.Contains(r.body, "ETREAT") || strings.Contains(r.body, "BTG") {
			s.T.Errorf("a hint: %s", r.body)
		}
	}},
	{"BG-10", "Nothing opened by a declaration stays open after it: each request looks for one in force, and an unjustified one is over with its review", func(s *stage) {
		doctor, p := s.doctor(), s.somebody(adult)
		s.declares(doctor, p)
		r := s.answersWith(200, doctor, "Observation", p, "declared")
		e := s.wantEvent(r, audit.OutcomePermit, "ok-emergency-unknown")
		must(s.T, "", "review", "close", "--config", s.h, "--not-justified", "--by", "officer", "--why", "no emergency", string(e.Declaration))
		s.answersWith(403, doctor, "Observation", p, "after the review")
		s.notFound(doctor, "Observation/"+string(p.PatientID)+"-a")
	}},
	{"BG-11", "A page link from an emergency opens nothing when the emergency is over", func(s *stage) {
		doctor, p := s.doctor(), s.somebody(adult)
		s.declares(doctor, p)
		first := s.tell(doctor, get("/fhir/demo/Observation?_count=1&patient="+string(p.PatientID)))
		next := first.link(s.g, "next")
		if first.status != http.StatusOK || next == "" {
			s.T.Fatalf("got %d and the link %q", first.status, next)
		}
		if r := s.tell(doctor, get(next)); r.status != http.StatusOK {
			s.T.Errorf("while it lasts: got %d", r.status)
		}
		if err := s.change(p.Identifier(), func(st *consent.Standing) error {
			st.Declarations[0].Review = &consent.Review{By: "officer", Why: "no emergency"}
			return nil
		}); err != nil {
			s.T.Fatal(err)
		}
		s.forbidden(doctor, get(next))
	}},
	{"BG-12", "A declaration names one patient by a number: none, an id of a source or a number that is none is refused", func(s *stage) {
		doctor := s.doctor()
		good := declare(leakB).body
		for _, bad := range []string{
			strings.Replace(good, leakB.BSN, "123456789", 1), strings.Replace(good, leakB.BSN, "", 1), strings.Replace(good, demo.SystemBSN, "urn:other", 1), strings.Replace(good, `"name":"patient"`, `"name":"subject"`, 1),
			`{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/leak-b"}},{"name":"reason-code","valueCode":"unconscious"},{"name":"reason","valueString":"Brought in unconscious"},{"name":"consent-impossible","valueBoolean":true},{"name":"no-alternative","valueBoolean":true}]}`,
			`{"resourceType":"Parameters","parameter":[{"name":"reason-code","valueCode":"unconscious"},{"name":"reason","valueString":"Brought in unconscious"},{"name":"consent-impossible","valueBoolean":true},{"name":"no-alternative","valueBoolean":true}]}`,
		} {
			s.answered(doctor, declaring(bad), http.StatusBadRequest, "invalid")
		}
		patient := good[strings.Index(good, `{"name":"patient"`):strings.Index(good, `,{"name":"reason-code"`)]
		s.answered(doctor, declaring(strings.Replace(good, patient, patient+","+strings.Replace(patient, leakB.BSN, leakC.BSN, 1), 1)), http.StatusBadRequest, "invalid")
	}},
	{"BG-13", "Only a named professional declares: a client without one, a patient or an unknown caller does not", func(s *stage) {
		service := s.doctor()
		service.Claims.UZI, service.Claims.UZIRoles, service.Claims.Subject = "", nil, "service"
		s.forbidden(service, declare(leakB))
		s.forbidden(demo.Patient("patient", leakA), declare(leakA))
		s.answered(demo.Caller{}, declare(leakB), http.StatusUnauthorized, "login")
		s.answersWith(403, service, "Observation", leakB, "nothing was declared")
	}},
	{"BG-14", "A use in an emergency is marked in its event: purpose, reason, declaration, and the duty to tell the patient, who finds it in the own overview", func(s *stage) {
		doctor, p := s.doctor(), s.somebody(adult)
		s.declares(doctor, p)
		e := s.wantEvent(s.answersWith(200, doctor, "Observation", p, "declared"), audit.OutcomePermit, "ok-emergency-unknown")
		if e.Declaration == "" || e.Emergency == "" || e.Actor.Purpose != policy.PurposeEmergency || e.Actor.Practitioner != "uzi:"+doctor.Claims.UZI || !slices.Contains(e.Obligations, policy.ObligationNotifyPatient) {
			s.T.Errorf("the event is %+v", e)
		}
		r := s.tell(demo.Patient("patient", p), get("/gateway/AuditEvent"))
		if r.status != http.StatusOK || !strings.Contains(r.body, "ETREAT") && !strings.Contains(r.body, "BTG") {
			s.T.Errorf("the overview: got %d %s", r.status, tail(r.body, 600))
		}
	}},
}
