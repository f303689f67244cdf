package audit

import (
	"slices"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// Form is one of the AuditEvents as which one event can be shown. BALP has separate patterns for what happened, for the decision about it
// and for a disclosure; their types differ, so no AuditEvent can be two of them. The record still has one event.
type Form string

// The forms of an event, in the order in which they are shown.
const (
	FormEvent      Form = "event"      // what happened: every event has this form
	FormDecision   Form = "decision"   // the decision about it: BALP AuthZconsent, if consents decided
	FormDisclosure Form = "disclosure" // what somebody other than the holder was given: BALP PrivacyDisclosure.Source
)

// Forms are the forms the event has.
func (e Event) Forms(o FHIROptions) []Form {
	forms := []Form{FormEvent}
	if e.Kind != KindAccess || e.Person == "" {
		return forms
	}
	if reasons[e.Reason].checks&decided != 0 {
		forms = append(forms, FormDecision)
	}
	if holder := o.Holders[e.Source]; e.Outcome == OutcomePermit && len(e.Disclosed) > 0 && (holder == "" || e.Actor.Organization != holder) {
		forms = append(forms, FormDisclosure)
	}
	return forms
}

// CutForm splits the id of an AuditEvent into the event's id and the form.
func CutForm(id string) (EventID, Form) {
	for _, f := range []Form{FormDecision, FormDisclosure} {
		if event, ok := strings.CutSuffix(id, "."+string(f)); ok {
			return EventID(event), f
		}
	}
	return EventID(id), FormEvent
}

// ResourceID is the id of the AuditEvent: the event's, followed by the form unless that is FormEvent.
func (e Event) ResourceID(f Form) string {
	if f == FormEvent {
		return string(e.ID)
	}
	return string(e.ID) + "." + string(f)
}

// pattern is the event's pattern in a form.
func (e Event) pattern(f Form) pattern {
	p := e.eventPattern()
	p.source = coding(systemSourceType, "4", "Application Server")
	if e.isHandover() {
		p.user = "PPRF" // who gives the copy, rather than receives it
	}
	switch f {
	case FormDecision:
		subtype := coding(systemBALPAuthZ, "AuthZ-Consent", "Authorization Decision using Roles and Consent")
		if len(e.Records) == 0 {
			subtype = coding(systemBALPAuthZ, "AuthZ-Role", "Authorization Decision using only Roles")
		}
		return pattern{
			kind: coding(systemDCM, "110113", "Security Alert"), subtypes: []r4.Coding{subtype}, action: new(r4.AuditEventActionE),
			client: application, server: gate, user: p.user, source: coding(systemSourceType, "6", "Security Server"),
		}
	case FormDisclosure:
		disclosed := coding(systemLifecycle, "disclose", "Disclose Record Lifecycle Event")
		return pattern{
			kind: coding(systemDCM, "110106", "Export"), subtypes: append([]r4.Coding{disclosed}, p.subtypes...), action: new(r4.AuditEventActionR),
			client: destination, server: source, user: p.user, source: p.source,
		}
	}
	return p
}

// outcomeIn is AuditEvent.outcome. A decision that refuses is 8, as in the examples of BALP.
func (e Event) outcomeIn(f Form) r4.AuditEventOutcome {
	outcome, _ := e.outcome()
	if f == FormDecision && e.Outcome != OutcomePermit {
		return r4.AuditEventOutcome8
	}
	return outcome
}

// agentsIn are the agents of a form.
func (e Event) agentsIn(f Form, p pattern, o FHIROptions) []r4.AuditEventAgent {
	agents := e.agents(p, o)
	switch f {
	case FormDecision: // AuthZconsent leaves out the gateway's address and policy, and other ids of the user
		for i := range agents {
			agents[i].AltId = nil
			if *agents[i].Type.Coding[0].Code == *gate.Code {
				agents[i].Network, agents[i].Policy = nil, nil
			}
		}
	case FormDisclosure:
		if holder := o.Holders[e.Source]; holder != "" {
			agents = append(agents, r4.AuditEventAgent{
				Type: concept(coding(systemSNOMED, "159541003", "Record keeping/library clerk")),
				Who:  &r4.Reference{Type: new("Organization"), Identifier: identifier(holder)},
			})
		}
		if len(e.Records) > 0 && reasons[e.Reason].checks&consented != 0 {
			agents = append(agents, r4.AuditEventAgent{Type: concept(coding(systemSNOMED, "429577009", "Patient Advocate")), Who: e.patient()})
		}
	}
	return agents
}

// entitiesIn are the entities of a form. AuthZconsent allows only the patient, the consents and the token.
func (e Event) entitiesIn(f Form, o FHIROptions) []entity {
	if f != FormDecision {
		return e.entities(o)
	}
	list := append(e.subject(), e.consents(o)...)
	for _, token := range e.token() {
		list = append(list, plain(r4.AuditEventEntity{
			Type: new(coding(systemBALPAgent, "UserOauthAgent", "")),
			What: &r4.Reference{Identifier: &r4.Identifier{Value: &token}},
		}))
	}
	return list
}

// subject is the patient.
func (e Event) subject() []entity {
	if e.Person == "" {
		return nil
	}
	return []entity{plain(r4.AuditEventEntity{
		Type: new(coding(systemEntityType, "1", "Person")),
		Role: new(coding(systemObjectRole, "1", "Patient")),
		What: e.patient(),
	})}
}

// consents are the consent records that decided.
func (e Event) consents(o FHIROptions) []entity {
	var list []entity
	for _, id := range e.Records {
		list = append(list, plain(r4.AuditEventEntity{
			Type: new(coding(systemResourceType, "Consent", "")),
			What: consentReference(id, o),
		}))
	}
	return list
}

func consentReference(id consent.RecordID, o FHIROptions) *r4.Reference {
	return &r4.Reference{Type: new("Consent"), Reference: text(o.base() + "/Consent/" + string(id))}
}

// profiles are the BALP profiles whose rules this event meets in a form. Both ends of the connection must be known. Those for FormEvent
// describe successes only: a refusal looks the same but claims nothing.
func (e Event) profiles(f Form) []string {
	if e.Person == "" || e.Actor.Client == "" || e.peer() == nil {
		return nil
	}
	user, known := e.user(e.pattern(f))
	switch {
	case f == FormDecision && known && len(e.Records) > 0 && e.Actor.Organization != "":
		return []string{profileAuthZ}
	case f == FormDecision || e.Outcome != OutcomePermit:
		return nil
	}
	var profiles []string
	switch {
	case f == FormDisclosure:
		profiles = append(profiles, profileDisclosure)
	case e.Kind == KindLog, e.Kind == KindAccess && e.Interaction == fhir.CodeSearch:
		profiles = append(profiles, profilePatientQuery)
	case e.Kind == KindConsent && e.Consent != "" && e.Interaction == CodeCreate:
		return []string{profilePatientCreate} // their user is an author, not the recipient that the OAuth profile requires
	case e.Kind == KindConsent && e.Consent != "":
		return []string{profilePatientUpdate}
	case e.Kind == KindAccess && slices.Contains([]fhir.Code{fhir.CodeRead, fhir.CodeVRead}, e.Interaction) && len(e.Disclosed) == 1:
		profiles = append(profiles, profilePatientRead)
	default:
		return nil
	}
	if known && user.Who.Identifier != nil && len(user.Policy) == 1 {
		profiles = append(profiles, profileOAuth)
	}
	return profiles
}
