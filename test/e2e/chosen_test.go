package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestWhomThePatientChoseHasNoNumber: a neighbour collects data for Karena, and the token contains the neighbour's citizen service number. The
// gateway knows the neighbour by the issuer's other name for that person: the number, and the key made from it, are nowhere. A block applies to
// representatives of either kind.
func TestWhomThePatientChoseHasNoNumber(t *testing.T) {
	t.Parallel()
	w := newNLGov(t)
	g, file := w.start(issuedAs(nlGov)...)
	karena, johanna := demo.Karena(), demo.Johanna()
	neighbour := demo.Person{Name: "a neighbour", BSN: "012345672", PatientID: "no-patient"}
	conditions := get("/fhir/demo/Condition")
	var told strings.Builder
	ask := func(token string, status int, reason, when string) audit.Event {
		t.Helper()
		r := g.ask(demo.Caller{}, conditions.as(token)).wantStatus(t, status, when)
		told.WriteString(r.body + fmt.Sprint(r.header))
		outcome := audit.OutcomePermit
		if status != http.StatusOK {
			outcome = audit.OutcomeDeny
		}
		return w.wantEvent(r, outcome, reason)
	}
	chosen, legal := onBehalf(t, neighbour, karena, "machtiging"), onBehalf(t, johanna, child, "ouderlijk-gezag")
	key := func(e audit.Event) string { return string(e.Actor.Representative) }
	theNeighbour := ask(chosen, http.StatusOK, "ok-representative", "the neighbour")
	if theNeighbour.Actor.Representative != w.chosen(t, neighbour) {
		t.Errorf("the event names %s, want the neighbour's pseudonym", theNeighbour.Actor.Representative)
	}
	view := g.ask(demo.Caller{}, get("/gateway/AuditEvent").as(own(t, karena))).wantStatus(t, http.StatusOK, "Karena's view")
	if told.WriteString(view.body); !strings.Contains(view.body, key(theNeighbour)) {
		t.Error("Karena does not see who asked for her")
	}
	// By the key in the event, for both kinds; and by what the issuer calls the neighbour.
	theParent := ask(legal, http.StatusOK, "ok-representative", "a parent")
	operate := func(of demo.Person, name string, args ...string) {
		t.Helper()
		told.WriteString(must(t, of.BSN+"\n"+name+"\n", append([]string{"person", "set", "--config", file}, args...)...))
	}
	for _, tt := range []struct {
		of                demo.Person
		name, token, when string
	}{
		{karena, key(theNeighbour), chosen, "the neighbour, by the key"},
		{karena, w.issuer.URL() + "|" + alias(neighbour), chosen, "the neighbour, by issuer and subject"},
		{child, key(theParent), legal, "a parent, by the key"},
	} {
		operate(tt.of, tt.name, "--block-representative")
		ask(tt.token, http.StatusForbidden, "representative-blocked", tt.when)
		operate(tt.of, tt.name, "--unblock-representative")
	}
	ask(chosen, http.StatusOK, "ok-representative", "the neighbour, who is not blocked any more")
	nowhere(t, w, g, told.String(), neighbour)

	// Blocks by number from before there were keys still apply. That puts the number on file, which is not the subject here.
	if err := w.change(karena.Identifier(), func(st *consent.Standing) error {
		st.Flags.RepresentativesBlocked = []string{neighbour.BSN}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g = w.again(g, file)
	ask(chosen, http.StatusForbidden, "representative-blocked", "the neighbour, blocked by a number")
}

// naming returns a Consent by which a patient lets somebody see data of a group for him, by an identifier and a name, on the text for that.
func naming(t testing.TB, g *gateway, patient demo.Person, identifier m, name, group string) m {
	t.Helper()
	var list struct {
		Information []struct{ ID, Version, Language, SHA256 string }
	}
	if err := json.Unmarshal([]byte(g.ask(demo.Caller{}, get("/gateway/information")).body), &list); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list.Information, func(i struct{ ID, Version, Language, SHA256 string }) bool {
		return i.ID == "machtiging" && i.Language == "nl"
	})
	shown := list.Information[at]
	return consentFor(patient, func(c m) {
		c["extension"].([]any)[1] = m{"url": "urn:zorgsluis:consent:information", "extension": []any{
			m{"url": "id", "valueString": shown.ID}, m{"url": "version", "valueString": shown.Version},
			m{"url": "language", "valueString": shown.Language}, m{"url": "sha256", "valueString": shown.SHA256},
		}}
		actor := actorCategory("")
		actor["reference"] = m{"type": "RelatedPerson", "identifier": identifier, "display": name}
		c["provision"] = m{"type": "permit", "actor": []any{actor}, "modifierExtension": []any{dataGroup(group)}}
	})
}

// TestThePatientNamesWhoCollects: it is not enough that an issuer says that a neighbour is authorised in writing. Karena names the neighbour,
// whom she finds in the list of who asked, for her medication, in one call; the neighbour sees that and nothing else, and nobody else is named
// by it. She ends it in one call, with immediate effect. All of it is proven like any consent, and contains nothing of the neighbour's number.
func TestThePatientNamesWhoCollects(t *testing.T) {
	t.Parallel()
	w := newNLGov(t)
	g, file := w.start(append(issuedAs(nlGov), "    persons_file: foreign-persons\n", "    persons_file: foreign-persons\n    named_representatives_only: true\n")...)
	karena, johanna := demo.Karena(), demo.Johanna()
	neighbour := demo.Person{Name: "a neighbour", BSN: "012345672", PatientID: "no-patient"}
	partner := demo.Person{Name: "a partner", BSN: "999990019", PatientID: "a-partner"}
	neighbours, partners, herself := onBehalf(t, neighbour, karena, "machtiging"), onBehalf(t, partner, karena, "machtiging"), own(t, karena)
	medication, conditions := get("/fhir/demo/MedicationRequest"), get("/fhir/demo/Condition")
	var told strings.Builder
	ask := func(token string, q question, status int, when string) reply {
		t.Helper()
		r := g.ask(demo.Caller{}, q.as(token)).wantStatus(t, status, when)
		told.WriteString(r.body + fmt.Sprint(r.header))
		return r
	}
	const unnamed, named = "representative-not-authorised", "ok-representative"
	refused := func(token string, q question, when string) {
		t.Helper()
		r := ask(token, q, http.StatusForbidden, when)
		r.wantNothing(t, when)
		w.wantEvent(r, audit.OutcomeDeny, unnamed)
	}
	refused(neighbours, medication, "the neighbour, before she is named")
	key := string(w.chosen(t, neighbour))
	if view := ask(herself, get("/gateway/AuditEvent"), http.StatusOK, "who asked"); !strings.Contains(view.body, key) {
		t.Fatal("Karena does not see who asked")
	}
	w.wantEvent(ask(onBehalf(t, johanna, child, "ouderlijk-gezag"), get("/fhir/demo/Patient"), http.StatusOK, "a parent need not be named"), audit.OutcomePermit, named)

	// Named for the medication, by the key.
	byKey := m{"system": "urn:zorgsluis:person-key", "value": key}
	created := ask(herself, sending(t, "POST", "/gateway/Consent", naming(t, g, karena, byKey, "Anja, de buurvrouw", "GGC013")), http.StatusCreated, "Karena names her")
	w.wantEvent(created, audit.OutcomePermit, "recorded")
	id := created.resource(t)["id"].(string)
	if !strings.Contains(created.body, "Anja, de buurvrouw") || !strings.Contains(created.body, `"code":"PATRQT"`) {
		t.Errorf("got %s, want the name and the purpose", created.body)
	}
	e := w.wantEvent(ask(neighbours, medication, http.StatusOK, "the neighbour, for the medication"), audit.OutcomePermit, named)
	if !slices.Equal(e.Records, []consent.RecordID{consent.RecordID(id)}) {
		t.Errorf("the event names the records %v, want %s", e.Records, id)
	}
	other := ask(neighbours, conditions, http.StatusOK, "the neighbour, for something else")
	if n := len(other.entries()); n != 0 {
		t.Errorf("the neighbour sees %d conditions", n)
	}
	w.wantEvent(other, audit.OutcomeDeny, unnamed)
	refused(partners, medication, "the partner, who is not the neighbour")
	ask(neighbours, get("/gateway/Consent"), http.StatusNotFound, "what Karena chose is not the neighbour's to see")
	for why, q := range map[string]m{
		"by a number":                       naming(t, g, karena, m{"system": demo.SystemBSN, "value": neighbour.BSN}, "Anja", "GGC013"),
		"by a number as a name":             naming(t, g, karena, byKey, "Anja "+neighbour.BSN, "GGC013"),
		"by a number of hers at the issuer": naming(t, g, karena, m{"system": w.issuer.URL(), "value": neighbour.BSN}, "Anja", "GGC013"),
		"without a name":                    naming(t, g, karena, byKey, "", "GGC013"),
		"of another issuer":                 naming(t, g, karena, m{"system": "https://elsewhere.example", "value": alias(neighbour)}, "Anja", "GGC013"),
	} {
		ask(herself, sending(t, "POST", "/gateway/Consent", q), http.StatusUnprocessableEntity, why)
	}

	// Ended in one call, with immediate effect; named again by what the issuer says, and stopped with everything else.
	w.wantEvent(ask(herself, question{method: "POST", path: "/gateway/Consent/" + id + "/$withdraw"}, http.StatusOK, "Karena ends it"), audit.OutcomePermit, "withdrawn")
	refused(neighbours, medication, "the neighbour, after the end")
	byIssuer := m{"system": w.issuer.URL(), "value": alias(neighbour)}
	again := ask(herself, sending(t, "POST", "/gateway/Consent", naming(t, g, karena, byIssuer, "Anja", "GGC002")), http.StatusCreated, "named again")
	if strings.Contains(again.body, alias(neighbour)) || !strings.Contains(again.body, key) {
		t.Errorf("got %s, want the key and not what the issuer calls her", again.body)
	}
	if n := len(ask(neighbours, conditions, http.StatusOK, "the neighbour, for everything").entries()); n == 0 {
		t.Error("the neighbour sees no conditions")
	}
	ask(herself, question{method: "POST", path: "/gateway/$object"}, http.StatusCreated, "Karena stops everything")
	refused(neighbours, conditions, "the neighbour, after everything was stopped")

	history := ask(herself, get("/gateway/Consent/"+id+"/_history"), http.StatusOK, "history")
	if n := strings.Count(history.body, `"resourceType":"Consent"`); n != 2 {
		t.Errorf("the history has %d versions, want two: %s", n, history.body)
	}
	told.WriteString(must(t, karena.BSN+"\n", "consent", "verify", "--config", file))
	evidence := must(t, karena.BSN+"\n", "consent", "evidence", "--config", file)
	if told.WriteString(evidence); !strings.Contains(evidence, key) || !strings.Contains(evidence, "Anja, de buurvrouw") || !strings.Contains(evidence, "Mag iemand anders") {
		t.Errorf("the evidence does not say who was named, and on which text: %s", evidence)
	}
	nowhere(t, w, g, told.String(), neighbour)
}

// nowhere wants somebody's number, and any key that could be made from it, to be in nothing that the gateway keeps or returns: answers, output
// for operators, the log, Redis' keys and files, and the archive. It stops the gateway.
func nowhere(t *testing.T, w *world, g *gateway, told string, somebody demo.Person) {
	t.Helper()
	number := somebody.BSN
	secrets := []string{number, strings.TrimLeft(number, "0"), base64.StdEncoding.EncodeToString([]byte(number)), string(w.store.Key(somebody.Identifier()))}
	find := func(where, text string) {
		t.Helper()
		if slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
			t.Errorf("%s holds the number, or the key of it", where)
		}
	}
	_, metrics := g.admined("/metrics")
	find("what was told", told+metrics)
	for _, e := range w.events() {
		find("an event", fmt.Sprintf("%+v", e))
	}
	g.stop()
	find("the log", g.out.String())
	w.eachKept(find)
	st, _, err := w.store.Standing(t.Context(), w.store.Key(demo.Karena().Identifier())) // sealed content
	if err != nil {
		t.Fatal(err)
	}
	find("what is on file", fmt.Sprintf("%+v", st))
}
