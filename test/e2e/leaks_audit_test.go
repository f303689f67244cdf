package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// leaksOfOperators are the rows of chapters 1.18 and 1.19: what is kept, and the interfaces of operators.
var leaksOfOperators = [][]leak{leaksAudit, leaksDiscovery}

// apart is a stage with its own Redis, which its gateway reaches through a relay.
func (s *stage) apart(replace ...string) (*stage, *relay) {
	s.T.Helper()
	w := newWorld(s.T, leakFixtures()...)
	w.mustPut(permit(partyGP), leakD)
	r := startRelay(s.T, w.redis.Address())
	w.redisAddress = r.address()
	g, file := w.start(replace...)
	g.ask(demo.GP(), labD).wantStatus(s.T, http.StatusOK, "a stage of its own") // Redis has the scripts from here on
	return &stage{world: w, T: s.T, g: g, h: file, book: &ledger{}}, r
}

// within names the exchange, so that it can be found on its way to Redis.
func within(q question) (question, string) {
	id := uuid()
	return q.with("X-Request-Id", id), id
}

// records wants these references, and no others, in the only event of a release.
func (s *stage) records(r reply, references ...string) audit.Event {
	s.T.Helper()
	e := s.wantEvent(r, audit.OutcomePermit, "ok-consent")
	if !slices.Equal(e.Disclosed, references) {
		s.T.Errorf("the event tells of %v, want %v", e.Disclosed, references)
	}
	return e
}

// raw returns the stored bytes of Redis' events and of the archive.
func (s *stage) raw() string {
	s.T.Helper()
	var all strings.Builder
	for shard := range shards {
		for _, entry := range s.redis.Client().XRange(s.T.Context(), fmt.Sprintf("zs:{s%02d}:events", shard), "-", "+").Val() {
			fmt.Fprintln(&all, entry.Values["e"])
		}
	}
	files, _ := filepath.Glob(filepath.Join(s.folder, "archive", "events-*.jsonl"))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			s.T.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

// altered verifies a changed copy of the archive.
func (s *stage) altered(change func(lines []string) []string) error {
	s.T.Helper()
	files, err := filepath.Glob(filepath.Join(s.folder, "archive", "events-*.jsonl"))
	if err != nil || len(files) == 0 {
		s.T.Fatalf("the archive has no files: %v", err)
	}
	folder := s.T.TempDir()
	signed, _ := filepath.Glob(filepath.Join(s.folder, "archive", "checkpoints-*.jsonl"))
	for _, file := range signed { // first, so that what they sign is there by then
		content, err := os.ReadFile(file)
		if err != nil {
			s.T.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), content, 0o600); err != nil {
			s.T.Fatal(err)
		}
	}
	for i, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			s.T.Fatal(err)
		}
		lines := strings.SplitAfter(strings.TrimSuffix(string(content), "\n"), "\n")
		lines[len(lines)-1] += "\n"
		if i == 0 {
			lines = change(lines)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), []byte(strings.Join(lines, "")), 0o600); err != nil {
			s.T.Fatal(err)
		}
	}
	_, err = audit.Verify(folder, checkpointKey(s.T).PublicKey)
	return err
}

// leaksAudit are the rows of leaks.md, 1.18: what is kept.
var leaksAudit = []leak{
	{"AU-1", "The event is committed to Redis, on disk, before the first byte: where that cannot be known, the answer is 503 and empty of data", func(s *stage) {
		own, relay := s.apart()
		questions := []question{labD, aboutD("Observation"), searchID("Observation", leakB), at("Observation?nonsense=1"), at("Observation/absent"), get("/nothing"), {method: http.MethodHead, path: labD.path}}
		for _, tt := range []struct {
			fate        fate
			times       int
			status      int // of the read
			least, most int // events
		}{{cutBefore, 9, 503, 0, 0}, {cutAfter, 9, 503, 1, 1}, {cutBefore, 1, 200, 1, 1}, {cutAfter, 1, 200, 1, 1}} {
			for i, q := range questions {
				q, id := within(q)
				relay.on(id, tt.fate, tt.times, nil)
				r := own.ask(demo.GP(), q)
				if relay.interfered() == 0 {
					s.T.Fatalf("%s: the commit did not pass the relay", short(q))
				}
				relay.on(id, 0, 0, nil)
				if (tt.status == 503) != (r.status == 503) || i == 0 && r.status != tt.status {
					s.T.Errorf("%s, fate %d, %d times: got %d, want %d", short(q), tt.fate, tt.times, r.status, tt.status)
				}
				if r.status == 503 && strings.Contains(r.body, "visible") {
					s.T.Errorf("%s: %s", short(q), r.body)
				}
				if n := len(own.eventsOf(id)); n < tt.least || n > tt.most {
					s.T.Errorf("%s, fate %d, %d times: %d events, want %d to %d", short(q), tt.fate, tt.times, n, tt.least, tt.most)
				}
			}
		}
		for name, ail := range map[string][2]func(){
			"slow": {own.redis.Freeze, own.redis.Thaw},
			"full": {func() { own.redis.Do("config", "set", "maxmemory", "1mb") }, func() { own.redis.Do("config", "set", "maxmemory", "256mb") }},
			"gone": {own.redis.Kill, own.redis.Run},
		} {
			ail[0]()
			for _, q := range []question{labD, searchID("Observation", leakB), declare(leakB)} {
				own.ask(demo.GP(), q).wantUnavailable(s.T, name)
			}
			ail[1]()
			own.recovers(own.g, demo.GP(), labD)
		}
	}},
	{"AU-2", "A request is about one patient, and so is its event: of another patient nothing is released with it, and the entries of a batch have an event each", func(s *stage) {
		s.turnedAway(demo.GP(), http.StatusBadRequest, "invalid", at("Observation?patient=leak-a,leak-d"), at("Observation?patient=leak-a&patient=leak-d"), at("Patient?_id=leak-a,leak-d"), at("Patient?_id=leak-a,leak-a2"))
		s.has(`{"resourceType":"Observation","id":"obs-lab-a2","status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/PATIENT-A2"}}`)
		others := s.source.ExtraEntries(s.source.Resource("Observation/obs-lab-a"), s.source.Resource("Observation/obs-lab-a2"), s.source.Resource("Observation/obs-lab-b"))
		s.source.Intercept(demo.Only(func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/Observation") }, others))
		r := s.finds(aboutD("Observation"), "with others' entries", "Observation/obs-lab-d")
		if e := s.records(r, "Observation/obs-lab-d"); e.Person != s.store.Key(leakD.Identifier()) {
			s.T.Error("the event is about another person")
		}
		s.source.Intercept(nil)
		r = s.batched(reads("Observation/obs-lab-a", "Observation/obs-lab-d"), "200", "200")
		about := map[string]string{}
		for _, e := range s.eventsOf(r.id) {
			about[string(e.Person)] = strings.Join(e.Disclosed, " ")
		}
		if about[string(s.store.Key(leakA.Identifier()))] != "Observation/obs-lab-a" || about[string(s.store.Key(leakD.Identifier()))] != "Observation/obs-lab-d" {
			s.T.Errorf("the events tell of %v", about)
		}
	}},
	{"AU-3", "The event lists exactly what was made ready for release, not what was asked or withheld", func(s *stage) {
		for q, released := range map[string][]string{
			"Observation?patient=leak-a": {"Observation/obs-lab-a"}, "MedicationRequest?patient=leak-a": {"MedicationRequest/rx-a"}, "DiagnosticReport/dr-a": {"DiagnosticReport/dr-a"},
			"Observation/obs-lab-a": {"Observation/obs-lab-a"}, "Patient/leak-d": {"Patient/***"}, "Observation?patient=leak-d&code=http://loinc.org%7Cnone": nil,
		} {
			r := s.ask(demo.GP(), at(q))
			found := r.entries()
			if e := s.records(r, released...); e.DisclosedTotal != 0 || e.Type == "" || len(found) > 0 && !slices.Equal(found, e.Disclosed) {
				s.T.Errorf("%s: got %v, and the event %+v", q, found, e)
			}
		}
		everything := s.permitted(demo.GP(), at("Patient/leak-a/$everything"))
		e := s.wantEvent(everything, audit.OutcomePermit, "ok-consent")
		if got := strings.ReplaceAll(strings.Join(everything.entries(), " "), "Patient/leak-a", "Patient/***"); len(everything.entries()) < 3 || got != strings.Join(e.Disclosed, " ") {
			s.T.Errorf("$everything: got %s, and the event tells of %v", got, e.Disclosed)
		}
		if hidden := fmt.Sprintf("%+v", e); strings.Contains(hidden, "psy") || strings.Contains(hidden, "cond-a") || len(e.Categories) == 0 {
			s.T.Errorf("the event: %s", hidden)
		}
	}},
	{"AU-4", "Every answer has its event, whatever it was: denied, empty, HEAD, conditional, a page, an attachment, asked again, an emergency", func(s *stage) {
		s.wantEvent(s.ask(demo.GP(), searchID("Observation", leakB)), audit.OutcomeDeny, "no-consent")
		s.wantEvent(s.ask(demo.GP(), at("Observation/obs-psy-a")), audit.OutcomeDeny, "no-consent")
		s.wantEvent(s.ask(demo.GP(), at("Observation/absent")), audit.OutcomeDeny, "absent")
		s.records(s.ask(demo.GP(), at("Observation?patient=leak-d&code=http://loinc.org%7Cnone")))
		s.records(s.ask(demo.GP(), question{method: http.MethodHead, path: labD.path}), "Observation/obs-lab-d")
		for range 2 { // no cached answer can be reused
			s.records(s.ask(demo.GP(), labD.with("If-None-Match", `W/"1"`, "If-Modified-Since", time.Now().Format(http.TimeFormat))), "Observation/obs-lab-d")
		}
		first, next := s.firstPage()
		s.records(first, first.entries()...)
		for range 2 {
			page := s.ask(demo.GP(), get(next))
			s.records(page, page.entries()...)
		}
		s.records(s.ask(demo.GP(), get(s.letter())), "DocumentReference/doc-d", "Binary/binary-d")
		p := s.somebody(adult)
		if e := s.wantEvent(s.ask(demo.EmergencyDoctor(), declare(p)), audit.OutcomePermit, "declared"); e.Kind != audit.KindBreakGlass || e.Person != s.store.Key(p.Identifier()) {
			s.T.Errorf("the event of the declaration is %+v", e)
		}
		s.wantEvent(s.ask(demo.EmergencyDoctor(), searchID("Observation", p)), audit.OutcomePermit, "ok-emergency-unknown")
		s.wantEvent(s.ask(demo.Patient("patient", leakD), get("/gateway/AuditEvent")), audit.OutcomePermit, "ok-self")
		s.wantEvent(s.ask(demo.GP(), at("Observation?nonsense=1")), audit.OutcomeDeny, "request-refused")
		s.wantEvent(s.ask(demo.Caller{}, labD), audit.OutcomeDeny, "token-missing")
		s.source.Intercept(demo.HangUp())
		s.wantEvent(s.ask(demo.GP(), labD), audit.OutcomeError, "source-unavailable")
		s.source.Intercept(nil)
		broken := s.somebody(adult)
		s.mustPut(permit(partyGP), broken)
		s.redis.Do("hset", s.keyOf(broken), "val", "nonsense")
		s.unavailable(demo.GP(), searchID("Observation", broken), "a standing that cannot be read")
	}},
	{"AU-5", "There is one event, before the release, and it says what was made ready: a crash in between leaves it standing, and no answer", func(s *stage) {
		own, relay := s.apart()
		q, id := within(labD)
		relay.on(id, cutAfter, 9, nil)
		answered := own.g.later(demo.GP(), q)
		until(s.T, endWithin, "the event", func() bool { return len(own.eventsOf(id)) == 1 })
		own.g.kill()
		if r := receive(s.T, answered, "the end"); r.status == http.StatusOK || strings.Contains(r.body, "visible") {
			s.T.Errorf("got %d %s", r.status, r.body)
		}
		g := own.again(own.g, own.h)
		g.stop()
		found := own.eventsOf(id)
		if len(found) != 1 || found[0].Outcome != audit.OutcomePermit || !slices.Equal(found[0].Disclosed, []string{"Observation/obs-lab-d"}) {
			s.T.Errorf("after the crash there is %+v", found)
		}
		own.wantArchiveWhole()
	}},
	{"AU-6", "An event holds no identifier of the patient, no header that the caller could write into, and no free text with control characters", func(s *stage) {
		own, _ := s.apart()
		bsn, hers := leakD.BSN, string(leakD.PatientID)
		seen := own.ask(demo.GP(), search("Observation", leakD, "code", "http://loinc.org|718-7"))
		if e := own.records(seen, "Observation/obs-lab-d"); !strings.Contains(e.Query, "***") || !strings.Contains(e.Query, "code") {
			s.T.Errorf("the query is kept as %q", e.Query)
		}
		for _, q := range []question{search("Observation", leakD), aboutD("Observation"), get("/fhir/demo/Patient/" + hers), get("/fhir/demo/Observation?patient.identifier=" + token(leakD)), get("/fhir/demo/Patient?identifier=" + token(leakD)), get("/fhir/demo/Observation?" + bsn + "=1")} {
			for _, header := range []string{bsn, marker, "\t\x1b[31m", `","outcome":"permit`, uuid() + bsn} {
				if strings.ContainsAny(header, "\x1b") {
					header = "%1b[31m" // an HTTP client sends no control characters
				}
				r := own.ask(demo.GP(), q.with("X-Request-Id", header, "User-Agent", header+marker, "Referer", marker, "X-Forwarded-For", header))
				if id := r.header.Get("X-Request-Id"); id == header || len(id) != 36 || len(own.eventsOf(id)) != 1 {
					s.T.Errorf("the exchange is called %q", id)
				}
			}
		}
		for reason, status := range map[string]int{
			"fell\nlevel=ERROR forged": 400, "fell \x1b[31m": 400, "fell \u202e": 400, "fell \u0085": 400, "fell \r": 400,
			`fell ","outcome":"permit" {} </script> ${jndi:x} ` + bsn: 201,
		} {
			text, err := json.Marshal(m{"resourceType": "Parameters", "parameter": []m{{"name": "patient", "valueIdentifier": leakD.Identifier()}, {"name": "reason-code", "valueCode": "unconscious"}, {"name": "reason", "valueString": reason}, {"name": "consent-impossible", "valueBoolean": true}, {"name": "no-alternative", "valueBoolean": true}}})
			if err != nil {
				s.T.Fatal(err)
			}
			q := declare(leakD)
			q.body = string(text)
			r := own.ask(demo.EmergencyDoctor(), q)
			if events := own.eventsOf(r.id); r.status != status || len(events) != 1 || (events[0].Emergency != "") != (status == 201) {
				s.T.Errorf("%q: got %d %s, and the events %+v", reason, r.status, r.body, events)
			}
		}
		list := own.ask(demo.Patient("patient", leakD), get("/gateway/AuditEvent"))
		own.g.stop()
		for where, text := range map[string]string{"the events": own.raw(), "the log": own.g.out.String(), "the patient's list": list.body} {
			if len(text) < 1000 {
				s.T.Errorf("%s: %q is too little to show anything", where, text)
			}
			for _, secret := range []string{bsn, hers, marker, "\x1b", "\u202e", "\u0085", "\r"} {
				if strings.Contains(text, secret) {
					s.T.Errorf("%s hold %q", where, secret)
				}
			}
			for line := range strings.Lines(text) {
				if !json.Valid([]byte(line)) {
					s.T.Errorf("%s: %q is no line of its own", where, tail(line, 200))
				}
			}
		}
		own.wantArchiveWhole()
	}},
	{"AU-7", "AuditEvents of a source are not served; the gateway's own go to the patient whom they are about, and to nobody else", func(s *stage) {
		s.has(`{"resourceType":"AuditEvent","id":"ae-1","type":{"code":"CANARY"},"recorded":"2026-01-01T00:00:00Z","agent":[{"requestor":true,"who":{"display":"CANARY"}}],"source":{"observer":{"display":"CANARY"}},"entity":[{"what":{"reference":"Patient/PATIENT-D"}}]}`)
		for _, by := range []demo.Caller{demo.GP(), demo.Patient("patient", leakD)} {
			s.turnedAway(by, http.StatusNotImplemented, "not-supported", ats("AuditEvent/ae-1", "AuditEvent", "AuditEvent?patient=leak-d", "AuditEvent?entity=Patient/leak-d", "Patient/leak-d/AuditEvent")...)
			s.turnedAway(by, http.StatusBadRequest, "not-supported", ats("Observation?patient=leak-d&_revinclude=AuditEvent:entity", "Patient?_id=leak-d&_revinclude=AuditEvent:patient", "Patient?_id=leak-d&_has:AuditEvent:patient:agent=x")...)
			s.turnedAway(by, http.StatusBadRequest, "not-supported", get("/gateway/AuditEvent?patient=leak-d"), get("/gateway/AuditEvent?agent=x"))
		}
		for _, by := range []demo.Caller{demo.GP(), demo.EmergencyDoctor(), demo.Insurer()} {
			s.turnedAway(by, http.StatusForbidden, "forbidden", get("/gateway/AuditEvent"))
		}
		s.turnedAway(demo.Caller{}, http.StatusUnauthorized, "login", get("/gateway/AuditEvent"))
		mine, others := s.tell(demo.GP(), aboutD("Observation")), s.tell(demo.GP(), at("Observation?patient=leak-a"))
		list := s.permitted(demo.Patient("patient", leakD), get("/gateway/AuditEvent"))
		if !strings.Contains(list.body, mine.id) || strings.Contains(list.body, others.id) || strings.Contains(list.body, leakD.BSN) {
			s.T.Error("the list of D is not what happened to D")
		}
		if list = s.permitted(demo.Patient("patient", leakA), get("/gateway/AuditEvent")); strings.Contains(list.body, mine.id) || !strings.Contains(list.body, others.id) {
			s.T.Error("the list of A is not what happened to A")
		}
	}},
	{"AU-8", "Nobody writes events through the gateway, and each line of the archive is chained to the one before: what is changed, taken out or moved is found", func(s *stage) {
		body := `{"resourceType":"AuditEvent","type":{"code":"rest"},"recorded":"2026-01-01T00:00:00Z"}`
		for _, by := range []demo.Caller{demo.GP(), demo.Patient("patient", leakD)} {
			s.turnedAway(by, http.StatusMethodNotAllowed, "not-supported", sent(http.MethodPost, "AuditEvent", "application/fhir+json", body), sent(http.MethodPut, "AuditEvent/x", "application/fhir+json", body),
				sent(http.MethodPatch, "AuditEvent/x", "application/json-patch+json", "[]"), sent(http.MethodDelete, "AuditEvent/x", "", ""), sent(http.MethodDelete, "AuditEvent?entity=Patient/leak-d", "", ""))
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				s.turnedAway(by, http.StatusMethodNotAllowed, "not-supported", question{method: method, path: "/gateway/AuditEvent", contentType: "application/fhir+json", body: body})
			}
			s.turnedAway(by, http.StatusNotFound, "not-found", question{method: http.MethodDelete, path: "/gateway/AuditEvent/x"}, get("/gateway/AuditEvent/x"))
		}
		for range 4 {
			s.permitted(demo.GP(), labD)
		}
		until(s.T, endWithin, "the archive", func() bool { return len(s.archived()) > 8 })
		for what, change := range map[string]func([]string) []string{
			"changed":   func(l []string) []string { l[3] = strings.Replace(l[3], "permit", "denied", 1); return l },
			"taken out": func(l []string) []string { return slices.Delete(l, 3, 4) },
			"moved":     func(l []string) []string { l[3], l[4] = l[4], l[3]; return l },
			"doubled":   func(l []string) []string { return slices.Insert(l, 3, l[3]) },
			"put first": func(l []string) []string { return l[2:] },
		} {
			if err := s.altered(change); err == nil {
				s.T.Errorf("an event that was %s is not noticed", what)
			}
		}
		if err := s.altered(func(l []string) []string { return l }); err != nil {
			s.T.Errorf("as it is: %v", err)
		}
	}},
	{"AU-9", "A commit that is repeated is one event; ids are the store's own, and times are of one clock, that of Redis, in the order of recording", func(s *stage) {
		own, relay := s.apart()
		q, id := within(labD)
		relay.on(id, cutAfter, 1, nil)
		if r := own.ask(demo.GP(), q); r.status != http.StatusOK || relay.interfered() != 1 || len(own.eventsOf(id)) != 1 {
			s.T.Errorf("a commit that was repeated: got %d and %d events", r.status, len(own.eventsOf(id)))
		}
		relay.on(id, 0, 0, nil)
		before := own.redis.Client().Time(s.T.Context()).Val()
		second := own.beside()
		for i := range 12 { // the same request id, on two instances, by a caller who repeats it
			[]*gateway{own.g, second.g}[i%2].ask(demo.GP(), q).wantStatus(s.T, http.StatusOK, "again")
		}
		after := own.redis.Client().Time(s.T.Context()).Val()
		list := own.ask(demo.Patient("patient", leakD), get("/gateway/AuditEvent"))
		var bundle struct {
			Entry []struct {
				Resource struct {
					ID       string
					Recorded time.Time
				}
			}
		}
		if err := json.Unmarshal([]byte(list.body), &bundle); err != nil || len(bundle.Entry) < 14 {
			s.T.Fatalf("the list has %d events: %v", len(bundle.Entry), err)
		}
		ids := map[string]bool{}
		for i, entry := range bundle.Entry {
			if e := entry.Resource; ids[e.ID] || i > 0 && e.Recorded.After(bundle.Entry[i-1].Resource.Recorded) {
				s.T.Errorf("event %d of the list, %s, is out of order or there twice", i, e.Recorded)
			}
			ids[entry.Resource.ID] = true
			if at := entry.Resource.Recorded; i > 0 && i < 13 && (at.Before(before.Truncate(time.Millisecond)) || at.After(after)) {
				s.T.Errorf("event %d is of %s, recorded from %s to %s", i, at, before, after)
			}
		}
		second.g.kill()
		own.g.stop()
		if n := len(own.eventsOf(id)); n != 13 {
			s.T.Errorf("thirteen requests left %d events", n)
		}
	}},
	{"AU-10", "Callers who are not known are counted in one event beyond a rate; known callers have each their own, however many, and a store that is full is 503", func(s *stage) {
		own, _ := s.apart("events_per_minute: 1000", "events_per_minute: 3")
		for range 12 {
			own.ask(demo.Caller{}, labD).wantStatus(s.T, http.StatusUnauthorized, "unknown")
		}
		for range 30 {
			r := own.ask(demo.GP(), searchID("Observation", leakB)).wantStatus(s.T, http.StatusForbidden, "known")
			own.booked("a denial", r, audit.OutcomeDeny)
		}
		own.balance()
		own.redis.Do("config", "set", "maxmemory", "1mb")
		own.ask(demo.GP(), searchID("Observation", leakB)).wantUnavailable(s.T, "full")
		own.ask(demo.GP(), labD).wantUnavailable(s.T, "full")
		own.redis.Do("config", "set", "maxmemory", "256mb")
		own.recovers(own.g, demo.GP(), labD)
		own.g.stop()
		single, counted := 0, 0
		for _, e := range own.events() {
			if e.Kind == audit.KindUnauthenticated && e.Count == 0 {
				single++
			}
			counted += e.Count
		}
		if single+counted != 12 || single < 3 || single > 6 { // the minute may have ended in between
			s.T.Errorf("twelve unknown callers are %d events and %d in counts", single, counted)
		}
	}},
	{"AU-11", "The event names the user by issuer and subject, the client, the organisation and the token: never the gateway, and of a patient no subject", func(s *stage) {
		colleague := demo.GP()
		colleague.Claims.Subject, colleague.Claims.UZI, colleague.Claims.Name = "uzi-900000077", "900000077", "F. Colleague, huisarts"
		tokens := map[string]bool{}
		for _, by := range []demo.Caller{demo.GP(), colleague} {
			_, payload, _ := strings.Cut(tokenOf(s.T, by), ".")
			payload, _, _ = strings.Cut(payload, ".")
			var claims struct{ JTI string }
			if err := json.Unmarshal([]byte(decodings(payload)[len(decodings(payload))-1]), &claims); err != nil || claims.JTI == "" {
				s.T.Fatalf("the token has no jti: %v", err)
			}
			r := s.ask(by, labD)
			a := s.records(r, "Observation/obs-lab-d").Actor
			if a.Issuer != issuer.URL() || a.Subject != by.Claims.Subject || a.Client != by.ClientID || a.Token != claims.JTI || a.Name != by.Claims.Name || a.Practitioner != "uzi:"+by.Claims.UZI || a.Organization != "ura:"+by.Claims.OrganizationURA || a.Purpose != "TREAT" {
				s.T.Errorf("%s is kept as %+v", by.Claims.Subject, a)
			}
			tokens[a.Token] = true
			list := s.permitted(demo.Patient("patient", leakD), get("/gateway/AuditEvent")).body
			for _, want := range []string{issuer.URL(), by.Claims.Subject, by.Claims.Name, claims.JTI, r.id} {
				if !strings.Contains(list, want) {
					s.T.Errorf("the AuditEvent does not name %s", want)
				}
			}
		}
		if len(tokens) != 2 {
			s.T.Error("two tokens are kept as one")
		}
		own := demo.Patient("patient", leakD)
		own.Claims.Subject = marker + "-subject"
		if a := s.wantEvent(s.ask(own, get("/fhir/demo/Observation")), audit.OutcomePermit, "ok-self").Actor; a.Subject != "" || a.Name != "" || a.Issuer != issuer.URL() || a.Client == "" || a.Token == "" {
			s.T.Errorf("the patient is kept as %+v", a)
		}
	}},
	{"AU-12", "What was released has its event, whatever ends the exchange: a kill at any step, a caller who hangs up, a source that does not end", func(s *stage) {
		own, relay := s.apart()
		killed := func(name string, least int, prepare, during func(g *gateway, id string)) {
			s.T.Helper()
			own.g.ask(demo.GP(), labD).wantStatus(s.T, http.StatusOK, "before "+name)
			q, id := within(aboutD("Observation"))
			prepare(own.g, id)
			answered := own.g.later(demo.GP(), q)
			during(own.g, id)
			r := receive(s.T, answered, name)
			<-own.g.done
			relay.on(id, 0, 0, nil)
			own.source.Intercept(nil)
			if own.g = own.again(own.g, own.h); r.status == http.StatusOK {
				s.T.Errorf("%s: answered", name)
			}
			if n := len(own.eventsOf(id)); n != least {
				s.T.Errorf("%s: got %d events, want %d", name, n, least)
			}
		}
		nothing := func(*gateway, string) {}
		killed("when the source is asked", 0, func(g *gateway, _ string) {
			own.source.Intercept(func(http.ResponseWriter, *http.Request) bool { g.kill(); return false })
		}, nothing)
		killed("when the commit is on its way", 1, func(g *gateway, id string) { relay.on(id, justBefore, 1, g.kill) }, func(_ *gateway, id string) {
			until(s.T, endWithin, "the commit to arrive without its sender", func() bool { return len(own.eventsOf(id)) == 1 })
		})
		killed("when the commit is done", 1, func(_ *gateway, id string) { relay.on(id, cutAfter, 9, nil) }, func(g *gateway, id string) {
			until(s.T, endWithin, "the commit", func() bool { return len(own.eventsOf(id)) == 1 })
			g.kill()
		})
		load := startLoad(own.g, 4)
		until(s.T, endWithin, "answers", func() bool { return load.answered() > 60 })
		own.g.kill()
		replies := load.end()
		own.g = own.again(own.g, own.h)
		own.wantAllRecorded(replies)
		for _, wait := range []bool{true, false} {
			id := uuid()
			block := own.source.Block()
			conn, err := net.Dial("tcp", strings.TrimPrefix(own.g.base, "http://"))
			if err != nil {
				s.T.Fatal(err)
			}
			fmt.Fprintf(conn, "%sX-Request-Id: %s\r\nAuthorization: Bearer %s\r\n\r\n", own.target("/fhir/demo/Observation?patient=leak-d&code=http://loinc.org%7C718-7"), id, tokenOf(s.T, demo.GP()))
			receive(s.T, block.Arrived, "the source to be asked")
			if !wait {
				conn.Close()
			}
			block.Release()
			if wait { // for the first byte
				_ = conn.SetReadDeadline(time.Now().Add(endWithin))
				if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil || len(own.eventsOf(id)) != 1 {
					s.T.Errorf("at the first byte: %v, and %d events", err, len(own.eventsOf(id)))
				}
				conn.Close()
			}
			until(s.T, endWithin, "the event of a caller who hung up", func() bool { return len(own.eventsOf(id)) == 1 })
			own.source.Intercept(nil)
		}
		own.source.Intercept(own.source.Truncated())
		own.wantEvent(own.ask(demo.GP(), labD), audit.OutcomeError, "source-unavailable")
		own.source.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		own.wantEvent(own.ask(demo.GP(), labD), audit.OutcomeError, "source-timeout")
		own.source.Intercept(nil)
		own.g.stop()
		own.wantArchiveWhole()
	}},
}
