package audit_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

var gateway = audit.FHIROptions{
	Gateway: "https://gw.example", Name: "Zorgsluis Noord", Site: "Groningen", Holders: map[string]string{"huisarts": "ura:00000009"},
}

// render is the first FHIR form of an event, checked against all rules.
func render(t *testing.T, e audit.Event) (balpEvent, string) {
	t.Helper()
	return renderAs(t, e, audit.FormEvent)
}

func renderAs(t *testing.T, e audit.Event, f audit.Form) (balpEvent, string) {
	t.Helper()
	b, err := e.FHIRAs(f, gateway)
	if err != nil {
		t.Fatalf("FHIR: %v", err)
	}
	keep(t, b)
	problems, known := checkBALP(b)
	if !known {
		t.Errorf("claims a profile that there are no rules for: %s", b)
	}
	for _, p := range problems {
		t.Errorf("breaks %s\n%s", p, b)
	}
	checkNoEmpty(t, b)
	var got balpEvent
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(got.Agent, func(a balpAgent) bool { return a.Requestor != nil && *a.Requestor }) {
		t.Errorf("nobody is the requestor: %s", b)
	}
	return got, string(b)
}

// keep writes a rendered event for an independent validator (make validate), if wanted.
func keep(t *testing.T, b []byte) {
	t.Helper()
	folder := os.Getenv("ZORGSLUIS_SAMPLES")
	if folder == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, "r4", fmt.Sprintf("%x.json", sha256.Sum256(b))), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkNoEmpty fails on empty texts, lists and objects, and null: FHIR JSON has none of them (R4 §2.6.2).
func checkNoEmpty(t *testing.T, b []byte) {
	t.Helper()
	for _, empty := range []string{`""`, `[]`, `{}`, `null`} {
		if strings.Contains(string(b), ":"+empty) || strings.Contains(string(b), "["+empty) {
			t.Errorf("holds %s: %s", empty, b)
		}
	}
}

// variants are events of every kind, with few and with many members.
func variants() []audit.Event {
	search := access()
	readOne := access()
	readOne.Interaction, readOne.Query, readOne.Disclosed = fhir.CodeRead, "Observation/o1", []string{"Observation/o1"}
	patient := access()
	patient.Reason = "ok-self"
	patient.Actor = audit.NewActor(policy.Subject{Issuer: "https://digid.example", ID: "x", ClientID: "pgo", TokenID: "j", Kind: policy.KindPatient, Channel: "medmij"})
	patient.Actor.Purpose = policy.PurposePatientRequest
	representative := patient
	representative.Actor.Kind, representative.Reason = "representative", "ok-representative"
	system := access()
	system.Actor.Subject, system.Actor.Practitioner, system.Actor.Name = "his-app", "", ""
	unread := audit.Event{ID: "00-1", Time: search.Time, Version: 1, Kind: audit.KindAccess, Outcome: audit.OutcomeDeny, Reason: "request-refused"}
	var events []audit.Event
	for _, e := range []audit.Event{search, readOne, patient, representative, system, unread} {
		for _, kind := range []audit.Kind{audit.KindAccess, audit.KindLog, audit.KindConsent, audit.KindPerson, audit.KindBreakGlass, audit.KindReview, audit.KindUnauthenticated} {
			for _, outcome := range []audit.Outcome{audit.OutcomePermit, audit.OutcomeDeny, audit.OutcomeError} {
				e.Kind, e.Outcome, e.Consent, e.Declaration = kind, outcome, "", ""
				events = append(events, e)
				full := e
				full.Consent, full.Declaration, full.Emergency = "07-c9", "07-d1", "unconscious"
				full.Obligations, full.Generation, full.Count, full.DisclosedTotal = []policy.Obligation{"alert"}, 3, 4, 5000
				events = append(events, full)
				bare := e
				bare.Actor, bare.Person, bare.Source, bare.Address, bare.Request = audit.Actor{}, "", "", "", ""
				bare.Disclosed, bare.Records, bare.Categories, bare.Query, bare.Policy = nil, nil, nil, "", ""
				events = append(events, bare)
				unplaced, anonymous := e, e
				unplaced.Address, anonymous.Actor.Client = "unknown", ""
				events = append(events, unplaced, anonymous)
			}
		}
	}
	return events
}

func TestEveryEventMeetsTheRulesOfWhatItClaims(t *testing.T) {
	claims := map[string]int{}
	for _, e := range variants() {
		for _, form := range e.Forms(gateway) {
			got, _ := renderAs(t, e, form)
			if e.Outcome != audit.OutcomePermit && form != audit.FormDecision && len(got.Meta.Profile) > 0 {
				t.Errorf("a refusal claims %v", got.Meta.Profile)
			}
			for _, p := range got.Meta.Profile {
				claims[strings.TrimPrefix(p, balp)]++
			}
			if t.Failed() {
				t.Fatalf("event %+v as %s", e, form)
			}
		}
	}
	for _, name := range []string{"PatientRead", "PatientQuery", "PatientUpdate", "OAUTHaccessTokenUse.Comprehensive", "AuthZconsent", "PrivacyDisclosure.Source"} {
		if claims[name] == 0 {
			t.Errorf("no event claims %s", name)
		}
	}
}

// agent is the one agent of an event with that type.
func (e balpEvent) agent(t *testing.T, system, code string) balpAgent {
	t.Helper()
	for _, a := range e.Agent {
		if slices.Contains(a.Type.Coding, balpCoding{system, code}) {
			return a
		}
	}
	t.Fatalf("no agent %s among %+v", code, e.Agent)
	return balpAgent{}
}

// of are the entities of one type.
func (e balpEvent) of(system, code string) []balpEntity {
	return (&balpChecker{e: e}).entities(system, code)
}

// detail are the values of one detail of the decision.
func (e balpEvent) detail(name string) []string {
	var values []string
	for _, n := range e.of("urn:zorgsluis:audit-entity", "decision") {
		for _, d := range n.Detail {
			if d["type"] == name {
				values = append(values, d["valueString"].(string))
			}
		}
	}
	return values
}

// TestANoticeSaysWhatItIsAbout: the AuditEvent has what a notice says, since that is where the patient reads it.
func TestANoticeSaysWhatItIsAbout(t *testing.T) {
	e := access()
	e.Kind, e.Reason, e.Grounds = audit.KindConsent, "catalogue-changed", "party gp now covers organisation type B1"
	if got, _ := render(t, e); !slices.Equal(got.detail("grounds"), []string{e.Grounds}) {
		t.Errorf("got grounds %q, want %q once", got.detail("grounds"), e.Grounds)
	}
	e.Declaration = "07-d1"
	if got, _ := render(t, e); len(got.detail("grounds")) != 0 {
		t.Errorf("got grounds %q beside those of the declaration", got.detail("grounds"))
	}
}

func TestSearchIsAPatientQuery(t *testing.T) {
	e := access()
	got, _ := render(t, e)
	if want := []string{balp + "PatientQuery", balp + "OAUTHaccessTokenUse.Comprehensive"}; !slices.Equal(got.Meta.Profile, want) {
		t.Errorf("got profiles %v, want %v", got.Meta.Profile, want)
	}
	if got.Recorded != eventTime || got.Outcome != "0" || !strings.HasPrefix(got.OutcomeDesc, "ok-consent: ") {
		t.Errorf("got recorded %s, outcome %s, %q", got.Recorded, got.Outcome, got.OutcomeDesc)
	}
	client, server := got.agent(t, dcm, "110153"), got.agent(t, dcm, "110152")
	if client.Who.Identifier.Value != "his-app" || client.Network.Address != "192.0.2.7" || client.Network.Type != "2" {
		t.Errorf("got client %+v, want his-app at 192.0.2.7", client)
	}
	if server.Network.Address != "https://gw.example/fhir/huisarts" || !slices.Equal(server.Policy, []string{"urn:zorgsluis:policy:sha256-abc"}) {
		t.Errorf("got server %+v, want the gateway's URL for the source, and the policy", server)
	}
	user := got.agent(t, participant, "IRCP")
	if user.Who.Identifier.System != "https://idp.example" || user.Who.Identifier.Value != "u-1" || user.AltID != "uzi:900000001" ||
		user.Name != "J. de Vries" || !slices.Equal(user.Policy, []string{"urn:ietf:params:oauth:jti:jti-1"}) || len(user.Role) != 3 {
		t.Errorf("got user %+v, want the professional by issuer and subject, with name, UZI number, roles and token", user)
	}
	organization := got.agent(t, "http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV")
	if organization.Who.Identifier.System != "http://fhir.nl/fhir/NamingSystem/ura" || organization.Who.Identifier.Value != "00000001" {
		t.Errorf("got organization %+v, want its URA", organization.Who)
	}
	query, err := base64.StdEncoding.DecodeString(got.of(entityType, "2")[0].Query)
	if err != nil || string(query) != e.Query {
		t.Errorf("got query %q and error %v, want the redacted query", query, err)
	}
	var disclosed []string
	for _, n := range got.of("http://hl7.org/fhir/resource-types", "Observation") {
		disclosed = append(disclosed, n.What.Reference)
	}
	if want := []string{"https://gw.example/fhir/huisarts/Observation/o1", "https://gw.example/fhir/huisarts/Observation/o2"}; !slices.Equal(disclosed, want) {
		t.Errorf("got disclosed %v, want %v", disclosed, want)
	}
	if c := got.of("http://hl7.org/fhir/resource-types", "Consent"); len(c) != 1 || c[0].What.Reference != "https://gw.example/gateway/Consent/07-c1" {
		t.Errorf("got consents %+v, want the record that decided", c)
	}
	if p := got.of(entityType, "1"); len(p) != 1 || p[0].What.Identifier.System != "urn:zorgsluis:person-key" || p[0].What.Identifier.Value != personKey {
		t.Errorf("got patient %+v, want the person key", p)
	}
	if got.Source.Site != "Groningen" || got.Source.Observer.Display != "Zorgsluis Noord" {
		t.Errorf("got source %+v, want the gateway", got.Source)
	}
	for name, want := range map[string][]string{
		"nen7513-resultaat": {"1"}, "nen7513-controles": {"TTTF"}, "nen7513-behandelrelatieprotocol": {"treating"},
		"reason": {"ok-consent"}, "source": {"huisarts"}, "channel": {"regional"}, "assurance": {"substantial"}, "data-category": {"LabResult"},
	} {
		if !slices.Equal(got.detail(name), want) {
			t.Errorf("got %s %v, want %v", name, got.detail(name), want)
		}
	}
}

func TestReadIsAPatientRead(t *testing.T) {
	e := access()
	e.Interaction, e.Disclosed = fhir.CodeRead, []string{"Observation/o1"}
	got, _ := render(t, e)
	if !slices.Contains(got.Meta.Profile, balp+"PatientRead") {
		t.Errorf("got profiles %v, want PatientRead", got.Meta.Profile)
	}
	if got.agent(t, dcm, "110152").Network.Address != "192.0.2.7" {
		t.Error("in a read the client is the destination")
	}
	if data := got.of(entityType, "2"); len(data) != 1 || data[0].What.Reference != "https://gw.example/fhir/huisarts/Observation/o1" {
		t.Errorf("got data %+v, want what was read", data)
	}
	e.Disclosed = []string{"Patient/secret-1"}
	got, text := render(t, e)
	if data := got.of(entityType, "2"); len(data) != 1 || data[0].What.Identifier.Value != personKey || strings.Contains(text, "secret-1") {
		t.Errorf("got data %+v, want the patient by the person key", data)
	}
}

// TestEveryInteractionHasItsPattern: each interaction that the gate serves says what it was, in the standard's words.
func TestEveryInteractionHasItsPattern(t *testing.T) {
	for code, want := range map[fhir.Code][]string{
		fhir.CodeRead:       {"read", "R"},
		fhir.CodeVRead:      {"vread", "R"},
		fhir.CodeHistory:    {"history-instance", "R"},
		fhir.CodeAttachment: {"read", "R"},
		fhir.CodeSearch:     {"search-type", "E"},
		fhir.CodeEverything: {"operation", "E"},
		fhir.CodeLastN:      {"operation", "E"},
	} {
		e := access()
		e.Interaction = code
		got, _ := render(t, e)
		if have := []string{got.Subtype[0].Code, got.Action}; got.Type.Code != "rest" || !slices.Equal(have, want) {
			t.Errorf("%s: got %s %v, want rest %v", code, got.Type.Code, have, want)
		}
		client := map[string]string{"R": "110152", "E": "110153"}[want[1]]
		if got.agent(t, dcm, client).Who.Identifier.Value != "his-app" {
			t.Errorf("%s: the client has not the role %s", code, client)
		}
	}
}

func TestPatientIsNamedByTheKeyOnlyWhereTheCallerIsThatPatient(t *testing.T) {
	e := access()
	e.Actor = audit.Actor{Issuer: "https://digid.example", Client: "pgo", Token: "j", Kind: "patient"}
	tests := []struct {
		name    string
		kind    string
		outcome audit.Outcome
		reason  policy.Reason
		want    bool
	}{
		{"the patient reads the own record", "patient", audit.OutcomePermit, "ok-self", true},
		{"a patient tries the record of another", "patient", audit.OutcomeDeny, "patient-mismatch", false},
		{"a patient meets an error before it is known whose record it is", "patient", audit.OutcomeError, "source-status", false},
		{"a representative reads", "representative", audit.OutcomePermit, "ok-representative", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e
			e.Actor.Kind, e.Outcome, e.Reason = tt.kind, tt.outcome, tt.reason
			got, _ := render(t, e)
			who := got.agent(t, participant, "IRCP").Who
			if named := who.Identifier != nil && who.Identifier.Value == personKey; named != tt.want {
				t.Errorf("got who %+v, named %v, want %v", who, named, tt.want)
			}
		})
	}
}

func TestChecksOfNEN7513(t *testing.T) {
	tests := []struct {
		name        string
		outcome     audit.Outcome
		reason      policy.Reason
		relation    policy.Relationship
		declaration string
		want        []string
		fhirOutcome string
		result      string
	}{
		{"consent", audit.OutcomePermit, "ok-consent", "treating", "", []string{"TTTF"}, "0", "1"},
		{"assumed consent", audit.OutcomePermit, "ok-implied", "substitute", "", []string{"TTTF"}, "0", "1"},
		{"the patient", audit.OutcomePermit, "ok-self", "", "", []string{"TFFF"}, "0", "1"},
		{"an emergency", audit.OutcomePermit, "ok-emergency-unknown", "none", "07-d1", []string{"TFFT"}, "0", "1"},
		{"an emergency that the patient allows", audit.OutcomePermit, "ok-emergency-exception", "", "07-d1", []string{"TFTT"}, "0", "1"},
		{"no consent", audit.OutcomeDeny, "no-consent", "directly-involved", "", []string{"TTFF"}, "4", "2"},
		{"no relation", audit.OutcomeDeny, "no-treatment-relation", "none", "", []string{"TFFF"}, "4", "2"},
		{"an emergency refused", audit.OutcomeDeny, "emergency-refused", "", "07-d1", []string{"TFFT"}, "4", "2"},
		{"an insurer", audit.OutcomeDeny, "blocked-insurer", "treating", "", []string{"FTFF"}, "4", "2"},
		{"too low a level", audit.OutcomeDeny, "insufficient-assurance", "treating", "", []string{"FTFF"}, "4", "2"},
		{"a request that was not understood", audit.OutcomeDeny, "request-refused", "treating", "", nil, "4", "2"},
		{"a source that does not answer", audit.OutcomeError, "source-timeout", "treating", "", nil, "8", "3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := access()
			e.Outcome, e.Reason, e.Actor.Relationship = tt.outcome, tt.reason, tt.relation
			e.Declaration = consent.DeclarationID(tt.declaration)
			got, _ := render(t, e)
			if c := got.detail("nen7513-controles"); !slices.Equal(c, tt.want) {
				t.Errorf("got controles %v, want %v", c, tt.want)
			}
			if got.Outcome != tt.fhirOutcome || !slices.Equal(got.detail("nen7513-resultaat"), []string{tt.result}) {
				t.Errorf("got outcome %s, resultaat %v, want %s and %s", got.Outcome, got.detail("nen7513-resultaat"), tt.fhirOutcome, tt.result)
			}
			if !strings.HasPrefix(got.OutcomeDesc, string(tt.reason)) {
				t.Errorf("got outcomeDesc %q, want the reason %s first", got.OutcomeDesc, tt.reason)
			}
		})
	}
}

func TestEmergencyIsMarked(t *testing.T) {
	e := access()
	e.Reason, e.Declaration, e.Emergency = "ok-emergency-unknown", "07-d1", "unconscious\nafter a fall"
	e.Code, e.Grounds = "unconscious", "no other way"
	e.Actor.Purpose = policy.PurposeEmergency
	got, _ := render(t, e)
	want := []string{"BTG", "ETREAT"}
	for name, concepts := range map[string][]balpConcept{
		"purposeOfEvent": got.PurposeOfEvent, "purposeOfUse": got.agent(t, participant, "IRCP").PurposeOfUse,
	} {
		var codes []string
		for _, c := range concepts {
			codes = append(codes, c.Coding[0].Code)
		}
		if !slices.Equal(codes, want) {
			t.Errorf("got %s %v, want %v", name, codes, want)
		}
	}
	declared := got.of("urn:zorgsluis:audit-entity", "break-glass")
	if len(declared) != 1 || declared[0].What.Identifier.Value != "07-d1" || declared[0].Description != "unconscious after a fall" {
		t.Fatalf("got declaration %+v, want 07-d1 and its reason", declared)
	}
	for i, want := range [][2]string{{"reason-code", "unconscious"}, {"grounds", "no other way"}} {
		if d := declared[0].Detail; len(d) != 2 || d[i]["type"] != want[0] || d[i]["valueString"] != want[1] {
			t.Errorf("got details %v, want %v", d, want)
		}
	}
	e.Actor.Purpose, e.Declaration, e.Emergency = policy.PurposeTreatment, "", ""
	if got, _ := render(t, e); len(got.PurposeOfEvent) != 1 || got.PurposeOfEvent[0].Coding[0].Code != "TREAT" {
		t.Errorf("got purposes %v without an emergency, want TREAT", got.PurposeOfEvent)
	}
}

func TestEveryKindHasItsPattern(t *testing.T) {
	const (
		rest  = "rest"
		alert = "110113"
	)
	tests := []struct {
		name        string
		kind        audit.Kind
		interaction fhir.Code
		reason      policy.Reason
		want        []string // type, subtype, action
	}{
		{"a read", audit.KindAccess, fhir.CodeRead, "ok-consent", []string{rest, "read", "R"}},
		{"a search", audit.KindAccess, fhir.CodeSearch, "ok-consent", []string{rest, "search-type", "E"}},
		{"what was not understood", audit.KindAccess, "", "request-refused", []string{rest, "", ""}},
		{"looking at the events", audit.KindLog, "", "ok-self", []string{rest, "search-type", "E"}},
		{"a new consent", audit.KindConsent, audit.CodeCreate, "consent-changed", []string{rest, "create", "C"}},
		{"a changed consent", audit.KindConsent, audit.CodeUpdate, "consent-changed", []string{rest, "update", "U"}},
		{"a flag", audit.KindPerson, "", "flag-set", []string{"110110", "person", "U"}},
		{"a declaration", audit.KindBreakGlass, "", audit.ReasonDeclared, []string{alert, "110127", "E"}},
		{"the end of a declaration", audit.KindBreakGlass, "", audit.ReasonDeclarationEnded, []string{alert, "110138", "E"}},
		{"a review", audit.KindReview, "", "justified", []string{alert, "review", "E"}},
		{"a caller who is not known", audit.KindUnauthenticated, "", "token-expired", []string{"110114", "110122", "E"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := access()
			e.Kind, e.Interaction, e.Reason, e.Consent, e.Disclosed = tt.kind, tt.interaction, tt.reason, "07-c9", nil
			got, _ := render(t, e)
			subtype := ""
			for _, s := range got.Subtype {
				subtype += s.Code
			}
			if have := []string{got.Type.Code, subtype, got.Action}; !slices.Equal(have, tt.want) {
				t.Errorf("got %v, want %v", have, tt.want)
			}
			if client := map[string]string{"R": "110152", "E": "110153", "C": "110153", "U": "110153"}[got.Action]; got.Type.Code == rest && client != "" &&
				got.agent(t, dcm, client).Who.Identifier.Value != "his-app" {
				t.Errorf("got agents %+v, want the client as %s", got.Agent, client)
			}
			if objects := got.of(entityType, "2"); tt.kind == audit.KindConsent &&
				(len(objects) != 1 || objects[0].What.Reference != "https://gw.example/gateway/Consent/07-c9") {
				t.Errorf("got objects %+v, want the consent", objects)
			}
		})
	}
}

func TestControlCharactersAreNotInFHIR(t *testing.T) {
	e := access()
	e.Actor.Name, e.Emergency, e.Declaration = "a\x1b[31m\u202eb", "\x00\x7f", "07-d1"
	_, text := render(t, e)
	for _, bad := range []string{"\x1b", "\u202e", `\u001b`, `\u202e`, `\u0000`, "\x7f"} {
		if strings.Contains(text, bad) {
			t.Errorf("the resource holds %q: %s", bad, text)
		}
	}
}

func TestFHIRWantsARecordedEvent(t *testing.T) {
	for name, change := range map[string]func(*audit.Event){
		"no id":   func(e *audit.Event) { e.ID = "" },
		"no time": func(e *audit.Event) { e.Time = time.Time{} },
		"a BSN":   func(e *audit.Event) { e.Person = canary },
	} {
		e := access()
		change(&e)
		if b, err := e.FHIR(gateway); !errors.Is(err, audit.ErrEvent) || b != nil {
			t.Errorf("%s: got %s and error %v, want ErrEvent", name, b, err)
		}
		if b, err := audit.Searchset(audit.Page{Events: []audit.Shown{shown(access()), shown(e)}}, gateway); !errors.Is(err, audit.ErrEvent) || b != nil {
			t.Errorf("%s: got searchset %s and error %v, want ErrEvent", name, b, err)
		}
	}
}

// TestAnOperatorIsNamed: whoever gave a verdict, or set something by hand, is in the event by the name given.
func TestAnOperatorIsNamed(t *testing.T) {
	e := access()
	e.Kind, e.Reason, e.Actor = audit.KindReview, audit.ReasonReviewJustified, audit.Actor{Name: "P. de Jong", Kind: "other", Roles: []string{audit.RoleOperator}}
	got, _ := render(t, e)
	if user := got.agent(t, participant, "AUT"); user.Name != "P. de Jong" || user.Who.Display != "P. de Jong" || user.Who.Identifier != nil || !*user.Requestor {
		t.Errorf("got user %+v, want the name that was given", user)
	} else if role := user.Role[0].Coding[0]; role != (balpCoding{"urn:zorgsluis:actor-kind", "operator"}) {
		t.Errorf("got role %v, want an operator, which is no UZI role", role)
	}
	e.Actor.Name = ""
	if got, _ := render(t, e); len(got.Agent) != 2 {
		t.Errorf("got agents %+v, want no user where nobody was named", got.Agent)
	}
}

func TestTestDataIsMarked(t *testing.T) {
	o := gateway
	o.Test, o.Site = true, ""
	b, err := access().FHIR(o)
	if err != nil {
		t.Fatal(err)
	}
	var got balpEvent
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if want := (balpCoding{"http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST"}); !slices.Contains(got.Meta.Security, want) {
		t.Errorf("got security %v, want HTEST", got.Meta.Security)
	}
	if got.Source.Site != "gw.example" {
		t.Errorf("got site %q, want the host of the gateway where none is given", got.Source.Site)
	}
}

func shown(e audit.Event) audit.Shown { return audit.Shown{Event: e, Form: audit.FormEvent} }

func TestSearchsetHoldsTheEventsInOrder(t *testing.T) {
	second := access()
	second.ID = "07-second"
	b, err := audit.Searchset(audit.Page{Events: []audit.Shown{shown(access()), shown(second)}}, gateway)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ResourceType, Type string
		Total              *int
		Link               []struct{ Relation, URL string }
		Entry              []struct {
			FullURL  string
			Resource json.RawMessage
			Search   struct{ Mode string }
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.ResourceType != "Bundle" || got.Type != "searchset" || got.Total != nil || len(got.Link) != 1 ||
		got.Link[0].Relation != "self" || got.Link[0].URL != "https://gw.example/gateway/AuditEvent" {
		t.Errorf("got %s", b)
	}
	var urls []string
	for _, e := range got.Entry {
		urls = append(urls, e.FullURL)
		if problems, _ := checkBALP(e.Resource); len(problems) > 0 || e.Search.Mode != "match" {
			t.Errorf("entry %s: mode %s, problems %v", e.FullURL, e.Search.Mode, problems)
		}
	}
	if want := []string{"https://gw.example/gateway/AuditEvent/07-3f2a", "https://gw.example/gateway/AuditEvent/07-second"}; !slices.Equal(urls, want) {
		t.Errorf("got %v, want %v", urls, want)
	}
	empty, err := audit.Searchset(audit.Page{}, gateway)
	if err != nil || strings.Contains(string(empty), "entry") {
		t.Errorf("got %s and error %v, want a bundle without entries", empty, err)
	}
	page, err := audit.Searchset(audit.Page{Self: "?date=2026", Next: "?_cursor=x", Incomplete: true}, gateway)
	if err != nil {
		t.Fatal(err)
	}
	got.Link, got.Entry = nil, nil
	if err := json.Unmarshal(page, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Link) != 2 || got.Link[0].URL != "https://gw.example/gateway/AuditEvent?date=2026" || got.Link[1].Relation != "next" ||
		got.Link[1].URL != "https://gw.example/gateway/AuditEvent?_cursor=x" || len(got.Entry) != 1 || got.Entry[0].Search.Mode != "outcome" {
		t.Errorf("got %s, want the query, the next page, and that older events are missing", page)
	}
}

func TestEventMatchesWhatItShows(t *testing.T) {
	refused := access()
	refused.Outcome, refused.Actor.Organization = audit.OutcomeDeny, "ura:00000002"
	declared := access()
	declared.Kind, declared.Reason = audit.KindBreakGlass, "declared"
	for query, want := range map[string][3]bool{
		"":          {true, true, true},
		"outcome=4": {false, true, false},
		"outcome=http://hl7.org/fhir/audit-event-outcome|0": {true, false, true},
		"date=2026-11-21":            {true, true, true},
		"date=2026-11-21T13:00":      {true, true, true}, // Amsterdam
		"date=lt2026-11-21":          {false, false, false},
		"date=ge2026&date=lt2027":    {true, true, true},
		"date=ge2026&date=lt2026-02": {false, false, false},
		"type=rest":                  {true, true, false},
		"type=http://dicom.nema.org/resources/ontology/DCM|110114": {false, false, false},
		"subtype=search-type": {true, true, false},
		"subtype=110127":      {false, false, true},
		"agent.identifier=http://fhir.nl/fhir/NamingSystem/ura|00000002":          {false, true, false},
		"agent:identifier=http://fhir.nl/fhir/NamingSystem/uzi-nr-pers|900000001": {true, true, true},
		"agent.identifier=https://idp.example|u-1":                                {true, true, true},
		"agent.identifier=https://idp.example|u-2":                                {false, false, false},
		"outcome=4&type=rest": {false, true, false},
	} {
		search, err := fhir.ParseOwnSearch("AuditEvent", fhir.Request{Method: "GET", RawQuery: query})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for n, e := range []audit.Event{access(), refused, declared} {
			if form, got := e.Matches(search, consent.Zone(), gateway); got != want[n] || form != audit.FormEvent {
				t.Errorf("%q, event %d: got %v as %s, want %v", query, n, got, form, want[n])
			}
		}
	}
	if _, ok := access().Matches(fhir.OwnSearch{Params: []fhir.Param{{Name: "unknown", Value: "x"}}}, time.UTC, gateway); ok {
		t.Error("a parameter that is not understood matches")
	}
}
