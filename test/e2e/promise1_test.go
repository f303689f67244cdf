package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// servedTypes returns the resource types that the gateway says it serves.
func (g *gateway) servedTypes() []string {
	g.t.Helper()
	var statement struct {
		Rest []struct{ Resource []struct{ Type string } }
	}
	body := g.ask(demo.Caller{}, get("/fhir/demo/metadata")).body
	if err := json.Unmarshal([]byte(body), &statement); err != nil || len(statement.Rest) != 1 {
		g.t.Fatalf("metadata: %v", err)
	}
	var types []string
	for _, r := range statement.Rest[0].Resource {
		types = append(types, r.Type)
	}
	if len(types) < 30 {
		g.t.Fatalf("only %v are served", types)
	}
	return types
}

// about returns a search for everything of a type about a person; a few types have no parameter called patient.
func about(typ string, person demo.Person) question {
	switch typ {
	case "Patient":
		return get("/fhir/demo/Patient?_id=" + string(person.PatientID))
	case "AdverseEvent", "SupplyRequest":
		return get("/fhir/demo/" + typ + "?subject=Patient/" + string(person.PatientID))
	}
	return search(typ, person)
}

// TestPromise1NoPermitNoData: without a permit nobody gets anything, of any type, by a search or by a read; unknown facts about a caller are not
// filled in.
func TestPromise1NoPermitNoData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start()
	johanna, karena := demo.Johanna(), demo.Karena()
	var names []string // every resource of the source that is hers
	for _, typ := range g.servedTypes() {
		r := g.ask(demo.Patient("patient-johanna", johanna), get("/fhir/demo/"+typ)).wantStatus(t, http.StatusOK, typ+" of her own")
		names = append(names, slices.DeleteFunc(r.entries(), func(s string) bool { return !ofType(typ)(s) })...)
		for _, by := range []demo.Caller{demo.GP(), demo.Pharmacist(), demo.EmergencyDoctor()} {
			r := g.ask(by, about(typ, johanna)).wantStatus(t, http.StatusForbidden, by.ClientID+" searches "+typ)
			r.wantNothing(t, by.ClientID+" searches "+typ)
		}
	}
	if len(names) < 20 {
		t.Fatalf("the source has only %v", names)
	}
	for _, name := range names {
		r := g.ask(demo.GP(), get("/fhir/demo/"+name)).wantStatus(t, http.StatusNotFound, "read "+name)
		r.wantNothing(t, "read "+name)
		if ofType("Consent")(name) { // an advance directive is care data, any other Consent is not shareable at all
			continue
		}
		w.wantEvent(r, audit.OutcomeDeny, "no-consent")
	}

	strange := func(change func(*demo.Claims)) demo.Caller {
		by := demo.GP()
		change(&by.Claims)
		return by
	}
	for name, tt := range map[string]struct {
		by     demo.Caller
		status int
	}{
		"an organisation type that nobody knows": {strange(func(c *demo.Claims) { c.OrganizationType = "Q9" }), 403},
		"no category at all":                     {strange(func(c *demo.Claims) { c.OrganizationType, c.UZIRoles = "", nil }), 403},
		"two categories":                         {strange(func(c *demo.Claims) { c.OrganizationType, c.UZIRoles = "", []string{"01.015", "17.075"} }), 403},
		"no relationship":                        {strange(func(c *demo.Claims) { c.Relationship = "" }), 403},
		"a relationship that nobody knows":       {strange(func(c *demo.Claims) { c.Relationship = "friend" }), 403},
		"no purpose":                             {strange(func(c *demo.Claims) { c.PurposeOfUse = nil }), 403},
		"two purposes":                           {strange(func(c *demo.Claims) { c.PurposeOfUse = []string{"TREAT", "HRESCH"} }), 403},
		"a purpose that nobody knows":            {strange(func(c *demo.Claims) { c.PurposeOfUse = []string{"CURIOUS"} }), 403},
		"research, which the consent is not for": {strange(func(c *demo.Claims) { c.PurposeOfUse = []string{"HRESCH"} }), 403},
		"a kind that nobody knows":               {strange(func(c *demo.Claims) { c.Kind = "admin" }), 403},
		"a level that nobody knows":              {strange(func(c *demo.Claims) { c.ACR = "excellent" }), 401},
		"no level":                               {strange(func(c *demo.Claims) { c.ACR = "" }), 401},
		"a client that nobody knows":             {strange(func(c *demo.Claims) { c.ClientID = "stranger" }), 401},
		"another audience":                       {strange(func(c *demo.Claims) { c.Audience = []string{"elsewhere"} }), 401},
		"a token of another type":                {strange(func(c *demo.Claims) { c.Type = "JWT" }), 401},
		"somebody else's behalf":                 {strange(func(c *demo.Claims) { c.Extra = map[string]any{"act": map[string]any{"sub": "x"}} }), 401},
	} {
		for way, q := range map[string]question{"search": search("Condition", karena), "read": get("/fhir/demo/Patient/" + string(karena.PatientID))} {
			r := g.ask(tt.by, q)
			// For an admitted caller without a permit a read looks like one of something absent.
			if r.status != tt.status && !(way == "read" && tt.status == 403 && r.status == 404) {
				t.Errorf("%s, %s: got status %d, want %d", name, way, r.status, tt.status)
			}
			r.wantNothing(t, name)
			if events := w.eventsOf(r.id); len(events) != 1 || events[0].Outcome != audit.OutcomeDeny {
				t.Errorf("%s, %s: got events %+v, want one denial", name, way, events)
			}
		}
	}
	g.ask(demo.GP(), search("Condition", karena)).wantStatus(t, http.StatusOK, "the same caller without anything strange")
}
