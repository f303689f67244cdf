package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// persons counts the patients that rows invented.
var persons atomic.Int32

// somebody returns a patient of this birth date with two laboratory results and a condition, without anything on file.
func (s *stage) somebody(born string) demo.Person {
	s.T.Helper()
	n := persons.Add(1)
	p := demo.SyntheticPerson(1000 + int(n))
	id := fmt.Sprintf("some-%d", n)
	p.PatientID = fhir.ID(id)
	s.have(
		`{"resourceType":"Patient","id":"`+id+`","identifier":[{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"`+p.BSN+`"}],"birthDate":"`+born+`"}`,
		`{"resourceType":"Observation","id":"`+id+`-a","status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/`+id+`"}}`,
		`{"resourceType":"Observation","id":"`+id+`-b","status":"final",LABORATORY,"code":{"text":"visible"},"subject":{"reference":"Patient/`+id+`"}}`,
		`{"resourceType":"Condition","id":"`+id+`-c","code":{"text":"visible"},"subject":{"reference":"Patient/`+id+`"}}`,
	)
	return p
}

// answersWith wants this status for a search of a type about somebody.
func (s *stage) answersWith(status int, by demo.Caller, typ string, p demo.Person, why string) reply {
	s.T.Helper()
	r := s.tell(by, searchID(typ, p))
	if r.status != status {
		s.T.Errorf("%s: got %d, want %d\n%s", why, r.status, status, tail(r.body, 300))
	}
	return r
}

const adult = "1970-01-01"

// changed returns a changed copy of a record.
func changed(r consent.Record, change func(*consent.Record)) consent.Record {
	change(&r)
	return r
}

// keyOf returns the Redis key of a person's standing.
func (s *stage) keyOf(p demo.Person) string {
	s.T.Helper()
	keys := s.redis.Client().Keys(s.T.Context(), "zs:{s*}:p:"+string(s.store.Key(p.Identifier()))).Val()
	if len(keys) != 1 {
		s.T.Fatalf("the standing has the keys %v", keys)
	}
	return keys[0]
}

// unavailable wants 503 without content, and no event.
func (s *stage) unavailable(by demo.Caller, q question, why string) {
	s.T.Helper()
	r := s.ask(by, q)
	if r.status != http.StatusServiceUnavailable || issueCode(r.body) == "" {
		s.T.Errorf("%s: got %d, want 503\n%s", why, r.status, tail(r.body, 300))
	}
}

// consentLeaks are the rows of leaks.md, 1.16: what is on file, and where.
var consentLeaks = []leak{
	{"CN-1", "Nothing on file permits nothing, for any type", func(s *stage) {
		p := s.somebody(adult)
		for _, typ := range []string{"Observation", "Condition", "MedicationRequest", "Patient"} {
			q := searchID(typ, p)
			if typ == "Patient" {
				q = get("/fhir/demo/Patient?_id=" + string(p.PatientID))
			}
			s.forbidden(demo.GP(), q)
		}
		s.notFound(demo.GP(), "Observation/"+string(p.PatientID)+"-a")
	}},
	{"CN-2", "Only an active record counts; a status that is not one of three is not accepted", func(s *stage) {
		p := s.somebody(adult)
		s.mustPut(changed(permit(partyGP), func(r *consent.Record) { r.Status = consent.StatusEnteredInError }), p)
		s.answersWith(403, demo.GP(), "Observation", p, "entered in error")
		s.mustPut(changed(permit(partyGP), func(r *consent.Record) {
			r.Status, r.WithdrawnBy = consent.StatusWithdrawn, []string{consent.ByPatient}
		}), p)
		s.answersWith(403, demo.GP(), "Observation", p, "withdrawn")
		s.rejects(p, m{"status": "draft"}, "status")
		s.rejects(p, m{"status": "Active"}, "status")
	}},
	{"CN-3", "A period is two instants with a zone: before the first and from the second on nothing is permitted; partial dates and days that do not exist are not accepted", func(s *stage) {
		now := time.Now()
		for why, tt := range map[string]struct {
			from, to time.Time
			status   int
		}{
			"not yet": {from: now.Add(time.Hour), status: 403}, "in time": {from: now.Add(-time.Hour), to: now.Add(time.Hour), status: 200}, "over": {from: now.Add(-2 * time.Hour), to: now.Add(-time.Millisecond), status: 403},
		} {
			p := s.somebody(adult)
			s.mustPut(changed(permit(partyGP), func(r *consent.Record) {
				r.ValidFrom, r.ValidTo = consent.Time{Time: tt.from}, consent.Time{Time: tt.to}
			}), p)
			s.answersWith(tt.status, demo.GP(), "Observation", p, why)
		}
		s.rejects(leakB, m{"valid_from": "2026", "valid_to": "2026-03", "recorded_at": "2026-02-31T00:00:00Z", "withdrawn_at": "2026-01-01T00:00:00"}, "valid_from", "valid_to", "recorded_at", "withdrawn_at")
		s.rejects(leakB, m{"valid_from": "2026-06-30T23:59:60Z", "valid_to": "2026-01-01"}, "valid_from", "valid_to")
	}},
	{"CN-4", "A record that does not say permit or deny is not accepted, and opens nothing", func(s *stage) {
		s.rejects(leakB, m{"decision": ""}, "decision")
		s.rejects(leakB, m{"decision": nil}, "decision")
		s.answersWith(403, demo.GP(), "Observation", leakB, "nothing was recorded")
	}},
	{"CN-5", "Nested provisions do not exist: a record that has them is not accepted", func(s *stage) {
		s.rejects(leakB, m{"provisions": []m{{"decision": "deny"}}, "provision": m{"decision": "deny"}}, "provisions", "provision")
	}},
	{"CN-6", "All that a record names must be met: party and data and purpose; of the names in one list, any", func(s *stage) {
		p := s.somebody(adult)
		s.mustPut(permit(partyGP, "ObservationLaboratory", "MedicationRequest"), p)
		s.answersWith(200, demo.GP(), "Observation", p, "party and data")
		s.answersWith(403, demo.Pharmacist(), "Observation", p, "another party")
		s.notFound(demo.GP(), "Condition/"+string(p.PatientID)+"-c")
		q := s.somebody(adult)
		s.mustPut(changed(permit(partyGP), func(r *consent.Record) { r.Purposes = []string{"HRESCH"} }), q)
		s.answersWith(403, demo.GP(), "Observation", q, "another purpose")
		h := s.somebody(adult)
		s.mustPut(changed(permit(partyGP), func(r *consent.Record) { r.Holder = consent.Side{Organization: "ura:90000001"} }), h)
		s.answersWith(403, demo.GP(), "Observation", h, "another holder")
	}},
	{"CN-7", "A restriction that is not understood is never dropped: the record that has it is not accepted", func(s *stage) {
		s.rejects(leakB, m{"class": "x", "code": "x", "security_label": "R", "action": "access", "meaning": "dependents", "verification": true, "policy": m{"uri": "x"}, "modifierExtension": []m{}},
			"class", "code", "security_label", "action", "meaning", "verification", "policy")
		s.rejects(leakB, m{"data": []string{"Nonsense"}, "channel": "nonsense", "purposes": []string{"nonsense"}, "party": m{"category": "nonsense"}}, "data", "channel", "purposes", "party")
	}},
	{"CN-8", "The more specific statement wins, and at equal specificity the objection; a later one about the same replaces", func(s *stage) {
		organization := consent.Side{Organization: demo.OrganizationGP}
		specific := s.somebody(adult)
		s.mustPut(deny(partyGP), specific)
		s.mustPut(permit(organization), specific)
		s.answersWith(200, demo.GP(), "Observation", specific, "permit for the organization against deny for the category")
		refused := s.somebody(adult)
		s.mustPut(permit(partyGP), refused)
		s.mustPut(deny(organization), refused)
		s.answersWith(403, demo.GP(), "Observation", refused, "deny for the organization against permit for the category")
		equal := s.somebody(adult)
		s.mustPut(permit(partyGP, "ObservationLaboratory"), equal)
		s.mustPut(changed(deny(partyGP), func(r *consent.Record) { r.Data = []string{"GGC012"} }), equal)
		s.answersWith(403, demo.GP(), "Observation", equal, "equal specificity")
		again := s.somebody(adult)
		s.mustPut(deny(partyGP), again)
		s.mustPut(permit(partyGP), again)
		s.answersWith(200, demo.GP(), "Observation", again, "said again later")
	}},
	{"CN-9", "A party is matched as it is written, at the moment of the decision; other forms of a party are not accepted", func(s *stage) {
		p := s.somebody(adult)
		for _, organization := range []string{"ura:9000000", "ura:900000011", "URA:90000001", "90000001"} {
			s.mustPut(permit(consent.Side{Organization: organization}), p)
		}
		s.answersWith(403, demo.GP(), "Observation", p, "other organizations")
		s.mustPut(permit(consent.Side{Organization: demo.OrganizationGP}), p)
		s.answersWith(200, demo.GP(), "Observation", p, "this organization")
		s.rejects(leakB, m{"party": m{"group": "x", "role": "01.015"}}, "party.group", "party.role")
	}},
	{"CN-10", "A permit covers the purposes that it names, and treatment where it names none; an emergency needs a declaration, whatever purpose a token asserts", func(s *stage) {
		for _, purpose := range []string{"HRESCH", "CLINTRCH", "BTG", "ETREAT", "HEMPLOY", "INVENTED"} {
			s.forbidden(gpWith(m{"purpose_of_use": []string{purpose}}), searchID("Observation", leakD))
		}
		s.forbidden(gpWith(m{"purpose_of_use": []string{"TREAT", "HRESCH"}}), searchID("Observation", leakD))
		p := s.somebody(adult)
		s.mustPut(changed(permit(partyGP), func(r *consent.Record) { r.Purposes = []string{"ETREAT"} }), p)
		s.answersWith(403, demo.GP(), "Observation", p, "a permit for emergencies only")
	}},
	{"CN-11", "Who may speak for a patient is judged at the moment of the request: what a representative said ends with the birthday", func(s *stage) {
		now := time.Now()
		for _, tt := range []struct {
			age    int
			by     []string
			status int
		}{
			{40, []string{consent.ByRepresentative}, 403}, {40, []string{consent.ByPatient}, 200}, {10, []string{consent.ByPatient}, 403}, {10, []string{consent.ByRepresentative}, 200},
			{13, []string{consent.ByRepresentative}, 403}, {13, []string{consent.ByPatient, consent.ByRepresentative}, 200}, {17, []string{consent.ByRepresentative}, 403},
		} {
			p := s.somebody(now.AddDate(-tt.age, -1, 0).Format(time.DateOnly))
			s.mustPut(changed(permit(partyGP), func(r *consent.Record) { r.GivenBy = tt.by }), p)
			s.answersWith(tt.status, demo.GP(), "Observation", p, fmt.Sprintf("%d years, given by %v", tt.age, tt.by))
		}
	}},
	{"CN-12", "A withdrawal that is acknowledged works at once: in flight, on the next page, on another instance", func(s *stage) {
		p := s.somebody(adult)
		other := s.beside()
		s.mustPut(permit(partyGP), p)
		first := s.tell(demo.GP(), get("/fhir/demo/Observation?_count=1&patient="+string(p.PatientID)))
		next := first.link(s.g, "next")
		if first.status != http.StatusOK || next == "" {
			s.T.Fatalf("got %d and the link %q", first.status, next)
		}
		block := s.source.Block()
		defer block.Release()
		inFlight := s.g.later(demo.GP(), searchID("Observation", p))
		receive(s.T, block.Arrived, "the source to be asked")
		s.withdraw(s.h, p, partyGP)
		s.source.Intercept(nil)
		s.forbidden(demo.GP(), get(next))
		other.forbidden(demo.GP(), searchID("Observation", p))
		block.Release()
		r := receive(s.T, inFlight, "the answer")
		if r.status != http.StatusForbidden {
			s.T.Errorf("in flight: got %d, want 403", r.status)
		}
		s.wantEvent(r, audit.OutcomeDeny, "consent-withdrawn")
	}},
	{"CN-13", "A store that is away, full, read-only or of another shape decides nothing: 503, and nothing is released", func(s *stage) {
		own := newStage(s.T, s.version)
		ask := aboutD("Observation")
		own.finds(ask, "before", "Observation/obs-lab-d")
		key := own.keyOf(leakD)
		standing := own.redis.Client().HGetAll(s.T.Context(), key).Val()
		for _, fault := range []struct {
			why        string
			ail, heals func()
		}{
			{"memory is full (OOM)", func() { own.redis.Do("config", "set", "maxmemory", "1mb") }, func() { own.redis.Do("config", "set", "maxmemory", "256mb") }},
			{"it became a replica (READONLY)", func() { own.redis.Do("replicaof", "127.0.0.1", "1") }, func() { own.redis.Do("replicaof", "no", "one") }},
			{"too few replicas", func() { own.redis.Do("config", "set", "min-replicas-to-write", "1") }, func() { own.redis.Do("config", "set", "min-replicas-to-write", "0") }},
			{"the standing is of another type", func() { own.redis.Do("del", key); own.redis.Do("set", key, "x") }, func() {
				own.redis.Do("del", key)
				own.redis.Do("hset", key, "gen", standing["gen"], "at", standing["at"], "val", standing["val"])
			}},
			{"half of the standing is gone", func() { own.redis.Do("hdel", key, "val") }, func() { own.redis.Do("hset", key, "val", standing["val"]) }},
			{"the standing is gone", func() { own.redis.Do("del", key) }, func() {
				own.redis.Do("hset", key, "gen", standing["gen"], "at", standing["at"], "val", standing["val"])
			}},
			{"it hangs", own.redis.Freeze, own.redis.Thaw},
			{"it is down", own.redis.Kill, own.redis.Run},
		} {
			fault.ail()
			own.unavailable(demo.GP(), ask, fault.why)
			own.unavailable(demo.GP(), labD, fault.why)
			fault.heals()
			own.recovers(own.g, demo.GP(), ask)
		}
	}},
	{"CN-14", "A store that can lose records is not served from, and one that lost them decides nothing: nothing in it expires, and what is emptied is not empty", func(s *stage) {
		own := newStage(s.T, s.version)
		for _, key := range own.redis.Client().Keys(s.T.Context(), "zs:*").Val() {
			if strings.Contains(key, ":p:") && own.redis.Client().TTL(s.T.Context(), key).Val() != -1 {
				s.T.Errorf("%s expires", key)
			}
		}
		own.redis.Do("config", "set", "maxmemory-policy", "allkeys-lru")
		if r := command(s.T, "", "store", "check", "--config", own.h); r.code == 0 || !strings.Contains(r.stdout+r.stderr, "maxmemory-policy") {
			s.T.Errorf("a store that evicts: got exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		own.redis.Do("config", "set", "maxmemory-policy", "noeviction")
		own.redis.Do("flushall")
		for _, p := range []demo.Person{leakA, leakB, leakC, leakD} {
			own.unavailable(demo.GP(), searchID("Observation", p), "emptied")
		}
		own.unavailable(demo.EmergencyDoctor(), declare(leakC), "emptied")
	}},
	{"CN-15", "Only the master is read: a gateway that is pointed at a replica does not start", func(s *stage) {
		replica := s.redis.Replica()
		w := *s.world
		w.redisAddress = replica.Address()
		file, scheme, listen, admin := w.configure("folder: archive,", "folder: archive-replica,")
		g := w.launch(file, scheme, listen, admin)
		if code := g.ended(); code == 0 || !strings.Contains(g.out.String(), "master") {
			s.T.Errorf("got exit code %d\n%s", code, tail(g.out.String(), 500))
		}
		s.redis.Do("config", "set", "min-replicas-to-write", "0")
	}},
	{"CN-16", "All that is on file for a person is one value, read in one piece: a mixture of before and after is never decided on", func(s *stage) {
		p := s.somebody(adult)
		permitted := s.mustPut(permit(partyGP), p)
		objection := s.mustPut(deny(consent.Side{Organization: demo.OrganizationGP}), p)
		both := func(status string) error { // refused by the objection, or permitted by nothing: never permitted
			return s.change(p.Identifier(), func(st *consent.Standing) error {
				for i := range st.Records {
					if id := st.Records[i].ID; id == permitted || id == objection {
						st.Records[i].Status = status
					}
				}
				return nil
			})
		}
		stop, done := make(chan struct{}), make(chan error, 1)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				if err := both([]string{consent.StatusEnteredInError, consent.StatusActive}[n%2]); err != nil {
					done <- err
					return
				}
			}
		}()
		for range 60 {
			if r := s.tell(demo.GP(), searchID("Observation", p)); r.status == http.StatusOK {
				s.T.Error("a mixture was decided on")
			}
		}
		close(stop)
		if err := <-done; err != nil {
			s.T.Fatal(err)
		}
	}},
	{"CN-17", "No text of a caller becomes part of a key: odd ids are refused, and keys hold hexadecimal only", func(s *stage) {
		for _, id := range []string{"A:lab", "*", "a%0ab", "%7Bhash%7D", "zs:%7Bs00%7D:meta", "leak-d%00", "[a-z]"} {
			s.refused(demo.GP(), get("/fhir/demo/Observation?patient="+id), http.StatusBadRequest, "invalid")
		}
		for _, key := range s.redis.Client().Keys(s.T.Context(), "*").Val() {
			if !ownKey.MatchString(key) {
				s.T.Errorf("the key %q has another form", key)
			}
		}
	}},
	{"CN-18", "A standing is sealed for its person and generation: one that was put there by others, or changed, decides nothing", func(s *stage) {
		key := s.keyOf(leakC)
		was := s.redis.Client().HGetAll(s.T.Context(), key).Val()
		forged := s.redis.Client().HGetAll(s.T.Context(), s.keyOf(leakD)).Val()
		defer s.redis.Do("hset", key, "gen", was["gen"], "at", was["at"], "val", was["val"])
		s.redis.Do("hset", key, "gen", forged["gen"], "at", forged["at"], "val", forged["val"])
		s.unavailable(demo.GP(), searchID("Observation", leakC), "another person's")
		s.redis.Do("hset", key, "gen", was["gen"], "at", was["at"], "val", was["val"][:len(was["val"])-1]+"~")
		s.unavailable(demo.GP(), searchID("Observation", leakC), "a changed one")
		s.redis.Do("hset", key, "val", was["val"])
		s.forbidden(demo.GP(), searchID("Observation", leakC))
	}},
	{"CN-19", "A standing that cannot be read whole decides nothing: 503", func(s *stage) {
		key := s.keyOf(leakC)
		was := s.redis.Client().HGetAll(s.T.Context(), key).Val()
		defer s.redis.Do("hset", key, "gen", was["gen"], "at", was["at"], "val", was["val"])
		for _, value := range []string{"", "{}", `{"v":2,"records":[]}`, was["val"][:len(was["val"])/2], was["val"] + "x"} {
			s.redis.Do("hset", key, "val", value)
			s.unavailable(demo.GP(), searchID("Observation", leakC), "a broken value")
		}
		s.redis.Do("hset", key, "val", was["val"], "gen", "x")
		s.unavailable(demo.GP(), searchID("Observation", leakC), "a broken generation")
	}},
	{"CN-20", "No consent is kept in the gateway: permitted and withdrawn by turns, every request finds what holds", func(s *stage) {
		p := s.somebody(adult)
		for range 4 {
			id := s.mustPut(permit(partyGP), p)
			s.answersWith(200, demo.GP(), "Observation", p, "permitted")
			if err := s.change(p.Identifier(), func(st *consent.Standing) error {
				for i := range st.Records {
					if st.Records[i].ID == id {
						st.Records[i].Status, st.Records[i].WithdrawnBy = consent.StatusWithdrawn, []string{consent.ByPatient}
					}
				}
				return nil
			}); err != nil {
				s.T.Fatal(err)
			}
			s.answersWith(403, demo.GP(), "Observation", p, "withdrawn")
		}
	}},
	{"CN-21", "The store's clock decides, and never an earlier instant than the newest stamp on file: a consent that ended by it is over, whatever the gateway's clock says", func(s *stage) {
		p := s.somebody(adult)
		s.mustPut(changed(permit(partyGP), func(r *consent.Record) { r.ValidTo = consent.Time{Time: time.Now().Add(30 * time.Minute)} }), p)
		s.mustPut(permit(partyHospital), p) // the stamp that is raised below is that of the latest write
		s.answersWith(200, demo.GP(), "Observation", p, "in time")
		key := s.keyOf(p)
		at, err := strconv.ParseInt(s.redis.Client().HGet(s.T.Context(), key, "at").Val(), 10, 64)
		if err != nil {
			s.T.Fatal(err)
		}
		s.redis.Do("hset", key, "at", at+time.Hour.Microseconds())
		s.answersWith(403, demo.GP(), "Observation", p, "over by the stamp on file")
	}},
	{"CN-22", "What no table classifies needs a consent for just that", func(s *stage) {
		for _, text := range []string{some("Coverage", `"status":"active","beneficiary":`+toD+`,"payor":[]`), some("VisionPrescription", `"status":"active","patient":`+toD), some("Goal", ofD), coded("", canaryText, "")} {
			s.denies(text)
			s.shows(seen(text))
		}
	}},
	{"CN-23", "What is withheld from the patient is withheld on the patient's own way too, labels included", func(s *stage) {
		p := s.somebody(adult)
		id := string(p.PatientID)
		s.have(`{"resourceType":"Observation","id":"` + id + `-l","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"NOPAT"}]},"status":"final",LABORATORY,"code":{"text":"CANARY"},"subject":{"reference":"Patient/` + id + `"}}`)
		if err := s.change(p.Identifier(), func(st *consent.Standing) error {
			st.Flags.WithheldFromPatient = []fhir.DataCategory{fhir.Restricted}
			return nil
		}); err != nil {
			s.T.Fatal(err)
		}
		own := demo.Patient("patient", p)
		if r := s.tell(own, get("/fhir/demo/Observation")); r.status != http.StatusOK || len(r.entries()) != 2 {
			s.T.Errorf("got %d %v, want the two without a label", r.status, r.entries())
		}
		s.notFound(own, "Observation/"+id+"-l")
	}},
	{"CN-24", "What is on file is told to nobody over HTTP: no consent, no explanation, no reason in an answer, no record in a log or metric", func(s *stage) {
		p := s.somebody(adult)
		id := s.mustPut(deny(partyGP), p)
		for _, path := range []string{"/gateway/Consent", "/gateway/explain", "/gateway/Consent/" + string(id), "/gateway/$explain", "/explain"} {
			s.refused(demo.GP(), get(path), http.StatusNotFound, "not-found")
		}
		refused, unknown := s.tell(demo.GP(), searchID("Observation", p)), s.tell(demo.GP(), searchID("Observation", leakB))
		s.same(labD, refused, unknown)
		s.notFound(demo.GP(), "Consent/"+string(id))
		if log := s.g.logged(); strings.Contains(log, string(id)) || strings.Contains(log, `"records"`) {
			s.T.Error("the log holds a consent")
		}
	}},
	{"CN-25", "A FHIR Consent is taken from those who may speak for the patient only, never by a source, and never about a patient whose name is of another place, of somebody else, or one of two", func(s *stage) {
		body := `{"resourceType":"Consent","status":"active","patient":{"reference":"Patient/leak-b"},"provision":{"type":"permit"}}`
		for _, path := range []string{"/fhir/demo/Consent", "/gateway/Consent"} {
			r := s.tell(demo.GP(), question{method: http.MethodPost, path: path, contentType: "application/fhir+json", body: body})
			if r.status != http.StatusMethodNotAllowed && r.status != http.StatusNotFound {
				s.T.Errorf("POST %s: got %d", path, r.status)
			}
		}
		own := demo.Patient("patient", leakB)
		for _, patient := range []m{
			{"reference": "https://elsewhere.example/fhir/Patient/leak-b"}, {"type": "Group", "identifier": leakB.Identifier()},
			{"reference": "Patient/leak-b", "identifier": leakB.Identifier()},
		} {
			c := consentFor(leakB, func(c m) { c["patient"], c["performer"] = patient, []any{patient} })
			s.refused(own, sending(s.T, http.MethodPost, "/gateway/Consent", c), http.StatusUnprocessableEntity, "business-rule")
		}
		for _, reference := range []string{"Patient/leak-d", "Patient/absent"} { // the source is asked who that is
			c := consentFor(leakB, func(c m) { c["patient"] = m{"reference": reference}; c["performer"] = []any{c["patient"]} })
			s.forbidden(own, sending(s.T, http.MethodPost, "/gateway/Consent", c))
		}
		s.rejects(leakB, m{"resourceType": "Consent", "patient": m{"reference": "Patient/leak-b"}, "provision": m{"type": "permit"}}, "patient", "provision")
		s.forbidden(demo.GP(), searchID("Observation", leakB))
	}},
}

// ownKey matches every key in the store.
var ownKey = regexp.MustCompile(`^zs:\{s\d\d\}:([a-z]+|[a-z]+:(\d\d-)?[0-9a-f]{32,64}(:[a-z]+)?)$`)
