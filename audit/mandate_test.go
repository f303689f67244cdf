package audit_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/policy"
)

// TestMandatesAndRepresentatives: the members of format version 2 are in the event and in its AuditEvent, and not in older events.
func TestMandatesAndRepresentatives(t *testing.T) {
	key := strings.Repeat("ab", 32)
	for name, tt := range map[string]struct {
		subject policy.Subject
		key     string
		event   []string
		fhir    []string
	}{
		"a professional under a mandate": {
			policy.Subject{Kind: policy.KindProvider, ID: "u", Practitioner: "uzi:900000002", Responsible: "uzi:900000001"}, "",
			[]string{`"v":2`, `"responsible":"uzi:900000001"`}, []string{`"RESP"`, `900000001`},
		},
		"a professional who keeps secrecy, and whose relation somebody showed": {
			policy.Subject{Kind: policy.KindProvider, ID: "u", Relationship: policy.RelationTreating, Secrecy: "big-3", Evidence: policy.EvidenceRegistry + "network"}, "",
			[]string{`"v":3`, `"secrecy":"big-3","evidence":"registry:network"`}, []string{`"secrecy-basis","valueString":"big-3"`, `"relation-evidence","valueString":"registry:network"`},
		},
		"a representative": {
			policy.Subject{Kind: policy.KindRepresentative, ID: canary, Authority: "parental", Representative: canary}, key,
			[]string{`"v":2`, `"representative":"` + key + `","authority":"parental"`}, []string{key},
		},
		"a representative by a right that nobody knows": {
			policy.Subject{Kind: policy.KindRepresentative, Authority: canary}, "", []string{`"v":1`}, nil,
		},
		"a patient's token that names somebody responsible": {
			policy.Subject{Kind: policy.KindPatient, Responsible: canary}, "", []string{`"v":1`}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := access()
			e.Actor = audit.NewActor(tt.subject)
			e.Actor.Representative = consent.PersonKey(tt.key)
			e.Version = e.Actor.Version()
			event := e.Marshal()
			resource, err := e.FHIR(audit.FHIROptions{Gateway: "https://gw.example"})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.event {
				if !bytes.Contains(event, []byte(want)) {
					t.Errorf("the event lacks %s: %s", want, event)
				}
			}
			for _, want := range tt.fhir {
				if !bytes.Contains(resource, []byte(want)) {
					t.Errorf("the AuditEvent lacks %s: %s", want, resource)
				}
			}
			if bytes.Contains(event, []byte(canary)) || bytes.Contains(resource, []byte(canary)) {
				t.Error("an identifier of a person is in it")
			}
			if _, err := audit.ParseEvent(event); err != nil {
				t.Errorf("it cannot be read back: %v", err)
			}
			if other := bytes.Replace(event, []byte(`"v":2`), []byte(`"v":1`), 1); !bytes.Equal(other, event) {
				if _, err := audit.ParseEvent(other); !errors.Is(err, audit.ErrEvent) {
					t.Errorf("it is read as version 1: %v", err)
				}
			}
		})
	}
}

// TestRecipientOfANotice: who is told of an erasure is in the event and in its AuditEvent, and not in an event that claims an older
// version.
func TestRecipientOfANotice(t *testing.T) {
	e := access()
	e.Recipient, e.Version = "ura:00000042", audit.EvidenceVersion
	event := e.Marshal()
	if !bytes.Contains(event, []byte(`"recipient":"ura:00000042"`)) {
		t.Errorf("the event lacks the recipient: %s", event)
	}
	if read, err := audit.ParseEvent(event); err != nil || read.Recipient != e.Recipient {
		t.Errorf("read back: got %q, %v", read.Recipient, err)
	}
	if resource, err := e.FHIR(audit.FHIROptions{Gateway: "https://gw.example"}); err != nil || !bytes.Contains(resource, []byte(`"PRCP"`)) || !bytes.Contains(resource, []byte("00000042")) {
		t.Errorf("the AuditEvent lacks the recipient: %v %s", err, resource)
	}
	if _, err := audit.ParseEvent(bytes.Replace(event, []byte(`"v":3`), []byte(`"v":1`), 1)); !errors.Is(err, audit.ErrEvent) {
		t.Errorf("an event of version 1 with a recipient: %v", err)
	}
}

// TestHandover: who gave a copy by hand, who approved it, on which ground, to whom and which copy is in the event and in its AuditEvents,
// without numbers of persons that somebody typed, and not in an event that claims an older version.
func TestHandover(t *testing.T) {
	const bsn, digest = "999991346", "ab54d286a4f2e4f0f8b0d5a7cfd2c5e0f0a1b2c3d4e5f60718293a4b5c6d7e8f"
	e := access()
	e.Actor = audit.Actor{Kind: "other", Name: "A. Officer " + bsn, Roles: []string{audit.RoleOperator}}
	e.Reason, e.Records, e.LegalGround, e.Digest = policy.ReasonAfterDeath, nil, policy.GroundHereditary, digest
	e.ApprovedBy, e.Recipient, e.Grounds = "B. Director "+bsn, "a son, "+bsn, "his physician asks, about "+bsn
	if e.Version = e.LowestVersion(); e.Version != audit.HandoverVersion {
		t.Errorf("got version %d", e.Version)
	}
	event := e.Marshal()
	for _, want := range []string{`"v":4`, `"legal_ground":"hereditary-condition"`, `"approved_by":"B. Director ***"`, `"recipient":"a son, ***"`, `"digest":"` + digest, `"name":"A. Officer ***"`} {
		if !bytes.Contains(event, []byte(want)) {
			t.Errorf("the event lacks %s: %s", want, event)
		}
	}
	if read, err := audit.ParseEvent(event); err != nil || read.ApprovedBy != "B. Director ***" || read.LegalGround != e.LegalGround || read.Digest != digest {
		t.Errorf("read back: got %+v, %v", read, err)
	}
	for _, older := range []string{`"v":1`, `"v":3`} {
		if _, err := audit.ParseEvent(bytes.Replace(event, []byte(`"v":4`), []byte(older), 1)); !errors.Is(err, audit.ErrEvent) {
			t.Errorf("read as %s: %v", older, err)
		}
	}
	o := audit.FHIROptions{Gateway: "https://gw.example", Holders: map[string]string{e.Source: "ura:00000001"}}
	if forms := e.Forms(o); !slices.Equal(forms, []audit.Form{audit.FormEvent, audit.FormDecision, audit.FormDisclosure}) {
		t.Errorf("got forms %q", forms)
	}
	for _, form := range e.Forms(o) {
		resource, err := e.FHIRAs(form, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"PPRF"`, `"VRF"`, `"PRCP"`, `"display":"B. Director ***"`, `"display":"a son, ***"`} {
			if !bytes.Contains(resource, []byte(want)) {
				t.Errorf("%s lacks %s: %s", form, want, resource)
			}
		}
		if bytes.Contains(resource, []byte(bsn)) || bytes.Contains(resource, []byte("IRCP")) || bytes.Contains(resource, []byte(`"profile"`)) {
			t.Errorf("%s has a number, calls who gives the copy its recipient, or claims a profile: %s", form, resource)
		}
		if details := bytes.Contains(resource, []byte(`"legal-ground","valueString":"hereditary-condition"`)) && bytes.Contains(resource, []byte(digest)); details != (form != audit.FormDecision) {
			t.Errorf("%s: ground and copy are in it: %v", form, details)
		}
	}
	for name, change := range map[string]func(*audit.Event){
		"a ground that is no code": func(e *audit.Event) { e.LegalGround = "a will" },
		"a digest that is none":    func(e *audit.Event) { e.Digest = "abc" },
		"no ground":                func(e *audit.Event) { e.LegalGround, e.Version = "", audit.EvidenceVersion },
	} {
		wrong, err := audit.ParseEvent(event)
		if err != nil {
			t.Fatal(err)
		}
		change(&wrong)
		if err := wrong.Validate(); !errors.Is(err, audit.ErrEvent) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
