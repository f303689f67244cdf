package audit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// TestWhichFormsAnEventHas: one event of the record is up to three AuditEvents, each of one pattern of BALP.
func TestWhichFormsAnEventHas(t *testing.T) {
	const event, decision, disclosure = audit.FormEvent, audit.FormDecision, audit.FormDisclosure
	tests := []struct {
		name   string
		change func(*audit.Event)
		want   []audit.Form
	}{
		{"another organization is given something", func(*audit.Event) {}, []audit.Form{event, decision, disclosure}},
		{"the holder asks its own source", func(e *audit.Event) { e.Actor.Organization = "ura:00000009" }, []audit.Form{event, decision}},
		{"a source that nobody is known to hold", func(e *audit.Event) { e.Source = "gone" }, []audit.Form{event, decision, disclosure}},
		{"nothing was found", func(e *audit.Event) { e.Disclosed = nil }, []audit.Form{event, decision}},
		{"it is refused", func(e *audit.Event) { e.Outcome, e.Reason, e.Disclosed = audit.OutcomeDeny, "consent-refused", nil }, []audit.Form{event, decision}},
		{"a source that does not answer", func(e *audit.Event) { e.Outcome, e.Reason = audit.OutcomeError, "source-timeout" }, []audit.Form{event}},
		{"nobody knows whose record", func(e *audit.Event) { e.Person = "" }, []audit.Form{event}},
		{"the patient looks who looked", func(e *audit.Event) { e.Kind, e.Reason = audit.KindLog, "ok-self" }, []audit.Form{event}},
		{"a declaration", func(e *audit.Event) { e.Kind, e.Reason = audit.KindBreakGlass, audit.ReasonDeclared }, []audit.Form{event}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := access()
			tt.change(&e)
			if got := e.Forms(gateway); !slices.Equal(got, tt.want) {
				t.Errorf("got forms %v, want %v", got, tt.want)
			}
			ids := map[string]bool{}
			for _, form := range []audit.Form{event, decision, disclosure} {
				b, err := e.FHIRAs(form, gateway)
				if has := slices.Contains(tt.want, form); has != (err == nil) || !has && !errors.Is(err, audit.ErrEvent) {
					t.Fatalf("%s: got %s and error %v", form, b, err)
				} else if !has {
					continue
				}
				got, _ := renderAs(t, e, form)
				if id, f := audit.CutForm(got.ID); id != e.ID || f != form || ids[got.ID] {
					t.Errorf("got id %s of %s, want one that names event and form, and no other", got.ID, form)
				}
				ids[got.ID] = true
			}
		})
	}
}

// TestDecisionIsAnAuthZconsent: if consents decided, permit or refusal, the decision meets the pattern; else it claims nothing.
func TestDecisionIsAnAuthZconsent(t *testing.T) {
	const consented, byRole = "AuthZ-Consent", "AuthZ-Role"
	tests := []struct {
		name     string
		change   func(*audit.Event)
		outcome  string
		subtype  string
		conforms bool
	}{
		{"consent given", func(*audit.Event) {}, "0", consented, true},
		{"consent refused", func(e *audit.Event) { e.Outcome, e.Reason, e.Disclosed = audit.OutcomeDeny, "consent-refused", nil }, "8", consented, true},
		{"an emergency that was refused", func(e *audit.Event) {
			e.Outcome, e.Reason, e.Disclosed, e.Declaration = audit.OutcomeDeny, "emergency-refused", nil, "07-d1"
		}, "8", consented, true},
		{"no consent at all", func(e *audit.Event) { e.Outcome, e.Reason, e.Records = audit.OutcomeDeny, "no-consent", nil }, "8", byRole, false},
		{"an insurer", func(e *audit.Event) { e.Outcome, e.Reason, e.Records = audit.OutcomeDeny, "blocked-insurer", nil }, "8", byRole, false},
		{"the patient", func(e *audit.Event) {
			e.Reason, e.Records = "ok-self", nil
			e.Actor = audit.Actor{Issuer: "https://digid.example", Client: "pgo", Kind: "patient", Purpose: policy.PurposePatientRequest}
		}, "0", byRole, false},
		{"a system without a user", func(e *audit.Event) { e.Actor.Subject, e.Actor.Practitioner = "his-app", "" }, "0", consented, false},
		{"an organization that is not known", func(e *audit.Event) { e.Actor.Organization = "" }, "0", consented, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := access()
			tt.change(&e)
			got, text := renderAs(t, e, audit.FormDecision)
			if got.Type.Code != "110113" || got.Subtype[0].Code != tt.subtype || got.Outcome != tt.outcome || !strings.HasPrefix(got.OutcomeDesc, string(e.Reason)) {
				t.Errorf("got %s %s, outcome %s, %q", got.Type.Code, got.Subtype[0].Code, got.Outcome, got.OutcomeDesc)
			}
			if conforms := slices.Equal(got.Meta.Profile, []string{balp + "AuthZconsent"}); conforms != tt.conforms {
				t.Errorf("got profiles %v, want AuthZconsent %v", got.Meta.Profile, tt.conforms)
			}
			if strings.Contains(text, "uzi-nr-pers") || len(got.Entity) > 3 {
				t.Errorf("holds what the pattern leaves out: %s", text)
			}
		})
	}
	got, _ := renderAs(t, access(), audit.FormDecision)
	if got.agent(t, dcm, "110150").Who.Identifier.Value != "his-app" || got.agent(t, participant, "IRCP").Who.Identifier.Value != "u-1" ||
		got.of("http://hl7.org/fhir/resource-types", "Consent")[0].What.Reference != "https://gw.example/gateway/Consent/07-c1" {
		t.Errorf("got %+v, want who asked and the consent that decided", got)
	}
	if tokens := got.of("https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "UserOauthAgent"); len(tokens) != 1 ||
		tokens[0].What.Identifier.Value != "urn:ietf:params:oauth:jti:jti-1" {
		t.Errorf("got tokens %+v, want the jti", tokens)
	}
}

func TestDisclosureNamesWhoGaveWhatToWhom(t *testing.T) {
	got, _ := renderAs(t, access(), audit.FormDisclosure)
	if !slices.Contains(got.Meta.Profile, balp+"PrivacyDisclosure.Source") {
		t.Errorf("got profiles %v, want PrivacyDisclosure.Source", got.Meta.Profile)
	}
	if !slices.Equal(got.Subtype, []balpCoding{{"http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose"}, {"http://hl7.org/fhir/restful-interaction", "search-type"}}) {
		t.Errorf("got subtypes %v, want disclose, and what was asked", got.Subtype)
	}
	const sct = "http://snomed.info/sct"
	if recipient := got.agent(t, dcm, "110152"); recipient.Who.Identifier.Value != "his-app" || recipient.Network.Address != "192.0.2.7" {
		t.Errorf("got recipient %+v, want the caller's system", recipient)
	}
	if custodian := got.agent(t, sct, "159541003"); custodian.Who.Identifier.Value != "00000009" {
		t.Errorf("got custodian %+v, want who holds the source", custodian.Who)
	}
	if authorizer := got.agent(t, sct, "429577009"); authorizer.Who.Identifier.Value != personKey {
		t.Errorf("got authorizer %+v, want the patient who consented", authorizer.Who)
	}
	if len(got.of("http://hl7.org/fhir/resource-types", "Observation")) != 2 || !slices.Equal(got.detail("data-category"), []string{"LabResult"}) {
		t.Errorf("got entities %+v, want what was given", got.Entity)
	}
	e := access()
	e.Reason, e.Records, e.Declaration = "ok-emergency-unknown", nil, "07-d1"
	if got, text := renderAs(t, e, audit.FormDisclosure); strings.Contains(text, "429577009") || len(got.PurposeOfEvent) != 2 {
		t.Errorf("an emergency without consent has an authorizer, or is not marked: %s", text)
	}
}

// TestASearchByTypeFindsTheOtherForms: a decision or a disclosure is shown to whoever asks for it, and each event once.
func TestASearchByTypeFindsTheOtherForms(t *testing.T) {
	own, refused, declared := access(), access(), access()
	own.Actor.Organization = "ura:00000009"
	refused.Outcome, refused.Reason, refused.Disclosed = audit.OutcomeDeny, "consent-refused", nil
	declared.Kind, declared.Reason = audit.KindBreakGlass, audit.ReasonDeclared
	const event, decision, disclosure, none = audit.FormEvent, audit.FormDecision, audit.FormDisclosure, audit.Form("")
	for query, want := range map[string][4]audit.Form{ // of access(), own, refused, declared
		"":                                {event, event, event, event},
		"type=110113":                     {decision, decision, decision, event},
		"subtype=AuthZ-Consent":           {decision, decision, decision, none},
		"subtype=AuthZ-Consent&outcome=8": {none, none, decision, none},
		"subtype=disclose":                {disclosure, none, none, none},
		"type=110106&subtype=search-type": {disclosure, none, none, none},
		"subtype=search-type":             {event, event, event, none},
		"type=110106,110113":              {decision, decision, decision, event},
		"subtype=disclose&date=lt2026":    {none, none, none, none},
		"outcome=8":                       {none, none, none, none},
	} {
		search, err := fhir.ParseOwnSearch("AuditEvent", fhir.Request{Method: "GET", RawQuery: query})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for n, e := range []audit.Event{access(), own, refused, declared} {
			form, ok := e.Matches(search, time.UTC, gateway)
			if ok != (want[n] != none) || ok && form != want[n] {
				t.Errorf("%q, event %d: got %v as %s, want %q", query, n, ok, form, want[n])
			}
		}
	}
}

func TestIDsOfForms(t *testing.T) {
	for id, want := range map[string]audit.Shown{
		"07-3f2a":                     {Event: audit.Event{ID: "07-3f2a"}, Form: audit.FormEvent},
		"07-3f2a.decision":            {Event: audit.Event{ID: "07-3f2a"}, Form: audit.FormDecision},
		"07-3f2a.disclosure":          {Event: audit.Event{ID: "07-3f2a"}, Form: audit.FormDisclosure},
		"07-3f2a.event":               {Event: audit.Event{ID: "07-3f2a.event"}, Form: audit.FormEvent},
		"07-3f2a.decision.disclosure": {Event: audit.Event{ID: "07-3f2a.decision"}, Form: audit.FormDisclosure},
	} {
		if event, form := audit.CutForm(id); event != want.Event.ID || form != want.Form {
			t.Errorf("%s: got %s as %s, want %s as %s", id, event, form, want.Event.ID, want.Form)
		}
	}
	e := access()
	e.Records = []consent.RecordID{}
	if got, _ := renderAs(t, e, audit.FormDecision); got.ID != "07-3f2a.decision" {
		t.Errorf("got id %s", got.ID)
	}
}
