package audit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What the rules look at. These types are not the model that writes the events, so that a mistake there is not hidden.
type (
	balpCoding struct{ System, Code string }

	balpConcept struct{ Coding []balpCoding }

	balpReference struct {
		Reference, Type, Display string
		Identifier               *struct{ System, Value string }
	}

	balpAgent struct {
		Type         balpConcept
		Role         []balpConcept
		Who          *balpReference
		AltID        string `json:"altId"`
		Name         string
		Requestor    *bool
		Policy       []string
		Media        *balpCoding
		Location     *balpReference
		Network      *struct{ Address, Type string }
		PurposeOfUse []balpConcept
	}

	balpEntity struct {
		What              *balpReference
		Type, Role        balpCoding
		Lifecycle         *balpCoding
		Name, Description string
		Query             string
		Detail            []map[string]any
	}

	balpEvent struct {
		ResourceType string
		ID           string
		Meta         struct {
			Profile  []string
			Security []balpCoding
		}
		Type           balpCoding
		Subtype        []balpCoding
		Action         string
		Recorded       string
		Outcome        string
		OutcomeDesc    string
		PurposeOfEvent []balpConcept
		Agent          []balpAgent
		Source         struct {
			Site     string
			Observer *balpReference
			Type     []balpCoding
		}
		Entity []balpEntity
	}
)

const (
	balp        = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
	dcm         = "http://dicom.nema.org/resources/ontology/DCM"
	participant = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	entityType  = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	balpAuthZ   = "https://profiles.ihe.net/ITI/BALP/CodeSystem/AuthZsubType"
	objectRole  = "http://terminology.hl7.org/CodeSystem/object-role"
)

// rest is one of the RESTful profiles of BALP, as far as they differ.
type rest struct {
	subtypes       []string
	action         string
	client, server string // DCM
	users          []string
	patient, query bool
}

var restProfiles = map[string]rest{
	"Read":          {subtypes: []string{"read", "vread"}, action: "R", client: "110152", server: "110153", users: []string{"IRCP"}},
	"PatientRead":   {subtypes: []string{"read", "vread"}, action: "R", client: "110152", server: "110153", users: []string{"IRCP"}, patient: true},
	"Query":         {subtypes: []string{"search", "search-type", "search-system"}, action: "E", client: "110153", server: "110152", users: []string{"IRCP"}, query: true},
	"PatientQuery":  {subtypes: []string{"search", "search-type", "search-system"}, action: "E", client: "110153", server: "110152", users: []string{"IRCP"}, query: true, patient: true},
	"Create":        {subtypes: []string{"create"}, action: "C", client: "110153", server: "110152", users: []string{"AUT", "INF", "CST"}},
	"PatientCreate": {subtypes: []string{"create"}, action: "C", client: "110153", server: "110152", users: []string{"AUT", "INF", "CST"}, patient: true},
	"Update":        {subtypes: []string{"update", "patch"}, action: "U", client: "110153", server: "110152", users: []string{"AUT", "INF", "CST"}},
	"PatientUpdate": {subtypes: []string{"update", "patch"}, action: "U", client: "110153", server: "110152", users: []string{"AUT", "INF", "CST"}, patient: true},
}

// checkBALP returns every rule that an event breaks: those of FHIR R4 AuditEvent, and those of each profile that it claims. known says
// whether there are rules for all of them.
func checkBALP(b []byte) (problems []string, known bool) {
	var e balpEvent
	if err := json.Unmarshal(b, &e); err != nil {
		return []string{err.Error()}, false
	}
	c := &balpChecker{e: e}
	c.base()
	known = true
	for _, profile := range e.Meta.Profile {
		name, _ := strings.CutPrefix(profile, balp)
		r, isRest := restProfiles[name]
		switch {
		case isRest:
			c.rest(r)
		case name == "OAUTHaccessTokenUse.Comprehensive":
			c.oauth()
		case name == "AuthZconsent":
			c.authz()
		case name == "PrivacyDisclosure.Source":
			c.disclosure("110106", "R", "110153")
		case name == "PrivacyDisclosure.Recipient":
			c.disclosure("110107", "C", "110152")
		default:
			known = false
		}
	}
	return c.problems, known
}

type balpChecker struct {
	e        balpEvent
	problems []string
}

func (c *balpChecker) need(ok bool, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

var fhirID = regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`)

// base are the rules of AuditEvent itself (R4 §6.4).
func (c *balpChecker) base() {
	e := c.e
	c.need(e.ResourceType == "AuditEvent", "resourceType")
	c.need(fhirID.MatchString(e.ID), "id: form")
	c.need(e.Type.Code != "" && e.Type.System != "", "type 1..1")
	_, err := time.Parse(time.RFC3339Nano, e.Recorded)
	c.need(err == nil, "recorded: instant")
	c.need(slices.Contains([]string{"0", "4", "8", "12"}, e.Outcome), "outcome: code")
	c.need(len(e.Agent) > 0, "agent 1..*")
	requestors := 0
	for i, a := range e.Agent {
		c.need(a.Requestor != nil, "agent[%d].requestor 1..1", i)
		if a.Requestor != nil && *a.Requestor {
			requestors++
		}
		for _, p := range a.Policy {
			c.need(p != "" && !strings.ContainsAny(p, " \n\t"), "agent[%d].policy: uri", i)
		}
		if a.Network != nil {
			c.need(slices.Contains([]string{"1", "2", "3", "4", "5"}, a.Network.Type), "agent[%d].network.type: code", i)
		}
	}
	c.need(requestors <= 1, "one agent is the requestor, got %d", requestors)
	c.need(e.Source.Observer != nil, "source.observer 1..1")
	for i, n := range e.Entity {
		c.need(n.Name == "" || n.Query == "", "sev-1: entity[%d] has name and query", i)
		_, err := base64.StdEncoding.DecodeString(n.Query)
		c.need(err == nil, "entity[%d].query: base64Binary", i)
		for _, d := range n.Detail {
			_, text := d["valueString"]
			_, binary := d["valueBase64Binary"]
			c.need(d["type"] != "" && text != binary, "entity[%d].detail: one value[x]", i)
		}
	}
}

func (c *balpChecker) agents(system, code string) []balpAgent {
	return slices.DeleteFunc(slices.Clone(c.e.Agent), func(a balpAgent) bool {
		return !slices.Contains(a.Type.Coding, balpCoding{system, code})
	})
}

func (c *balpChecker) entities(system, code string) []balpEntity {
	return slices.DeleteFunc(slices.Clone(c.e.Entity), func(n balpEntity) bool { return n.Type != balpCoding{system, code} })
}

// rest are the rules of Read, Query, Create and Update, and of their variants with a patient.
func (c *balpChecker) rest(r rest) {
	e := c.e
	c.need(e.Type == balpCoding{"http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"}, "type = rest")
	subtypes := 0
	for _, s := range e.Subtype {
		if s.System == "http://hl7.org/fhir/restful-interaction" && slices.Contains(r.subtypes, s.Code) {
			subtypes++
		}
	}
	c.need(subtypes == 1, "subtype: one of %v", r.subtypes)
	c.need(e.Action == r.action, "action = %s", r.action)
	c.need(e.Outcome == "0", "outcome = 0: BALP describes successes")
	for role, code := range map[string]string{"client": r.client, "server": r.server} {
		found := c.agents(dcm, code)
		c.need(len(found) == 1, "agent:%s 1..1, got %d", role, len(found))
		for _, a := range found {
			c.need(a.Who != nil && *a.Who != balpReference{}, "agent:%s.who 1..1", role)
			c.need(a.Network != nil && a.Network.Address != "", "agent:%s.network 1..1", role)
			c.need(a.Media == nil, "agent:%s.media 0..0", role)
		}
	}
	users := 0
	for _, code := range r.users {
		for _, a := range c.agents(participant, code) {
			users++
			c.user(a)
		}
	}
	c.need(users <= 1, "agent:user 0..1, got %d", users)
	objects := c.entities(entityType, "2")
	c.need(len(objects) == 1, "entity of type System Object 1..1, got %d", len(objects))
	for _, n := range objects {
		if r.query {
			c.need(n.Role == balpCoding{objectRole, "24"}, "entity:query.role = Query")
			c.need(n.Query != "", "entity:query.query 1..1")
			c.need(n.What == nil && n.Lifecycle == nil && n.Detail == nil, "entity:query: what, lifecycle, detail 0..0")
			continue
		}
		c.need(n.Role.System == objectRole && slices.Contains([]string{"4", "3", "20"}, n.Role.Code), "entity:data.role from RestObjectRoles")
		c.need(n.What != nil, "entity:data.what 1..1")
	}
	c.transaction()
	if r.patient {
		c.patient()
	}
}

func (c *balpChecker) user(a balpAgent) {
	c.need(a.Who != nil, "agent:user.who 1..1")
	c.need(a.Requestor != nil && *a.Requestor, "agent:user.requestor = true")
	c.need(a.Network == nil && a.Media == nil, "agent:user: network, media 0..0")
}

func (c *balpChecker) transaction() {
	found := c.entities("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
	c.need(len(found) <= 1, "entity:transaction 0..1")
	for _, n := range found {
		c.need(n.What != nil && n.What.Identifier != nil && n.What.Identifier.Value != "", "entity:transaction.what.identifier.value 1..1")
	}
}

func (c *balpChecker) patient() {
	found := c.entities(entityType, "1")
	c.need(len(found) == 1, "entity:patient 1..1, got %d", len(found))
	for _, n := range found {
		c.need(n.Role == balpCoding{objectRole, "1"}, "entity:patient.role = Patient")
		c.need(n.What != nil && (strings.HasPrefix(n.What.Reference, "Patient/") || n.What.Type == "Patient"), "entity:patient.what: Reference(Patient)")
	}
}

// oauth are the rules of OAUTHaccessTokenUse.Comprehensive.
func (c *balpChecker) oauth() {
	clients := c.agents(dcm, "110150")
	c.need(len(clients) == 1, "agent:oClient 1..1, got %d", len(clients))
	for _, a := range clients {
		c.need(a.Who != nil && a.Who.Identifier != nil && a.Who.Identifier.Value != "", "agent:oClient.who.identifier.value 1..1")
		c.need(a.Media == nil, "agent:oClient.media 0..0")
	}
	users := c.agents(participant, "IRCP")
	c.need(len(users) <= 1, "agent:oUser 0..1")
	for _, a := range users {
		c.user(a)
		c.need(a.Who != nil && a.Who.Identifier != nil, "agent:oUser.who.identifier 1..1")
		c.need(len(a.Policy) == 1, "agent:oUser.policy 1..1, got %d", len(a.Policy))
	}
}

// authz are the rules of AuthZconsent (BALP, input/fsh/AuthZ.fsh).
func (c *balpChecker) authz() {
	e := c.e
	c.need(e.Type == balpCoding{dcm, "110113"}, "type = Security Alert")
	c.need(len(e.Subtype) > 0, "subtype 1..*")
	for _, s := range e.Subtype {
		c.need(s.System == balpAuthZ && slices.Contains([]string{"AuthZ-Consent", "AuthZ-Role"}, s.Code), "subtype from AuthZsubType")
	}
	c.need(e.Action == "E", "action = E")
	for _, a := range c.one("agent:client", dcm, "110150") {
		c.need(a.Network != nil && a.Network.Address != "", "agent:client.network 1..1")
		c.need(a.Role == nil && a.AltID == "" && a.Name == "" && a.Location == nil && a.Media == nil && a.PurposeOfUse == nil,
			"agent:client: role, altId, name, location, media, purposeOfUse 0..0")
	}
	for _, a := range c.one("agent:user", participant, "IRCP") {
		c.user(a)
		c.need(a.AltID == "" && a.Location == nil, "agent:user: altId, location 0..0")
	}
	for _, a := range c.one("agent:userorg", "http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV") {
		c.bare("agent:userorg", a)
	}
	for _, a := range c.one("agent:authorizer", "http://terminology.hl7.org/CodeSystem/extra-security-role-type", "authserver") {
		c.bare("agent:authorizer", a)
		c.need(a.PurposeOfUse == nil, "agent:authorizer.purposeOfUse 0..0")
		c.need(reflect.DeepEqual(a.Who, e.Source.Observer), "val-audit-source: the authorizer is the audit source")
	}
	c.patient()
	consents := c.entities("http://hl7.org/fhir/resource-types", "Consent")
	c.need(len(consents) > 0, "entity:consent 1..*")
	for _, n := range consents {
		c.need(n.What != nil, "entity:consent.what 1..1")
	}
	tokens := c.entities("https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "UserOauthAgent")
	c.need(len(tokens) <= 1, "entity:token 0..1")
	for _, n := range tokens {
		c.need(n.What != nil && n.What.Identifier != nil && strings.HasPrefix(n.What.Identifier.Value, "urn:ietf:params:oauth:jti:"), "entity:token.what.identifier.value: jti")
	}
	c.need(len(e.Entity) == 1+len(consents)+len(tokens), "entity: slicing is closed")
}

// disclosure are the rules of PrivacyDisclosure.Source and .Recipient (BALP, input/fsh/Disclose.fsh). self is the recorder's role.
func (c *balpChecker) disclosure(kind, action, self string) {
	e := c.e
	c.need(e.Type == balpCoding{dcm, kind}, "type = %s", kind)
	c.need(e.Action == action, "action = %s", action)
	disclosed := 0
	for _, s := range e.Subtype {
		if s == (balpCoding{"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose"}) {
			disclosed++
		}
	}
	c.need(disclosed == 1, "subtype: disclose 1..1, got %d", disclosed)
	for role, code := range map[string]string{"source": "110153", "recipient": "110152"} {
		for _, a := range c.one("agent:"+role, dcm, code) {
			c.need(a.Network != nil && a.Network.Address != "", "agent:%s.network 1..1", role)
			c.need(code != self || reflect.DeepEqual(a.Who, e.Source.Observer), "val-audit-source: the %s is the audit source", role)
		}
	}
	for role, code := range map[string]string{"custodian": "159541003", "authorizer": "429577009"} {
		found := c.agents("http://snomed.info/sct", code)
		c.need(len(found) <= 1, "agent:%s 0..1, got %d", role, len(found))
		for _, a := range found {
			c.need(a.Who != nil, "agent:%s.who 1..1", role)
		}
	}
	c.need(len(e.Entity) >= 2, "entity 2..*")
	c.patient()
}

// one are the agents of a slice that must have exactly one, with its identity.
func (c *balpChecker) one(slice, system, code string) []balpAgent {
	found := c.agents(system, code)
	c.need(len(found) == 1, "%s 1..1, got %d", slice, len(found))
	for _, a := range found {
		c.need(a.Who != nil && *a.Who != balpReference{}, "%s.who 1..1", slice)
	}
	return found
}

// bare are the rules for an agent that has an identity and nothing more.
func (c *balpChecker) bare(slice string, a balpAgent) {
	c.need(a.Requestor != nil && !*a.Requestor, "%s.requestor = false", slice)
	c.need(a.Role == nil && a.AltID == "" && a.Name == "" && a.Location == nil && a.Policy == nil && a.Media == nil && a.Network == nil,
		"%s: role, altId, name, location, policy, media, network 0..0", slice)
}

// TestRulesHoldForTheExamplesOfIHE shows that the rules are those of BALP.
func TestRulesHoldForTheExamplesOfIHE(t *testing.T) {
	names, err := filepath.Glob("testdata/ihe-balp/AuditEvent-*.json")
	if err != nil || len(names) < 40 {
		t.Fatalf("got %d examples and error %v, want at least 40", len(names), err)
	}
	checked := 0
	for _, name := range names {
		problems, known := checkBALP(read(t, name))
		if known {
			checked++
		}
		for _, p := range problems {
			t.Errorf("%s: %s", filepath.Base(name), p)
		}
	}
	if checked < 30 {
		t.Errorf("got rules for %d examples, want at least 30", checked)
	}
}

// TestRulesBite removes parts of examples one by one, or adds what is not allowed.
func TestRulesBite(t *testing.T) {
	const query, decision, disclosure = "auditBasicQueryGetServer", "auditAuthZconsent", "auditPrivacyDisclosure-source"
	examples := map[string]string{}
	for _, name := range []string{query, decision, disclosure} {
		var compact bytes.Buffer
		if err := json.Compact(&compact, read(t, "testdata/ihe-balp/AuditEvent-ex-"+name+".json")); err != nil {
			t.Fatal(err)
		}
		examples[name] = compact.String()
	}
	const role, person = `"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":`, `"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1"`
	tests := []struct{ name, example, old, new, want string }{
		{"roles as in a read", query, `"110152"`, `"110150"`, "agent:server"},
		{"no query", query, role + `"24"`, role + `"4"`, "entity:query.role"},
		{"a refusal", query, `"outcome":"0"`, `"outcome":"4"`, "outcome = 0"},
		{"another action", query, `"action":"E"`, `"action":"R"`, "action = E"},
		{"a second requestor", query, `"requestor":false`, `"requestor":true`, "one agent is the requestor"},
		{"another subtype", query, `"code":"search"`, `"code":"read"`, "subtype"},
		{"a name beside the query", query, `"query":`, `"name":"x","query":`, "sev-1"},
		{"a detail of the query", query, `"query":`, `"detail":[{"type":"a","valueString":"b"}],"query":`, "0..0"},
		{"both forms of a detail", query, `"query":`, `"detail":[{"type":"a","valueString":"b","valueBase64Binary":""}],"query":`, "one value[x]"},
		{"no patient", query, person, strings.Replace(person, `"1"`, `"9"`, 1), "entity:patient 1..1"},
		{"a patient without a role", query, role + `"1"`, role + `"9"`, "entity:patient.role"},

		{"a decision that is no alert", decision, `"110113"`, `"110114"`, "type = Security Alert"},
		{"a decision of another sort", decision, `"AuthZ-Consent"`, `"AuthZ-Guess"`, "subtype from AuthZsubType"},
		{"a decision that is read", decision, `"action":"E"`, `"action":"R"`, "action = E"},
		{"a decision about no application", decision, `"110150"`, `"110151"`, "agent:client 1..1"},
		{"an application that is nowhere", decision, `"network":`, `"nothing":`, "agent:client.network"},
		{"an application with a purpose", decision, `"network":`, `"purposeOfUse":[{}],"network":`, "agent:client: role"},
		{"a user with another id", decision, `"purposeOfUse":`, `"altId":"x","purposeOfUse":`, "agent:user: altId"},
		{"no organization of the user", decision, `"PROV"`, `"PAT"`, "agent:userorg 1..1"},
		{"an authorizer that did not record it", decision, `"code":"authserver"}]},"who":{"reference":"Device/ex-authz"}`, `"code":"authserver"}]},"who":{"reference":"Device/x"}`, "val-audit-source"},
		{"an authorizer with a policy", decision, `"code":"authserver"}]},`, `"code":"authserver"}]},"policy":["urn:x"],`, "agent:authorizer: role"},
		{"no consent", decision, `"code":"Consent"`, `"code":"Contract"`, "entity:consent 1..*"},
		{"something else beside the consent", decision, `"entity":[`, `"entity":[{"type":{"system":"urn:x","code":"y"}},`, "closed"},

		{"a disclosure that is an import", disclosure, `"110106"`, `"110107"`, "type = 110106"},
		{"a disclosure that creates", disclosure, `"action":"R"`, `"action":"C"`, "action = R"},
		{"a disclosure that is none", disclosure, `"disclose"`, `"archive"`, "subtype: disclose"},
		{"no recipient", disclosure, `"110152"`, `"110151"`, "agent:recipient 1..1"},
		{"a source that did not record it", disclosure, `"who":{"display":"model`, `"who":{"display":"other model`, "val-audit-source"},
		{"a recipient that is nowhere", disclosure, `"network":{"address":"http:`, `"nothing":{"address":"http:`, "agent:recipient.network"},
		{"a disclosure about nobody", disclosure, person, strings.Replace(person, `"1"`, `"9"`, 1), "entity:patient 1..1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			example := examples[tt.example]
			if !strings.Contains(example, tt.old) {
				t.Fatalf("the example has no %s", tt.old)
			}
			problems, _ := checkBALP([]byte(strings.Replace(example, tt.old, tt.new, 1)))
			if !strings.Contains(strings.Join(problems, "; "), tt.want) {
				t.Errorf("got problems %q, want one with %q", problems, tt.want)
			}
		})
	}
}
