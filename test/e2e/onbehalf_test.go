package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

const (
	bsnType     = "urn:nl-eid-gdi:1.0:id:BSN"
	substantial = "http://eidas.europa.eu/LoA/substantial"
	foreigner   = "ES/NL/11111111H" // who is known here as Johanna
	stranger    = "ES/NL/22222222H" // who is not
)

// issuedAs returns the configuration with this description of an issuer, below its audience.
func issuedAs(written string) []string {
	_, after, _ := strings.Cut(configuration, "    algorithms: ")
	described, _, _ := strings.Cut(after, "clients:\n")
	return []string{"    algorithms: " + described, written}
}

// child is seven years old.
var child = demo.Person{Name: "a child", BSN: "999992223", PatientID: "a-child"}

// nlGov is an issuer with the NL GOV profile: represents contains the person represented, and grond the authority. A file maps foreign persons.
const nlGov = `    profile: nl-gov-oidc
    algorithms: [{algorithm}]
    channel: regional
    persons_file: foreign-persons
    identifier_types: { "` + bsnType + `": "` + demo.SystemBSN + `", eidas: "urn:eidas:person-identifier" }
    claims:
      authority: grond
      pseudonym: alias
      represents:
        claim: represents
        person: { path: represents.sub, type: represents.sub_id_type }
        authorities: { machtiging: written, ouderlijk-gezag: parental }
`

// newNLGov sets the stage for callers with the tokens of that profile.
func newNLGov(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, demo.Resource(`{"resourceType":"Patient","id":"`+string(child.PatientID)+`","identifier":[{"system":"`+demo.SystemBSN+`","value":"`+child.BSN+
		`"}],"name":[{"family":"`+marker+`"}],"birthDate":"`+time.Now().AddDate(-7, 0, 0).Format(time.DateOnly)+`"}`))
	w.write("foreign-persons", "# who they are here\nurn:eidas:person-identifier|"+foreigner+" "+demo.SystemBSN+"|"+demo.Johanna().BSN+"\n")
	return w
}

// says signs a token of the profile with these claims; the user has the number sub.
func says(t testing.TB, sub string, more m) string {
	t.Helper()
	extra := m{"sub": sub, "sub_id_type": bsnType}
	maps.Copy(extra, more)
	for name, value := range extra {
		if value == gone {
			extra[name] = nil // which the demo's issuer leaves out
		}
	}
	token, err := issuer.Token(demo.Claims{ClientID: "patient", ACR: substantial, Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// own returns the token of somebody who asks for their own record, and onBehalf that of somebody who represents another.
func own(t testing.TB, person demo.Person) string { return says(t, person.BSN, nil) }

func onBehalf(t testing.TB, by, of demo.Person, right string) string {
	return says(t, by.BSN, m{"grond": right, "alias": alias(by), "represents": m{"sub": of.BSN, "sub_id_type": bsnType}})
}

// alias is what the issuer calls somebody instead of by number, and chosen the key for a person chosen by a patient.
func alias(p demo.Person) string { return "alias-of-" + string(p.PatientID) }

func (w *world) chosen(t testing.TB, p demo.Person) consent.PersonKey {
	t.Helper()
	id, err := consent.Pseudonym(w.issuer.URL(), alias(p))
	if err != nil {
		t.Fatal(err)
	}
	return w.store.Key(id)
}

func (q question) as(token string) question {
	q.token = token
	return q
}

// wantRecordOf wants an answer with something of this person and nothing of the others.
func (r reply) wantRecordOf(t testing.TB, whose demo.Person, when string) {
	t.Helper()
	r.wantStatus(t, http.StatusOK, when)
	for _, p := range demo.People() {
		if named := strings.Contains(r.body, "Patient/"+string(p.PatientID)); named != (p == whose) {
			t.Errorf("%s: the record of %s is in the answer: %v", when, p.Name, named)
		}
	}
}

// TestRepresentatives: somebody whose token names another as represented gets that person's record, if the authority in the token suffices at
// that age, and no other; the event and the patient's own view show both persons. Everything else is refused.
func TestRepresentatives(t *testing.T) {
	t.Parallel()
	w := newNLGov(t)
	g, file := w.start(issuedAs(nlGov)...)
	karena, milan, johanna := demo.Karena(), demo.Milan(), demo.Johanna()
	fifteen := demo.People()[4]
	key := func(p demo.Person) consent.PersonKey { return w.store.Key(p.Identifier()) }
	conditions := get("/fhir/demo/Condition")

	r := g.ask(demo.Caller{}, conditions.as(onBehalf(t, milan, karena, "machtiging")))
	r.wantRecordOf(t, karena, "Milan, for Karena")
	e := w.wantEvent(r, audit.OutcomePermit, "ok-representative")
	if e.Person != key(karena) || e.Actor.Kind != "representative" || e.Actor.Representative != w.chosen(t, milan) || e.Actor.Authority != "written" || e.Actor.Subject+e.Actor.Name != "" {
		t.Errorf("the event is about %s by %+v, want Karena's record, and Milan by his pseudonym only", e.Person, e.Actor)
	}
	view := g.ask(demo.Caller{}, get("/gateway/AuditEvent").as(own(t, karena))).wantStatus(t, http.StatusOK, "Karena's view")
	if !agentIs(t, view, r.id, string(w.chosen(t, milan))) {
		t.Error("Karena's view does not show who asked for her")
	}
	g.ask(demo.Caller{}, conditions.as(own(t, milan))).wantRecordOf(t, milan, "Milan, for himself, after he asked for her")
	g.ask(demo.Caller{}, conditions.as(own(t, karena))).wantRecordOf(t, karena, "Karena herself")

	r = g.ask(demo.Caller{}, get("/fhir/demo/Patient").as(onBehalf(t, johanna, child, "ouderlijk-gezag"))).wantStatus(t, http.StatusOK, "a parent")
	if e := w.wantEvent(r, audit.OutcomePermit, "ok-representative"); e.Person != key(child) || e.Actor.Representative != key(johanna) || e.Actor.Authority != "parental" {
		t.Errorf("the event is about %s by %+v, want the child's record and the parent", e.Person, e.Actor)
	}

	represents := func(of m) m { return m{"grond": "machtiging", "alias": alias(milan), "represents": of} }
	without := func(right string) string {
		return says(t, milan.BSN, m{"grond": right, "represents": m{"sub": karena.BSN, "sub_id_type": bsnType}})
	}
	must(t, karena.BSN+"\n"+johanna.BSN+"\n", "person", "set", "--config", file, "--block-representative")
	for _, tt := range []struct {
		name, token string
		ask         question
		status      int
		reason      string
	}{
		{"the representative's own record under that token", onBehalf(t, milan, karena, "machtiging"), searchID("Condition", milan), 403, "patient-mismatch"},
		{"a third person's record", onBehalf(t, milan, karena, "machtiging"), searchID("Condition", johanna), 403, "patient-mismatch"},
		{"no right is named", says(t, milan.BSN, m{"alias": alias(milan), "represents": m{"sub": karena.BSN, "sub_id_type": bsnType}}), conditions, 403, "representative-not-authorised"},
		{"somebody whom a patient chose, by nothing but a BSN", without("machtiging"), conditions, 401, "token-person"},
		{"a right that nobody mapped, by nothing but a BSN", without("written"), conditions, 401, "token-person"},
		{"a right that nobody mapped", onBehalf(t, milan, karena, "written"), conditions, 403, "representative-not-authorised"},
		{"a parent of an adult", onBehalf(t, milan, karena, "ouderlijk-gezag"), conditions, 403, "representative-not-authorised"},
		{"somebody whom a child of seven authorised", onBehalf(t, milan, child, "machtiging"), conditions, 403, "representative-not-authorised"},
		{"a parent of somebody of fifteen", onBehalf(t, milan, fifteen, "ouderlijk-gezag"), conditions, 403, "age-not-allowed"},
		{"somebody whom a provider blocked", onBehalf(t, johanna, karena, "machtiging"), conditions, 403, "representative-blocked"},
		{"the same under another spelling of the number", says(t, "s00000000:"+johanna.BSN, represents(m{"sub": karena.BSN, "sub_id_type": bsnType})), conditions, 403, "representative-blocked"},
		{"who is represented acts for another", says(t, milan.BSN, represents(m{"sub": karena.BSN, "sub_id_type": bsnType, "represents": m{"sub": johanna.BSN, "sub_id_type": bsnType}})), conditions, 401, "token-claim-unprocessed"},
		{"a company is represented", says(t, milan.BSN, represents(m{"sub": karena.BSN, "sub_id_type": "urn:nl-eid-gdi:1.0:id:RSIN"})), conditions, 401, "token-person"},
		{"somebody represents himself", onBehalf(t, milan, milan, "machtiging"), conditions, 401, "token-person"},
		{"nobody is represented", says(t, milan.BSN, represents(m{})), conditions, 401, "token-person"},
		{"a list of persons is represented", says(t, milan.BSN, represents(m{"sub": []string{karena.BSN, johanna.BSN}, "sub_id_type": bsnType})), conditions, 401, "token-claim"},
		{"a right and nobody who is represented", says(t, milan.BSN, m{"grond": "machtiging"}), conditions, 401, "token-person"},
		{"an actor of the token exchange beside it", says(t, milan.BSN, m{"act": m{"sub": "x"}, "represents": m{"sub": karena.BSN, "sub_id_type": bsnType}}), conditions, 401, "token-claim-unprocessed"},
		{"a level that is too low", says(t, milan.BSN, m{"acr": "http://eidas.europa.eu/LoA/low", "grond": "machtiging", "alias": alias(milan), "represents": m{"sub": karena.BSN, "sub_id_type": bsnType}}), conditions, 401, "insufficient-assurance"},
	} {
		w.source.Reset()
		r := g.ask(demo.Caller{}, tt.ask.as(tt.token)).wantStatus(t, tt.status, tt.name)
		r.wantNothing(t, tt.name)
		w.wantEvent(r, audit.OutcomeDeny, tt.reason)
		for _, asked := range w.source.Requests() {
			if !strings.Contains(asked.Path, "Patient") {
				t.Errorf("%s: the source was asked for %s", tt.name, asked.Path)
			}
		}
	}
	g.stop()

	// An issuer without this configuration: representatives are refused.
	g, _ = w.start()
	by := demo.Patient("patient", milan)
	by.Claims.Extra = m{"represents": m{"sub": karena.BSN, "sub_id_type": bsnType}}
	w.wantEvent(g.ask(by, conditions).wantStatus(t, 401, "where it is not configured"), audit.OutcomeDeny, "token-claim-unprocessed")
}

// agentIs reports whether the AuditEvent of a request, in a list of them, has an agent of this identifier.
func agentIs(t testing.TB, list reply, request, identifier string) bool {
	t.Helper()
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal([]byte(list.body), &bundle); err != nil {
		t.Fatal(err)
	}
	for _, entry := range bundle.Entry {
		var e struct {
			Agent []struct {
				Who struct{ Identifier struct{ Value string } }
			}
		}
		if err := json.Unmarshal(entry.Resource, &e); err != nil {
			t.Fatal(err)
		}
		for _, agent := range e.Agent {
			if strings.Contains(string(entry.Resource), request) && agent.Who.Identifier.Value == identifier {
				return true
			}
		}
	}
	return false
}

// TestNobodyCrossesOnBehalfOfAnother: two people represent each other, and also ask for themselves, all at once: each answer is of the person
// whose record the token is for.
func TestNobodyCrossesOnBehalfOfAnother(t *testing.T) {
	t.Parallel()
	w := newNLGov(t)
	g, _ := w.start(issuedAs(nlGov)...)
	karena, milan, johanna := demo.Karena(), demo.Milan(), demo.Johanna()
	type asked struct {
		by, of demo.Person
		token  string
	}
	var all []asked
	for _, by := range []demo.Person{karena, milan, johanna} {
		all = append(all, asked{by, by, own(t, by)})
		for _, of := range []demo.Person{karena, milan, johanna} {
			if of != by {
				all = append(all, asked{by, of, onBehalf(t, by, of, "machtiging")})
			}
		}
	}
	replies := make([]reply, 4*len(all))
	var work sync.WaitGroup
	for i := range replies {
		work.Go(func() {
			var err error
			if replies[i], err = g.try(demo.Caller{}, get("/fhir/demo/Patient").as(all[i%len(all)].token)); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	work.Wait()
	for i, r := range replies {
		a := all[i%len(all)]
		when := fmt.Sprintf("%s for %s", a.by.Name, a.of.Name)
		if got := r.wantStatus(t, http.StatusOK, when).entries(); !slices.Equal(got, []string{"Patient/" + string(a.of.PatientID)}) {
			t.Errorf("%s: got %v", when, got)
		}
	}
	for i, r := range replies {
		a, reason, representative := all[i%len(all)], "ok-self", consent.PersonKey("")
		if a.by != a.of {
			reason, representative = "ok-representative", w.chosen(t, a.by)
		}
		if e := w.wantEvent(r, audit.OutcomePermit, reason); e.Person != w.store.Key(a.of.Identifier()) || e.Actor.Representative != representative {
			t.Errorf("%s for %s: the event is about %s by %s", a.by.Name, a.of.Name, e.Person, e.Actor.Representative)
		}
	}
}

// TestForeignPersons: somebody with an identity of another country (eIDAS) gets the record of the person to whom the configuration maps it, and
// an unmapped one gets none; the foreign number is nowhere but in that file.
func TestForeignPersons(t *testing.T) {
	t.Parallel()
	w := newNLGov(t)
	g, _ := w.start(issuedAs(nlGov)...)
	karena, johanna := demo.Karena(), demo.Johanna()
	foreign := func(sub string, more m) string {
		claims := m{"sub_id_type": "eidas"}
		maps.Copy(claims, more)
		return says(t, sub, claims)
	}
	record := get("/fhir/demo/Patient")
	known := foreign(foreigner, nil)
	r := g.ask(demo.Caller{}, record.as(known)).wantStatus(t, http.StatusOK, "who is known here")
	if got := r.entries(); !slices.Equal(got, []string{"Patient/" + string(johanna.PatientID)}) {
		t.Errorf("got %v, want Johanna", got)
	}
	if e := w.wantEvent(r, audit.OutcomePermit, "ok-self"); e.Person != w.store.Key(johanna.Identifier()) {
		t.Errorf("the event is about %s, want Johanna", e.Person)
	}
	represented := foreign(foreigner, m{"grond": "machtiging", "alias": alias(johanna), "represents": m{"sub": karena.BSN, "sub_id_type": bsnType}})
	r = g.ask(demo.Caller{}, record.as(represented)).wantStatus(t, http.StatusOK, "who represents somebody")
	if got := r.entries(); !slices.Equal(got, []string{"Patient/" + string(karena.PatientID)}) {
		t.Errorf("got %v, want Karena", got)
	}
	if e := w.wantEvent(r, audit.OutcomePermit, "ok-representative"); e.Person != w.store.Key(karena.Identifier()) || e.Actor.Representative != w.chosen(t, johanna) {
		t.Errorf("the event is about %s by %s, want Karena by Johanna", e.Person, e.Actor.Representative)
	}
	for _, tt := range []struct {
		name, token string
		ask         question
		status      int
		reason      string
	}{
		{"somebody else's record", known, searchID("Condition", karena), 403, "patient-mismatch"},
		{"who is not known here", foreign(stranger, nil), record, 403, "patient-unresolved"},
		{"another spelling of who is", foreign(strings.ToLower(foreigner), nil), record, 403, "patient-unresolved"},
		{"a foreign number that says it is a BSN", says(t, foreigner, nil), record, 401, "token-person"},
		{"a BSN that says it is foreign", foreign(johanna.BSN, nil), record, 403, "patient-unresolved"},
		{"a type that nobody mapped", foreign(foreigner, m{"sub_id_type": "EIDAS"}), record, 401, "token-person"},
		{"no type", foreign(foreigner, m{"sub_id_type": gone}), record, 401, "token-person"},
		{"who represents himself under his other number", foreign(foreigner, m{"grond": "machtiging", "represents": m{"sub": johanna.BSN, "sub_id_type": bsnType}}), record, 401, "token-person"},
		{"a low level", foreign(foreigner, m{"acr": "http://eidas.europa.eu/LoA/low"}), record, 401, "insufficient-assurance"},
	} {
		r := g.ask(demo.Caller{}, tt.ask.as(tt.token)).wantStatus(t, tt.status, tt.name)
		r.wantNothing(t, tt.name)
		w.wantEvent(r, audit.OutcomeDeny, tt.reason)
	}
	said := g.out.String()
	for _, e := range w.events() {
		said += fmt.Sprintf("%+v", e)
	}
	for _, number := range []string{foreigner, stranger, strings.ToLower(foreigner)} {
		if strings.Contains(said, number) {
			t.Errorf("the foreign number of somebody is in the log or in an event")
		}
	}
}

// TestMandates: a caller who works under the responsibility of another professional is admitted as himself, and both are in the event and in
// what the patient sees. A token whose mandate is not understood opens nothing.
func TestMandates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start("      name: name\n", "      name: name\n      responsible: { path: mandate.uzi, prefix: \"uzi:\" }\n")
	karena, milan := demo.Karena(), demo.Milan()
	under := func(by demo.Caller, claims m) demo.Caller {
		by.Claims.Extra = claims
		return by
	}
	assistant := under(demo.GP(), m{"mandate": m{"uzi": "900000009"}})
	r := g.ask(assistant, search("Condition", karena))
	r.wantRecordOf(t, karena, "under a mandate")
	e := w.wantEvent(r, audit.OutcomePermit, "ok-consent")
	if e.Actor.Responsible != "uzi:900000009" || e.Actor.Practitioner != "uzi:900000001" || e.Person != w.store.Key(karena.Identifier()) {
		t.Errorf("the event says %+v, want who asked and who is responsible", e.Actor)
	}
	view := g.ask(demo.Patient("patient", karena), get("/gateway/AuditEvent")).wantStatus(t, http.StatusOK, "Karena's view")
	if !agentIs(t, view, r.id, "900000009") || !strings.Contains(view.body, "900000001") {
		t.Error("Karena's view does not show who asked and who is responsible")
	}
	// Refused or not, the event names both; without a mandate it names nobody else.
	refused := g.ask(under(demo.CompanyDoctor(), m{"mandate": m{"uzi": "900000001"}}), search("Condition", karena)).wantStatus(t, 403, "a blocked party under a mandate")
	if e := w.wantEvent(refused, audit.OutcomeDeny, "blocked-company-doctor"); e.Actor.Responsible != "uzi:900000001" {
		t.Errorf("the event of a refusal says %+v, want who is responsible", e.Actor)
	}
	alone := g.ask(demo.GP(), search("Condition", milan))
	alone.wantRecordOf(t, milan, "without a mandate")
	if e := w.wantEvent(alone, audit.OutcomePermit, "ok-consent"); e.Actor.Responsible != "" {
		t.Errorf("the event says %+v, want nobody else", e.Actor)
	}
	other := under(demo.GP(), m{"mandate": m{"uzi": "900000008"}})
	if e := w.wantEvent(g.ask(other, search("Condition", karena)).wantStatus(t, 200, "under another's mandate"), audit.OutcomePermit, "ok-consent"); e.Actor.Responsible != "uzi:900000008" {
		t.Errorf("the event says %+v, want the one of this token", e.Actor)
	}
	for _, tt := range []struct {
		name   string
		by     demo.Caller
		reason string
	}{
		{"a mandate of nobody", under(demo.GP(), m{"mandate": m{}}), "token-claim"},
		{"a mandate in another form", under(demo.GP(), m{"mandate": "900000009"}), "token-claim"},
		{"a mandate of two", under(demo.GP(), m{"mandate": m{"uzi": []string{"900000009", "900000008"}}}), "token-claim"},
		{"a mandate with a name of control characters", under(demo.GP(), m{"mandate": m{"uzi": "9\n"}}), "token-claim"},
		{"who is responsible acts for another", under(demo.GP(), m{"mandate": m{"uzi": "900000009", "mandate": m{"uzi": "900000008"}}}), "token-claim-unprocessed"},
		{"a mandate in another case", under(demo.GP(), m{"Mandate": m{"uzi": "900000009"}}), "token-claim-unprocessed"},
		{"another claim of delegation", under(demo.GP(), m{"on_behalf_of": m{"uzi": "900000009"}}), "token-claim-unprocessed"},
		{"a patient under a mandate", under(demo.Patient("patient", karena), m{"mandate": m{"uzi": "900000009"}}), "token-claim"},
	} {
		w.source.Reset()
		r := g.ask(tt.by, search("Condition", karena)).wantStatus(t, 401, tt.name)
		r.wantNothing(t, tt.name)
		w.wantEvent(r, audit.OutcomeDeny, tt.reason)
		if n := len(w.source.Requests()); n != 0 {
			t.Errorf("%s: the source was asked %d times", tt.name, n)
		}
	}
	g.stop()
	g, _ = w.start()
	w.wantEvent(g.ask(assistant, search("Condition", karena)).wantStatus(t, 401, "where it is not configured"), audit.OutcomeDeny, "token-claim-unprocessed")
}
