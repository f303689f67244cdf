package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// auditEvent is what a patient's page reads of an AuditEvent.
type auditEvent struct {
	ResourceType, Outcome string
	Recorded              time.Time
	PurposeOfEvent        []struct{ Coding []struct{ Code string } }
	Agent                 []struct {
		Requestor bool
		Name      string
	}
	Entity []struct {
		Type struct{ Code string }
		What struct{ Identifier struct{ Value string } }
	}
}

func (e auditEvent) request() string {
	for _, entity := range e.Entity {
		if entity.Type.Code == "XrequestId" {
			return entity.What.Identifier.Value
		}
	}
	return ""
}

// TestPatientSeesWhoLooked: the patient's list has every event about the record, once, permitted or refused, newest first, and nothing about
// others; nobody else gets it.
func TestPatientSeesWhoLooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	karena, milan, doctor := demo.Karena(), demo.Milan(), demo.EmergencyDoctor()
	patient := demo.Patient("patient", karena)
	var hers []reply
	ask := func(by demo.Caller, q question) { hers = append(hers, g.ask(by, q)) }
	ask(demo.GP(), search("Condition", karena))
	ask(demo.GP(), searchID("Observation", karena))
	ask(demo.Pharmacist(), search("Condition", karena))
	ask(demo.Insurer(), search("Condition", karena))
	ask(doctor, search("AllergyIntolerance", karena))
	ask(doctor, declare(karena))
	ask(doctor, search("AllergyIntolerance", karena))
	ask(demo.GP(), get("/fhir/demo/Patient/"+string(karena.PatientID)))
	ask(patient, get("/fhir/demo/Condition"))
	theirs := []reply{g.ask(demo.GP(), search("Condition", milan)), g.ask(demo.GP(), get("/fhir/demo/Condition/absent")), g.ask(demo.Caller{}, search("Condition", karena))}
	w.withdraw(file, karena, partyGP)

	look := g.ask(patient, get("/gateway/AuditEvent")).wantStatus(t, http.StatusOK, "the patient's list")
	var bundle struct {
		Type  string
		Entry []struct{ Resource auditEvent }
	}
	if err := json.Unmarshal([]byte(look.body), &bundle); err != nil || bundle.Type != "searchset" {
		t.Fatalf("the list is no searchset: %v %s", err, bundle.Type)
	}
	byRequest := map[string][]auditEvent{}
	previous := time.Now().AddDate(1, 0, 0)
	for _, entry := range bundle.Entry {
		e := entry.Resource
		if e.ResourceType != "AuditEvent" || e.Recorded.After(previous) {
			t.Errorf("got a %s of %s after one of %s, want AuditEvents, the newest first", e.ResourceType, e.Recorded, previous)
		}
		previous = e.Recorded
		byRequest[e.request()] = append(byRequest[e.request()], e)
	}
	for _, r := range append(hers, look) {
		events := byRequest[r.id]
		if len(events) != 1 {
			t.Errorf("a request with status %d has %d events in the list, want 1", r.status, len(events))
			continue
		}
		recorded := w.eventsOf(r.id)[0]
		want := map[audit.Outcome]string{audit.OutcomePermit: "0", audit.OutcomeDeny: "4", audit.OutcomeError: "8"}[recorded.Outcome]
		if events[0].Outcome != want {
			t.Errorf("the list says outcome %s of a request that ended with %s", events[0].Outcome, recorded.Outcome)
		}
	}
	for _, r := range theirs {
		if len(byRequest[r.id]) != 0 {
			t.Error("an event about somebody else, or about nobody, is in the list")
		}
	}
	// The list has everything recorded about her: seeds, flags and withdrawals too.
	key := w.store.Key(karena.Identifier())
	n := 0
	for _, e := range w.events() {
		if e.Person == key {
			n++
		}
	}
	if len(bundle.Entry) != n {
		t.Errorf("the list has %d events, want all %d that are on record", len(bundle.Entry), n)
	}
	for _, secret := range []string{karena.BSN, string(karena.PatientID), milan.BSN, string(milan.PatientID)} {
		if strings.Contains(look.body, secret) {
			t.Errorf("the list holds an identifier of a patient")
		}
	}
	if !strings.Contains(look.body, demo.GP().Claims.Name) || !strings.Contains(look.body, demo.Insurer().Claims.Name) {
		t.Error("the list does not say who looked")
	}
	if used := byRequest[hers[6].id]; len(used) == 1 && !slices.ContainsFunc(used[0].PurposeOfEvent, func(p struct{ Coding []struct{ Code string } }) bool {
		return slices.ContainsFunc(p.Coding, func(c struct{ Code string }) bool { return c.Code == "ETREAT" || c.Code == "BTG" })
	}) && !strings.Contains(look.body, "ETREAT") {
		t.Error("the emergency access is not marked in the list")
	}

	for name, by := range map[string]demo.Caller{"a GP": demo.GP(), "a doctor": doctor, "nobody": {}} {
		r := g.ask(by, get("/gateway/AuditEvent"))
		if r.status != http.StatusForbidden && r.status != http.StatusUnauthorized {
			t.Errorf("%s: got status %d, want a refusal", name, r.status)
		}
		r.wantNothing(t, name)
	}
	others := g.ask(demo.Patient("patient-milan", milan), get("/gateway/AuditEvent")).wantStatus(t, http.StatusOK, "Milan's list")
	for _, r := range hers {
		if strings.Contains(others.body, r.id) {
			t.Error("Milan's list holds an event of Karena")
		}
	}
}

// TestPatientSeesOlderEvents: the store keeps a person's newest events; older ones are in the archive, and are shown as well. Page by page the
// patient gets every recorded event, once, newest first.
func TestPatientSeesOlderEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	karena := demo.Karena()
	patient := demo.Patient("patient", karena)
	for range w.store.EventsKept() + 20 {
		g.ask(demo.Insurer(), search("Condition", karena))
	}
	seen := map[string]bool{}
	var newest time.Time
	for path := "/gateway/AuditEvent?_count=30"; path != ""; {
		r := g.patiently(patient, get(path)).wantStatus(t, http.StatusOK, "a page of the patient's list")
		var bundle struct {
			Link  []struct{ Relation, URL string }
			Entry []struct {
				FullURL  string
				Resource struct {
					ResourceType, ID string
					Recorded         time.Time
				}
			}
		}
		if err := json.Unmarshal([]byte(r.body), &bundle); err != nil {
			t.Fatal(err)
		}
		path = ""
		for _, link := range bundle.Link {
			if link.Relation == "next" {
				path = link.URL[strings.Index(link.URL, "/gateway/"):]
			}
		}
		for _, e := range bundle.Entry {
			if e.Resource.ResourceType != "AuditEvent" || seen[e.Resource.ID] || !newest.IsZero() && e.Resource.Recorded.After(newest) {
				t.Fatalf("entry %s of %s after %s: not an event, not the first time, or not in order", e.FullURL, e.Resource.Recorded, newest)
			}
			seen[e.Resource.ID], newest = true, e.Resource.Recorded
		}
	}
	key := w.store.Key(karena.Identifier())
	before := 0
	for _, e := range w.events() {
		// The event of reading a later page is newer than where the list was then.
		if later := e.Kind == audit.KindLog && !seen[string(e.ID)]; e.Person != key || later {
			continue
		}
		before++
		if !seen[string(e.ID)] {
			t.Errorf("event %s of %s is on record but was not shown", e.ID, e.Kind)
		}
	}
	if before != len(seen) || before < w.store.EventsKept()+20 {
		t.Errorf("shown %d events, on record %d", len(seen), before)
	}
	if old := g.ask(patient, get("/gateway/AuditEvent?outcome=4&_count=500&date=lt2020")); strings.Contains(old.body, `"entry"`) {
		t.Error("a search of a time before the gateway finds something")
	}
}
