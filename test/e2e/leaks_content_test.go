package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// leaksOfContent are the rows of chapters 1.11 to 1.17: what comes back, and who asks.
var leaksOfContent = [][]leak{modelLeaks, referenceLeaks, categoryLeaks, jsonLeaks, mediaLeaks, httpLeaks, tokenLeaks, consentLeaks, breakGlassLeaks}

// have puts resources into the source until the end of the row, and returns their names.
func (s *stage) have(texts ...string) (names []string) {
	s.T.Helper()
	for _, text := range texts {
		name := named(text)
		before := s.source.Resource(name)
		if err := s.source.Add(leakResource(text)); err != nil {
			s.T.Fatal(err)
		}
		names = append(names, name)
		s.T.Cleanup(func() {
			s.source.Remove(name)
			if before != nil {
				_ = s.source.Add(before) // it existed before
			}
		})
	}
	return names
}

// named returns "Type/id" of a fixture.
func named(text string) string {
	var r struct{ ResourceType, ID string }
	if err := json.Unmarshal(leakResource(text), &r); err != nil {
		panic(err)
	}
	return r.ResourceType + "/" + r.ID
}

// entry returns an entry of a searchset as a source writes it.
func (s *stage) entry(mode, text string) string {
	return fmt.Sprintf(`{"fullUrl":"%s/%s","resource":%s,"search":{"mode":"%s"}}`, s.source.URL(), named(text), leakResource(text), mode)
}

// answers makes the source answer searches with a searchset of these entries, and everything else as usual.
func (s *stage) answers(entries ...string) {
	s.replies(func(self string) string {
		return `{"resourceType":"Bundle","type":"searchset","total":99,"link":[{"relation":"self","url":"` + self + `"}],"entry":[` +
			strings.Join(entries, ",") + `]}`
	})
}

// replies makes the source answer searches with this body; self is its self link.
func (s *stage) replies(body func(self string) string) {
	s.source.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if below := strings.TrimPrefix(r.URL.Path, "/fhir/"); strings.Contains(below, "/") || r.Method != http.MethodGet {
			return false
		}
		self := strings.TrimSuffix(s.source.URL(), "/fhir") + r.URL.RequestURI()
		return demo.Answer(http.StatusOK, "application/fhir+json", body(self))(w, r)
	})
}

// aboutD returns a search of a type about D.
func aboutD(typ string) question {
	switch typ {
	case "Patient":
		return get("/fhir/demo/Patient?_id=" + string(leakD.PatientID))
	case "AdverseEvent":
		return get("/fhir/demo/AdverseEvent?subject=" + string(leakD.PatientID))
	}
	return searchID(typ, leakD)
}

// visible is a laboratory result of D that gp always sees.
const visible = `{"resourceType":"Observation","id":"obs-visible","status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/PATIENT-D"}}`

// hides wants nothing of these resources to be released, though D permits gp everything: not by a read, which is answered as if none existed;
// not by a search of its type that the source answers with it; not beside the results of a search of another type.
func (s *stage) hides(texts ...string) {
	s.T.Helper()
	for _, text := range texts {
		name := s.have(text)[0]
		typ, _, _ := strings.Cut(name, "/")
		class := fhir.ClassOf(fhir.R4, typ)
		switch s.source.Reset(); class {
		case fhir.ClassPatient, fhir.ClassShared:
			absent := s.tell(demo.GP(), get("/fhir/demo/Observation/absent"))
			s.source.Reset()
			if r := s.tell(demo.GP(), get("/fhir/demo/"+name)); r.status != http.StatusNotFound || r.body != absent.body {
				s.T.Errorf("a read of %s: got %d, want 404 as for what is absent\n%s", text, r.status, r.body)
			}
			if n := len(s.source.Requests()); class == fhir.ClassShared && n != 0 {
				s.T.Errorf("a read of %s reached the source %d times", name, n)
			}
		default:
			s.refused(demo.GP(), get("/fhir/demo/"+name), http.StatusNotImplemented, "not-supported")
			s.refused(demo.GP(), searchID(typ, leakD), http.StatusNotImplemented, "not-supported")
		}
		if class == fhir.ClassPatient {
			s.answers(s.entry("match", text))
			s.finds(aboutD(typ), text)
		}
		if typ != "Observation" {
			s.answers(s.entry("match", text), s.entry("match", visible), s.entry("include", text))
			s.finds(aboutD("Observation"), text, "Observation/obs-visible")
		}
		s.source.Intercept(nil)
	}
}

// finds searches as gp and wants exactly these entries.
func (s *stage) finds(q question, why string, want ...string) reply {
	s.T.Helper()
	r := s.tell(demo.GP(), q)
	if r.status != http.StatusOK || !slices.Equal(r.entries(), want) {
		s.T.Errorf("%s: got %d %v, want 200 %v\n%s", why, r.status, r.entries(), want, tail(r.body, 400))
	}
	return r
}

// shows wants gp to get this resource of D by a read and by a search, and returns the body of the read. It shows that hides could fail.
func (s *stage) shows(text string) string {
	s.T.Helper()
	name := s.have(text)[0]
	typ, _, _ := strings.Cut(name, "/")
	s.answers(s.entry("match", text))
	s.finds(aboutD(typ), text, name)
	s.source.Intercept(nil)
	r := s.tell(demo.GP(), get("/fhir/demo/"+name))
	if r.status != http.StatusOK {
		s.T.Errorf("a read of %s: got %d, want 200", text, r.status)
	}
	return r.body
}

// observation returns a laboratory result with these further members. Its text is a canary.
func observation(members string) string {
	return `{"resourceType":"Observation","id":"obs-x","status":"final",LABORATORY,"code":{"text":"CANARY"},` + members + `}`
}

// seen returns the same without a canary: the control that may be seen.
func seen(text string) string { return strings.ReplaceAll(text, "CANARY", "visible") }

// tell sends a request, and notes that it must leave exactly one event. What the gateway could not record is only counted.
func (s *stage) tell(by demo.Caller, q question) reply {
	s.T.Helper()
	r := s.ask(by, q)
	if r.status != http.StatusServiceUnavailable {
		s.booked(short(q), r, "")
	}
	return r
}

// answered wants a status and an OperationOutcome with this issue code.
func (s *stage) answered(by demo.Caller, q question, status int, issue string) reply {
	s.T.Helper()
	r := s.tell(by, q)
	if r.status != status || issueCode(r.body) != issue {
		s.T.Errorf("%s: got %d %s, want %d %s\n%s", short(q), r.status, issueCode(r.body), status, issue, tail(r.body, 300))
	}
	return r
}

// notFound wants a read of something that exists to be answered like one of something absent.
func (s *stage) notFound(by demo.Caller, name string) {
	s.T.Helper()
	s.answered(by, get("/fhir/demo/"+name), http.StatusNotFound, "not-found")
}

// forbidden wants the one denial.
func (s *stage) forbidden(by demo.Caller, q question) {
	s.T.Helper()
	s.answered(by, q, http.StatusForbidden, "forbidden")
}

// bad wants the answer of the source to be rejected.
func (s *stage) bad(q question) {
	s.T.Helper()
	s.answered(demo.GP(), q, http.StatusBadGateway, "transient")
}

// rejects wants the real command to reject a consent of this person for gp with these further members, and to name the fields.
func (s *stage) rejects(person demo.Person, members map[string]any, fields ...string) {
	s.T.Helper()
	b, err := json.Marshal(permit(partyGP))
	record := map[string]any{}
	if err == nil {
		err = json.Unmarshal(b, &record)
	}
	if err != nil {
		s.T.Fatal(err)
	}
	delete(record, "id")
	record["data"], record["purposes"] = []string{}, []string{}
	maps.Copy(record, members)
	if b, err = json.Marshal(record); err != nil {
		s.T.Fatal(err)
	}
	r := command(s.T, person.BSN+"\n", "consent", "put", "--config", s.h, "--record", s.write("record.json", string(b)))
	if r.code != 2 {
		s.T.Errorf("%v: got exit code %d, want 2\n%s", members, r.code, r.stderr)
	}
	for _, field := range fields {
		if !strings.Contains(r.stderr, field) {
			s.T.Errorf("%v: the error does not name %s:\n%s", members, field, r.stderr)
		}
	}
}
