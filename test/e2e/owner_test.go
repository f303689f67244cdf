package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestTheOwnChoicesFollowRule3: patients see and change consents and log under the same rule as the record (decision.md, rule 3). Signing in as
// somebody who has died opens nothing, and a child does not end what its parent decided.
func TestTheOwnChoicesFollowRule3(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 8)
	adult, _ := deceased(t)
	child := f.patients[8]
	parent, _ := guardianOf(child, "parental")
	given := f.g.ask(parent, sending(t, "POST", "/gateway/Consent", said(child, false, true))).wantStatus(t, http.StatusCreated, "the parent consents")
	posthumous := consentFor(adult, func(c m) {
		c["extension"] = append(c["extension"].([]any), m{"url": "urn:zorgsluis:consent:posthumous", "valueBoolean": true})
	})
	for reason, tt := range map[string]struct {
		person  demo.Person
		consent m
		id      string
	}{
		"deceased":        {adult, posthumous, string(f.mustPut(permit(consent.Side{Category: "pharmacy"}), adult))},
		"age-not-allowed": {child, said(child, true, false), given.resource(t)["id"].(string)},
	} {
		by, path := demo.Patient("patient", tt.person), "/gateway/Consent/"+tt.id
		for what, ask := range map[string]question{
			"give":     sending(t, "POST", "/gateway/Consent", tt.consent),
			"change":   sending(t, "PUT", path, inPlaceOf(tt.consent, tt.id), "If-Match", given.header.Get("ETag")),
			"withdraw": {method: "POST", path: path + "/$withdraw"},
			"object":   {method: "POST", path: "/gateway/$object"},
			"read":     get(path), "history": get(path + "/_history"), "search": get("/gateway/Consent"),
		} {
			r := f.g.ask(by, ask).wantStatus(t, http.StatusNotFound, reason+": "+what)
			f.wantEvent(r, audit.OutcomeDeny, reason)
		}
		looked := f.g.ask(by, get("/gateway/AuditEvent")).wantStatus(t, http.StatusForbidden, reason+": who looked")
		f.wantEvent(looked, audit.OutcomeDeny, reason)
		event := f.wantEvent(looked, audit.OutcomeDeny, reason).ID
		f.g.ask(by, get(fmt.Sprintf("/gateway/AuditEvent/%s", event))).wantStatus(t, http.StatusNotFound, reason+": one look")
	}
	f.g.ask(demo.GP(), search("Condition", adult)).wantStatus(t, http.StatusForbidden, "nothing was opened after the death")
	f.g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusOK, "what the parent decided holds")
}

// TestAPatientWhileSourcesAreAway: sources know how old a patient is and whether the patient is alive. Reading one's own choices and log,
// withdrawing and objecting do not depend on them, giving does; a patient whom no source knows can give consent.
func TestAPatientWhileSourcesAreAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := string(w.mustPut(permit(partyHospital), demo.Johanna()))
	g, _ := w.start()
	patient := demo.Patient("patient", demo.Johanna())
	w.source.Intercept(demo.Answer(http.StatusServiceUnavailable, "text/plain", ""))
	g.ask(patient, get("/gateway/Consent/"+id)).wantStatus(t, http.StatusOK, "read")
	g.ask(patient, get("/gateway/AuditEvent")).wantStatus(t, http.StatusOK, "who looked")
	g.ask(patient, sending(t, "POST", "/gateway/Consent", consentFor(demo.Johanna()))).wantUnavailable(t, "give")
	for _, again := range []string{"", ", again"} {
		g.ask(patient, question{method: "POST", path: "/gateway/Consent/" + id + "/$withdraw"}).wantStatus(t, http.StatusOK, "withdraw"+again)
	}
	g.ask(patient, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusCreated, "object")
	g.ask(patient, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusOK, "object, again")
	w.source.Intercept(nil)
	stranger := demo.SyntheticPerson(5950)
	g.ask(demo.Patient("patient", stranger), sending(t, "POST", "/gateway/Consent", consentFor(stranger))).wantStatus(t, http.StatusCreated, "unknown to the sources")
}

// inPlaceOf returns a Consent with the id of another, to replace it.
func inPlaceOf(c m, id string) m {
	other := m{"id": id}
	for name, value := range c {
		other[name] = value
	}
	return other
}
