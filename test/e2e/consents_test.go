package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/internal/demo"
)

// consentFor returns a Consent of a person as any FHIR client would state it: a permit for GPs, unless changed.
func consentFor(person demo.Person, changes ...func(m)) m {
	patient := m{"type": "Patient", "identifier": m{"system": demo.SystemBSN, "value": person.BSN}}
	c := m{
		"resourceType": "Consent", "status": "active", "patient": patient, "performer": []any{patient},
		"scope":      m{"coding": []any{m{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}}},
		"category":   []any{m{"coding": []any{m{"system": "http://loinc.org", "code": "59284-0"}}}},
		"policyRule": m{"coding": []any{m{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}}},
		"extension": []any{
			m{"url": "urn:zorgsluis:consent:method", "valueString": "app"},
			m{"url": "urn:zorgsluis:consent:information", "extension": []any{
				m{"url": "id", "valueString": "leaflet"}, m{"url": "version", "valueString": "1"},
				m{"url": "language", "valueString": "nl"}, m{"url": "sha256", "valueString": strings.Repeat("0", 64)},
			}},
		},
		"provision": m{"type": "permit", "actor": []any{actorCategory("gp")}, "modifierExtension": []any{dataGroup("GGC002")}},
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

// literally makes the Consent name the patient by a literal reference.
func literally(reference string) func(m) {
	return func(c m) { p := m{"reference": reference}; c["patient"], c["performer"] = p, []any{p} }
}

func actorCategory(name string) m {
	return m{
		"role":      m{"coding": []any{m{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}}},
		"reference": m{"type": "Group", "identifier": m{"system": "urn:zorgsluis:provider-category", "value": name}},
	}
}

func dataGroup(name string) m {
	return m{"url": "urn:zorgsluis:consent:data-category", "valueCoding": m{"system": "urn:zorgsluis:data-category-group", "code": name}}
}

// sending returns a request with a resource as its body; more are headers, by name and value.
func sending(t testing.TB, method, path string, resource any, more ...string) question {
	t.Helper()
	body, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	q := question{method: method, path: path, contentType: "application/fhir+json", body: string(body), header: http.Header{}}
	for i := 0; i+1 < len(more); i += 2 {
		q.header.Set(more[i], more[i+1])
	}
	return q
}

// resource returns the body of an answer.
func (r reply) resource(t testing.TB) m {
	t.Helper()
	var v m
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("the body is no resource: %v", err)
	}
	return v
}

// consentGateway starts a gateway where GPs may record what their patients say.
func consentGateway(w *world, replace ...string) (*gateway, string) {
	return w.start(append(replace, "break_glass: {", "consents:\n  recorders: [gp, hospital]\n  known_senders: [{ organization: \"ura:90000001\", addresses: [127.0.0.1] }, { organization: \"ura:90000005\", addresses: [127.0.0.0/8] }]\nbreak_glass: {")...)
}

// TestPatientGivesReadsChangesAndWithdraws: the life of a consent as a plain FHIR client sees it, and its effect on a GP's requests, at once and
// on another instance.
func TestPatientGivesReadsChangesAndWithdraws(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	other, _ := consentGateway(w)
	johanna, gp := demo.Johanna(), demo.GP()
	patient := demo.Patient("patient-johanna", johanna)
	other.ask(gp, search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "before")

	created := g.ask(patient, sending(t, "POST", "/gateway/Consent?_format=json", consentFor(johanna))).wantStatus(t, http.StatusCreated, "create")
	w.wantEvent(created, audit.OutcomePermit, "recorded")
	id, etag := created.resource(t)["id"].(string), created.header.Get("ETag")
	location := strings.TrimPrefix(created.header.Get("Location"), g.base)
	if !strings.HasPrefix(location, "/gateway/Consent/"+id+"/_history/") || etag == "" || strings.Contains(created.body, johanna.BSN) {
		t.Fatalf("got Location %q, ETag %q\n%s", location, etag, created.body)
	}
	other.ask(gp, search("Condition", johanna)).wantStatus(t, http.StatusOK, "permitted")

	read := other.ask(patient, get("/gateway/Consent/"+id+"?_format=json&_pretty=false")).wantStatus(t, http.StatusOK, "read")
	w.wantEvent(read, audit.OutcomePermit, "ok-self")
	if read.body != created.body || read.header.Get("ETag") != etag {
		t.Errorf("what is read is not what was created:\n%s\n%s", read.body, created.body)
	}
	// What was read is sent back, changed from GPs to pharmacies.
	changed := read.resource(t)
	changed["provision"].(m)["actor"] = []any{actorCategory("pharmacy")}
	put := func(when string, want int, header ...string) reply {
		return g.ask(patient, sending(t, "PUT", "/gateway/Consent/"+id, changed, header...)).wantStatus(t, want, when)
	}
	put("without If-Match", http.StatusPreconditionRequired).wantNothing(t, "without If-Match")
	put("at another version", http.StatusPreconditionFailed, "If-Match", `W/"20200101T000000-000000Z"`)
	updated := put("update", http.StatusOK, "If-Match", etag)
	w.wantEvent(updated, audit.OutcomePermit, "updated")
	w.wantEvent(put("the version that was replaced", http.StatusPreconditionFailed, "If-Match", etag), audit.OutcomeDeny, "version-conflict")
	other.ask(gp, search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "after the update")
	other.ask(demo.Pharmacist(), search("Condition", johanna)).wantStatus(t, http.StatusOK, "after the update")

	withdrawn := g.ask(patient, question{method: "POST", path: "/gateway/Consent/" + id + "/$withdraw"}).wantStatus(t, http.StatusOK, "withdraw")
	w.wantEvent(withdrawn, audit.OutcomePermit, "withdrawn")
	if status := withdrawn.resource(t)["status"]; status != "inactive" {
		t.Errorf("the consent is %v after it was withdrawn", status)
	}
	refused := other.ask(demo.Pharmacist(), search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "withdrawn")
	w.wantEvent(refused, audit.OutcomeDeny, "consent-withdrawn")
	again := other.ask(patient, question{method: "POST", path: "/gateway/Consent/" + id + "/$withdraw"}).wantStatus(t, http.StatusOK, "withdrawn twice")
	w.wantEvent(again, audit.OutcomePermit, "unchanged")
	same := g.ask(patient, sending(t, "PUT", "/gateway/Consent/"+id, again.resource(t), "If-Match", again.header.Get("ETag"))).wantStatus(t, http.StatusOK, "withdrawn once more")
	if again.body != withdrawn.body || again.header.Get("ETag") != withdrawn.header.Get("ETag") || same.body != withdrawn.body {
		t.Errorf("what is withdrawn twice is not what was withdrawn:\n%s\n%s\n%s", again.body, withdrawn.body, same.body)
	}
	revived := withdrawn.resource(t)
	revived["status"] = "active"
	g.ask(patient, sending(t, "PUT", "/gateway/Consent/"+id, revived, "If-Match", again.header.Get("ETag"))).wantStatus(t, http.StatusUnprocessableEntity, "revived")

	history := g.ask(patient, get("/gateway/Consent/"+id+"/_history")).wantStatus(t, http.StatusOK, "history")
	w.wantEvent(history, audit.OutcomePermit, "ok-self")
	if entries := history.entries(); len(entries) != 3 {
		t.Errorf("the history has %d versions, want 3", len(entries))
	}
	first := g.ask(patient, get(location)).wantStatus(t, http.StatusOK, "vread")
	if first.body != created.body {
		t.Errorf("the first version reads differently now:\n%s", first.body)
	}
	g.ask(patient, get("/gateway/Consent/"+id+"/_history/x")).wantStatus(t, http.StatusNotFound, "a version that is not there")
}

// TestStopEverything: one call ends every permit of any kind, and a later consent counts again.
func TestStopEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	karena, gp := demo.Karena(), demo.GP()
	patient := demo.Patient("patient", karena)
	g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "before")
	stopped := g.ask(patient, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusCreated, "stop everything")
	w.wantEvent(stopped, audit.OutcomePermit, "objected")
	w.wantEvent(g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusForbidden, "after"), audit.OutcomeDeny, "consent-refused")
	again := g.ask(patient, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusOK, "stopped already")
	if w.wantEvent(again, audit.OutcomePermit, "unchanged"); again.body != stopped.body {
		t.Errorf("what is stopped twice is not what was stopped:\n%s\n%s", again.body, stopped.body)
	}
	g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(karena))).wantStatus(t, http.StatusCreated, "a new consent")
	g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "after the new consent")
	id := stopped.resource(t)["id"]
	for round, body := range []any{m{"resourceType": "Parameters"}, m{"resourceType": "Parameters", "parameter": []any{m{"name": "emergency-exception", "valueBoolean": true}}}} {
		r := g.ask(patient, sending(t, "POST", "/gateway/$object", body)).wantStatus(t, http.StatusCreated, "stopped again")
		if w.wantEvent(r, audit.OutcomePermit, "objected"); r.resource(t)["id"] != id {
			t.Errorf("round %d: a second objection is on file, want a new version of the first", round)
		}
		g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusForbidden, "stopped again")
	}
	if n := len(g.ask(patient, get("/gateway/Consent/"+id.(string)+"/_history")).entries()); n != 3 {
		t.Errorf("the objection has %d versions, want 3", n)
	}
}

// TestConsentSearch: patients find their own Consents, by page, and nothing of others.
func TestConsentSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	johanna := demo.Johanna()
	patient := demo.Patient("patient-johanna", johanna)
	ids := map[string]bool{}
	for i, category := range []string{"gp", "pharmacy", "hospital", "lab", "nursing"} {
		r := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, func(c m) {
			p := c["provision"].(m)
			p["actor"] = []any{actorCategory(category)}
			p["period"] = m{"start": fmt.Sprintf("202%d-01-01", i), "end": "2040"}
		}))).wantStatus(t, http.StatusCreated, "create")
		ids["Consent/"+r.resource(t)["id"].(string)] = true
	}
	find := func(query string) []string {
		t.Helper()
		r := g.ask(patient, get("/gateway/Consent"+query)).wantStatus(t, http.StatusOK, query)
		w.wantEvent(r, audit.OutcomePermit, "ok-self")
		if strings.Contains(r.body, johanna.BSN) {
			t.Errorf("%s: the answer holds the BSN", query)
		}
		return r.entries()
	}
	key := string(w.store.Key(johanna.Identifier()))
	id := string(johanna.PatientID)
	for query, want := range map[string]int{
		"?patient=" + id: 5, "?patient=Patient/" + id: 5, "?patient=" + url.QueryEscape(g.base+"/fhir/demo/Patient/"+id): 5,
		"?patient=" + url.QueryEscape(g.base+"/gateway/Patient/"+key): 5,
		"": 5, "?status=active": 5, "?status=inactive": 0, "?category=http://loinc.org|59284-0": 5, "?category=acd": 0, "?period=sa2021-06-01": 3,
		"?period=2050": 0, "?_lastUpdated=ge2026": 5, "?_lastUpdated=lt2020": 0, "?patient=" + key: 5, "?patient=Patient/" + key: 5,
		"?patient.identifier=" + url.QueryEscape("urn:zorgsluis:person-key|"+key): 5, "?patient:identifier=" + url.QueryEscape("urn:zorgsluis:person-key|"+key): 5,
		"?_sort=-_lastUpdated&_count=2": 2,
	} {
		if got := find(query); len(got) != want {
			t.Errorf("%s: got %d, want %d", query, len(got), want)
		}
	}
	form := g.ask(patient, question{
		method: "POST", path: "/gateway/Consent/_search", contentType: "application/x-www-form-urlencoded",
		body: url.Values{"patient.identifier": {demo.SystemBSN + "|" + johanna.BSN}}.Encode(),
	}).wantStatus(t, http.StatusOK, "_search")
	if len(form.entries()) != 5 {
		t.Errorf("_search: got %d, want 5", len(form.entries()))
	}
	for path := "/gateway/Consent?_count=2"; path != ""; {
		r := g.ask(patient, get(path)).wantStatus(t, http.StatusOK, "a page")
		for _, id := range r.entries() {
			if !ids[id] {
				t.Errorf("%s is on two pages, or not hers", id)
			}
			delete(ids, id)
		}
		if path = r.link(g, "next"); path != "" {
			g.ask(demo.Patient("patient-milan", demo.Milan()), get(path)).wantStatus(t, http.StatusNotFound, "another patient's page link")
		}
	}
	if len(ids) != 0 {
		t.Errorf("%d Consents are on no page", len(ids))
	}
	for query, want := range map[string]int{
		"?nonsense=1": 400, "?_sort=date": 400, "?status=active&status=active": 400, "?patient=a%20b": 400,
		"?patient=" + strings.Repeat("0", 64): 403, "?_cursor=AAAA": 404, "?patient=Patient/" + string(demo.Milan().PatientID): 403, "?patient=nobody": 403,
		"?patient=https://elsewhere.example/Patient/" + id: 400, "?patient=" + url.QueryEscape(g.base+"/fhir/demo/Observation/"+id): 400,
	} {
		g.ask(patient, get("/gateway/Consent"+query)).wantStatus(t, want, query).wantNothing(t, query)
	}
}

// TestProviderWritesDown: a GP records what a patient says: given by the patient, recorded by the GP, and only by those who are configured for
// it. The GP sees that Consent, and none that the patient gave elsewhere.
func TestProviderWritesDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	johanna, gp := demo.Johanna(), demo.GP()
	patient := demo.Patient("patient-johanna", johanna)
	own := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, func(c m) {
		c["provision"].(m)["actor"] = []any{actorCategory("lab")}
	}))).wantStatus(t, http.StatusCreated, "the patient's own").resource(t)["id"].(string)

	r := g.ask(gp, sending(t, "POST", "/gateway/Consent", consentFor(johanna))).wantStatus(t, http.StatusCreated, "written down")
	w.wantEvent(r, audit.OutcomePermit, "recorded")
	id := r.resource(t)["id"].(string)
	st, _, err := w.store.Standing(t.Context(), w.store.Key(johanna.Identifier()))
	if err != nil {
		t.Fatal(err)
	}
	record := st.Records[len(st.Records)-1]
	if string(record.ID) != id || record.GivenBy[0] != "patient" || record.RecordedBy != "ura:90000001 uzi:900000001" || record.Method != "app" {
		t.Errorf("got %+v", record)
	}
	stranger := demo.EmergencyDoctor()
	stranger.Claims.Relationship = "none"
	w.wantEvent(g.ask(stranger, sending(t, "POST", "/gateway/Consent", consentFor(johanna))).
		wantStatus(t, http.StatusNotFound, "without a treatment relation"), audit.OutcomeDeny, "no-treatment-relation")
	bsn := "?patient.identifier=" + url.QueryEscape(demo.SystemBSN+"|"+johanna.BSN)
	if got := g.ask(gp, get("/gateway/Consent"+bsn)).wantStatus(t, http.StatusOK, "what the GP wrote down").entries(); len(got) != 1 || got[0] != "Consent/"+id {
		t.Errorf("got %v, want the one that the GP wrote down", got)
	}
	w.wantEvent(g.ask(gp, get("/gateway/Consent/"+id)).wantStatus(t, http.StatusOK, "read by the GP"), audit.OutcomePermit, "ok-recorder")
	g.ask(gp, get("/gateway/Consent/"+own)).wantStatus(t, http.StatusNotFound, "the patient's own, by the GP")
	g.ask(gp, get("/gateway/Consent")).wantStatus(t, http.StatusBadRequest, "a search of nobody")
	by := sending(t, "POST", "/gateway/Consent/"+id+"/$withdraw", m{"resourceType": "Parameters", "parameter": []any{m{"name": "by", "valueCode": "patient"}}})
	w.wantEvent(g.ask(gp, by).wantStatus(t, http.StatusOK, "withdrawn on request"), audit.OutcomePermit, "withdrawn")
	stop := sending(t, "POST", "/gateway/$object", m{"resourceType": "Parameters", "parameter": []any{
		m{"name": "by", "valueCode": "patient"}, m{"name": "patient", "valueIdentifier": johanna.Identifier()},
	}})
	w.wantEvent(g.ask(gp, stop).wantStatus(t, http.StatusCreated, "everything stopped on request"), audit.OutcomePermit, "objected")
}

// TestNobodyElseSeesAConsent: for everybody else the answer is the same as if nothing existed, with one event.
func TestNobodyElseSeesAConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	karena := demo.Karena()
	id := string(w.recordsOf(karena, partyGP)[0])
	for name, by := range map[string]demo.Caller{"a GP": demo.GP(), "a doctor": demo.EmergencyDoctor(), "an insurer": demo.Insurer(), "another patient": demo.Patient("patient-milan", demo.Milan())} {
		for _, path := range []string{"", "/_history", "/_history/20261122T000000-000000Z"} {
			there := g.ask(by, get("/gateway/Consent/"+id+path)).wantStatus(t, http.StatusNotFound, name)
			absent := g.ask(by, get("/gateway/Consent/"+id[:len(id)-1]+"x"+path)).wantStatus(t, http.StatusNotFound, name)
			if there.body != absent.body {
				t.Errorf("%s%s: what is there is told from what is not", name, path)
			}
			there.wantNothing(t, name)
			if n := len(w.eventsOf(there.id)); n != 1 {
				t.Errorf("%s: %d events, want 1", name, n)
			}
		}
		g.ask(by, question{method: "POST", path: "/gateway/Consent/" + id + "/$withdraw"}).wantStatus(t, http.StatusNotFound, name)
	}
	g.ask(demo.GP(), sending(t, "POST", "/gateway/Consent", consentFor(karena))).wantStatus(t, http.StatusNotFound, "a GP who is no recorder")
	g.ask(demo.Caller{}, get("/gateway/Consent/"+id)).wantStatus(t, http.StatusUnauthorized, "nobody")
	w.wantEvent(g.ask(demo.Patient("patient-milan", demo.Milan()), sending(t, "POST", "/gateway/Consent", consentFor(karena))).
		wantStatus(t, http.StatusForbidden, "for another patient"), audit.OutcomeDeny, "not-the-patient")
	if r := g.ask(demo.GP(), search("Condition", karena)); r.status != http.StatusOK {
		t.Errorf("somebody's attempt changed what is on file: %d", r.status)
	}
}

// TestConsentRefused: invalid Consents are refused, naming the element, without a value.
func TestConsentRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	johanna := demo.Johanna()
	patient := demo.Patient("patient-johanna", johanna)
	provision := func(change func(m)) func(m) { return func(c m) { change(c["provision"].(m)) } }
	for name, tt := range map[string]struct {
		change  func(m)
		status  int
		element string
	}{
		"a permit for nobody":         {provision(func(p m) { delete(p, "actor") }), 422, "provision.actor"},
		"a class":                     {provision(func(p m) { p["class"] = []any{} }), 422, "provision.class"},
		"a category that is not ours": {provision(func(p m) { p["actor"] = []any{actorCategory(marker)} }), 422, "provision.actor"},
		"data that is not ours": {provision(func(p m) {
			p["modifierExtension"] = []any{m{"url": "urn:zorgsluis:consent:data-category", "valueCoding": m{"system": "http://minvws.github.io/generiekefuncties-docs/CodeSystem/nl-gf-data-categories-cs", "code": marker}}}
		}), 422, "provision.modifierExtension"},
		"no information":             {func(c m) { c["extension"] = c["extension"].([]any)[:1] }, 422, "extension(information)"},
		"given in the future":        {func(c m) { c["dateTime"] = "2090-01-01" }, 422, "dateTime"},
		"given by a representative":  {func(c m) { c["performer"] = []any{m{"type": "RelatedPerson", "display": marker}} }, 422, "performer"},
		"withdrawn from the start":   {func(c m) { c["status"] = "inactive" }, 422, "status"},
		"a patient elsewhere":        {literally("https://elsewhere.example/Patient/" + marker), 422, "patient"},
		"a patient by no reference":  {literally("Patient/" + marker + "/_history/1"), 422, "patient"},
		"a member that FHIR has not": {func(c m) { c["consent"] = marker }, 422, "consent"},
		"another resource":           {func(c m) { c["resourceType"] = "Patient" }, 422, "resourceType"},
	} {
		r := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, tt.change))).wantStatus(t, tt.status, name)
		r.wantNothing(t, name)
		if _, diagnostics := r.outcome(); !strings.Contains(diagnostics, tt.element) {
			t.Errorf("%s: got %q, want %s to be named", name, diagnostics, tt.element)
		}
		w.wantEvent(r, audit.OutcomeDeny, "consent-unacceptable")
	}
	for name, tt := range map[string]struct {
		q      question
		status int
	}{
		"not JSON":             {question{method: "POST", path: "/gateway/Consent", contentType: "application/fhir+json", body: "{"}, 400},
		"another media type":   {question{method: "POST", path: "/gateway/Consent", contentType: "text/plain", body: "{}"}, 415},
		"a conditional create": {sending(t, "POST", "/gateway/Consent", consentFor(johanna), "If-None-Exist", "status=active"), 400},
		"a delete":             {question{method: "DELETE", path: "/gateway/Consent/x"}, 405},
		"a patch":              {question{method: "PATCH", path: "/gateway/Consent/x"}, 405},
		"an update of nothing": {sending(t, "PUT", "/gateway/Consent/01-x", consentFor(johanna, func(c m) { c["id"] = "01-x" }), "If-Match", `W/"1"`), 404},
		"an If-Match of any":   {sending(t, "PUT", "/gateway/Consent/01-x", consentFor(johanna), "If-Match", "*"), 400},
		"another id":           {sending(t, "PUT", "/gateway/Consent/01-x", consentFor(johanna), "If-Match", `W/"1"`), 400},
	} {
		g.ask(patient, tt.q).wantStatus(t, tt.status, name).wantNothing(t, name)
	}
}

// TestConflictingUpdates: of two hundred simultaneous updates of one version exactly one succeeds, round after round, and the history has
// exactly those. A request whose answer was lost is repeated with the same request id, and changes nothing twice.
func TestConflictingUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, _ := consentGateway(w)
	b, _ := consentGateway(w)
	johanna := demo.Johanna()
	patient := demo.Patient("patient-johanna", johanna)
	tokenOf(t, patient)
	created := a.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna))).wantStatus(t, http.StatusCreated, "create")
	id, etag := created.resource(t)["id"].(string), created.header.Get("ETag")
	var winners []string
	for round := range 4 {
		var group sync.WaitGroup
		answers := make([]reply, 50)
		for i := range answers {
			group.Go(func() {
				g := []*gateway{a, b}[i%2]
				q := sending(t, "PUT", "/gateway/Consent/"+id, consentFor(johanna, func(c m) {
					c["id"] = id
					c["extension"].([]any)[0] = m{"url": "urn:zorgsluis:consent:method", "valueString": fmt.Sprintf("round %d attempt %d", round, i)}
				}), "If-Match", etag, "X-Request-Id", uuid())
				for {
					r, err := g.try(patient, q)
					if answers[i] = r; err == nil && r.status != http.StatusServiceUnavailable {
						return
					}
				}
			})
		}
		group.Wait()
		won := -1
		for i, r := range answers {
			switch r.status {
			case http.StatusOK:
				if won >= 0 {
					t.Fatalf("round %d: two updates of one version won", round)
				}
				won = i
			case http.StatusPreconditionFailed:
			default:
				t.Fatalf("round %d: got status %d\n%s", round, r.status, r.body)
			}
		}
		if won < 0 {
			t.Fatalf("round %d: no update won", round)
		}
		winners, etag = append(winners, fmt.Sprintf("round %d attempt %d", round, won)), answers[won].header.Get("ETag")
		again := []*gateway{b, a}[won%2].ask(patient, answers[won].asked).wantStatus(t, http.StatusOK, "the winner once more")
		if again.body != answers[won].body {
			t.Errorf("the same request has another answer:\n%s\n%s", again.body, answers[won].body)
		}
		reused := answers[won].asked
		reused.method, reused.path, reused.body = "PUT", "/gateway/Consent/"+id, strings.Replace(reused.body, "attempt", "other attempt", 1)
		a.ask(patient, reused).wantStatus(t, http.StatusConflict, "the request id for something else")
	}
	history := a.ask(patient, get("/gateway/Consent/"+id+"/_history")).wantStatus(t, http.StatusOK, "history")
	for i, method := range winners {
		if strings.Count(history.body, `"`+method+`"`) != 1 {
			t.Errorf("the winner of round %d is in the history %d times", i, strings.Count(history.body, method))
		}
	}
	if n := len(history.entries()); n != len(winners)+1 {
		t.Errorf("the history has %d versions, want %d", n, len(winners)+1)
	}
}

// TestLostAnswerToAConsent: the change was made and the answer was lost, because Redis was away or the gateway was killed; a repeat with the
// same request id returns the outcome.
func TestLostAnswerToAConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := consentGateway(w)
	johanna := demo.Johanna()
	patient := demo.Patient("patient-johanna", johanna)
	q := sending(t, "POST", "/gateway/Consent", consentFor(johanna), "X-Request-Id", uuid())
	first := g.ask(patient, q).wantStatus(t, http.StatusCreated, "create")
	g.kill()
	g = w.again(g, file)
	again := g.ask(patient, q).wantStatus(t, http.StatusCreated, "after kill -9")
	if again.body != first.body || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("the same request has another answer:\n%s\n%s", again.body, first.body)
	}
	w.redis.Do("client", "pause", "1500", "ALL")
	unknown := g.ask(patient, sending(t, "POST", "/gateway/$object", m{"resourceType": "Parameters"}, "X-Request-Id", uuid()))
	if unknown.status != http.StatusServiceUnavailable || unknown.header.Get("Retry-After") == "" {
		t.Fatalf("got %d with Retry-After %q, want 503", unknown.status, unknown.header.Get("Retry-After"))
	}
	var settled reply
	until(t, endWithin, "Redis to be back", func() bool {
		settled = g.ask(patient, unknown.asked)
		return settled.status != http.StatusServiceUnavailable
	})
	settled.wantStatus(t, http.StatusCreated, "asked again")
	st, _, err := w.store.Standing(t.Context(), w.store.Key(johanna.Identifier()))
	if err != nil || len(st.Records) != 2 {
		t.Fatalf("got %d records (%v), want one consent and one objection", len(st.Records), err)
	}
}

// TestPatientByReference: a plain FHIR client names the patient as the source does, in the resource and in a search; the source says who that
// is. With several sources an id alone names nobody.
func TestPatientByReference(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	johanna, milan, gp := demo.Johanna(), demo.Milan(), demo.GP()
	patient := demo.Patient("patient-johanna", johanna)
	key := string(w.store.Key(johanna.Identifier()))
	for _, reference := range []string{
		"Patient/" + string(johanna.PatientID), g.base + "/fhir/demo/Patient/" + string(johanna.PatientID), "Patient/" + key, g.base + "/gateway/Patient/" + key,
	} {
		r := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, literally(reference)))).wantStatus(t, http.StatusCreated, reference)
		w.wantEvent(r, audit.OutcomePermit, "recorded")
		if strings.Contains(r.body, string(johanna.PatientID)) {
			t.Errorf("%s: the source's id is in the answer: %s", reference, r.body)
		}
	}
	g.ask(gp, sending(t, "POST", "/gateway/Consent", consentFor(johanna, literally("Patient/"+string(johanna.PatientID))))).wantStatus(t, http.StatusCreated, "by a GP")
	st, _, err := w.store.Standing(t.Context(), w.store.Key(johanna.Identifier()))
	if err != nil || len(st.Records) != 5 {
		t.Errorf("got %d records (%v), want 5", len(st.Records), err)
	}
	for _, id := range []string{string(milan.PatientID), "nobody"} { // same answer
		r := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, literally("Patient/"+id)))).wantStatus(t, http.StatusForbidden, id)
		w.wantEvent(r, audit.OutcomeDeny, "not-the-patient")
	}
	second := "\n  - id: second\n    fhir_version: R4\n    base_url: \"{source}\"\n    holder: { organization: \"ura:90000008\", category: hospital }\n" +
		"    timeout: 2s\n    person_systems: [\"http://fhir.nl/fhir/NamingSystem/bsn\"]\npolicy:\n"
	several, _ := consentGateway(w, "\npolicy:\n", second)
	plain := literally("Patient/" + string(johanna.PatientID))
	r := several.ask(gp, sending(t, "POST", "/gateway/Consent", consentFor(johanna, plain))).wantStatus(t, http.StatusUnprocessableEntity, "one of several sources, by a GP")
	if _, diagnostics := r.outcome(); !strings.Contains(diagnostics, "several sources") {
		t.Errorf("got %q", diagnostics)
	}
	several.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, plain))).wantStatus(t, http.StatusCreated, "the own id at one of several sources")
	several.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, literally("Patient/"+string(milan.PatientID))))).
		wantStatus(t, http.StatusForbidden, "another's id at one of several sources")
	several.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna, literally(several.base+"/fhir/second/Patient/"+string(johanna.PatientID))))).
		wantStatus(t, http.StatusCreated, "at a source")
}

// TestConsentHistoryByPage: the versions of a Consent are paged, newest first, on request from an instant on; a page link works for that Consent
// and that caller only.
func TestConsentHistoryByPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	johanna := demo.Johanna()
	patient := demo.Patient("patient-johanna", johanna)
	created := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna))).wantStatus(t, http.StatusCreated, "create")
	other := g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna))).wantStatus(t, http.StatusCreated, "another").resource(t)["id"].(string)
	id, etag := created.resource(t)["id"].(string), created.header.Get("ETag")
	want := []string{etag}
	since := ""
	for i := range 6 {
		r := g.ask(patient, sending(t, "PUT", "/gateway/Consent/"+id, consentFor(johanna, func(c m) {
			c["id"] = id
			c["extension"].([]any)[0] = m{"url": "urn:zorgsluis:consent:method", "valueString": fmt.Sprintf("app %d", i)}
		}), "If-Match", etag)).wantStatus(t, http.StatusOK, "update")
		if etag = r.header.Get("ETag"); i == 3 {
			since = r.resource(t)["meta"].(m)["lastUpdated"].(string)
		}
		want = append([]string{etag}, want...)
	}
	versions := func(path string) (etags []string, methods string, pages int) {
		for ; path != ""; pages++ {
			r := g.ask(patient, get(path)).wantStatus(t, http.StatusOK, path)
			w.wantEvent(r, audit.OutcomePermit, "ok-self")
			var bundle struct {
				Type  string
				Entry []struct {
					Request  struct{ Method string }
					Response struct{ Etag string }
				}
			}
			if err := json.Unmarshal([]byte(r.body), &bundle); err != nil || bundle.Type != "history" {
				t.Fatalf("%s: got %q %v", path, bundle.Type, err)
			}
			for _, e := range bundle.Entry {
				etags, methods = append(etags, e.Response.Etag), methods+e.Request.Method+" "
			}
			if path = r.link(g, "next"); path != "" {
				if !strings.HasPrefix(path, "/gateway/Consent/"+id+"/_history?_cursor=") {
					t.Errorf("the next page is at %s", path)
				}
				g.ask(demo.Patient("patient-milan", demo.Milan()), get(path)).wantStatus(t, http.StatusNotFound, "another patient's page link")
				g.ask(patient, get(strings.Replace(path, id, other, 1))).wantStatus(t, http.StatusNotFound, "another Consent's page link")
			}
		}
		return etags, methods, pages
	}
	etags, methods, pages := versions("/gateway/Consent/" + id + "/_history?_count=3")
	if fmt.Sprint(etags) != fmt.Sprint(want) || pages != 3 || methods != "PUT PUT PUT PUT PUT PUT POST " {
		t.Errorf("got %v %s on %d pages, want %v", etags, methods, pages, want)
	}
	if etags, _, _ := versions("/gateway/Consent/" + id + "/_history"); len(etags) != 7 {
		t.Errorf("got %d versions, want 7", len(etags))
	}
	if etags, _, pages := versions("/gateway/Consent/" + id + "/_history?_count=2&_since=" + url.QueryEscape(since)); fmt.Sprint(etags) != fmt.Sprint(want[:3]) || pages != 2 {
		t.Errorf("since: got %v on %d pages, want %v", etags, pages, want[:3])
	}
	for query, status := range map[string]int{"?_count=0": 400, "?_since=yesterday": 400, "?_since=2026": 400, "?status=active": 400, "?_cursor=AAAA": 404, "?_sort=x": 400} {
		g.ask(patient, get("/gateway/Consent/"+id+"/_history"+query)).wantStatus(t, status, query).wantNothing(t, query)
	}
}

// TestStopEverythingAtTheBound: with the maximum of consents and objections on file, another is refused for that reason; each can be withdrawn,
// and everything stopped, any number of times.
func TestStopEverythingAtTheBound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := consentGateway(w)
	johanna, gp := demo.Johanna(), demo.GP()
	patient := demo.Patient("patient-johanna", johanna)
	err := w.change(johanna.Identifier(), func(st *consent.Standing) error {
		for range redisstore.MaxRecords {
			st.Records = append(st.Records, permit(partyGP))
		}
		for range redisstore.MaxObjections {
			ended := deny(consent.Side{})
			ended.Status, ended.WithdrawnBy = consent.StatusWithdrawn, []string{consent.ByPatient}
			st.Records = append(st.Records, ended)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	g.patiently(gp, search("Condition", johanna)).wantStatus(t, http.StatusOK, "permitted")
	full := g.patiently(patient, sending(t, "POST", "/gateway/Consent", consentFor(johanna))).wantStatus(t, http.StatusUnprocessableEntity, "one more")
	w.wantEvent(full, audit.OutcomeDeny, "consent-unacceptable")
	stop := question{method: "POST", path: "/gateway/$object"}
	id := g.patiently(patient, stop).wantStatus(t, http.StatusCreated, "stop everything").resource(t)["id"].(string)
	g.patiently(gp, search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "stopped")
	for range 3 {
		g.patiently(patient, question{method: "POST", path: "/gateway/Consent/" + id + "/$withdraw"}).wantStatus(t, http.StatusOK, "not any more")
		id = g.patiently(patient, stop).wantStatus(t, http.StatusCreated, "stop everything again").resource(t)["id"].(string)
	}
	one := string(w.recordsOf(johanna, partyGP)[0])
	g.patiently(patient, question{method: "POST", path: "/gateway/Consent/" + one + "/$withdraw"}).wantStatus(t, http.StatusOK, "withdraw one")
	g.patiently(gp, search("Condition", johanna)).wantStatus(t, http.StatusForbidden, "in the end")
}
