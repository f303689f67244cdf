package audit

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// FHIROptions describe the gateway, for the FHIR form of events.
type FHIROptions struct {
	Gateway string // public URL of the gateway, without trailing slash
	Name    string // name of this gateway: AuditEvent.source.observer; may be empty
	Site    string // location: AuditEvent.source.site; default: the host of Gateway
	Test    bool   // marks the events as test data (v3-ActReason HTEST)
	// Holders is the organization ("ura:00000001") that keeps the records of a source, by the source's id. What it requests from its own
	// source is no disclosure.
	Holders map[string]string
}

// auditEvent is r4.AuditEvent with entities that can be rendered: the model always writes both forms of entity.detail.value[x], of which
// FHIR allows one.
type auditEvent struct {
	ResourceType string `json:"resourceType"`
	r4.OtherAuditEvent
	Entity []entity `json:"entity,omitempty"`
}

type entity struct {
	r4.AuditEventEntity
	Detail []detail `json:"detail,omitempty"`
}

type detail struct {
	Type  string `json:"type"`
	Value string `json:"valueString"`
}

// FHIR renders the event as a FHIR R4 AuditEvent, in its first form: FHIRAs(FormEvent, o).
func (e Event) FHIR(o FHIROptions) ([]byte, error) { return e.FHIRAs(FormEvent, o) }

// FHIRAs renders the event as a FHIR R4 AuditEvent after the patterns of IHE BALP, with the fields of NEN 7513 that are known
// (docs/events.md). It claims a BALP profile only if all of the profile's rules are met. The event must have been recorded by a store, and
// have the form; the error wraps ErrEvent.
func (e Event) FHIRAs(f Form, o FHIROptions) ([]byte, error) {
	if e.ID == "" || e.Time.IsZero() {
		return nil, fmt.Errorf("%w: id and time are required", ErrEvent)
	}
	e = e.bounded()
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if !slices.Contains(e.Forms(o), f) {
		return nil, fmt.Errorf("%w: it has not this form", ErrEvent)
	}
	p := e.pattern(f)
	outcome := e.outcomeIn(f)
	resource := auditEvent{ResourceType: "AuditEvent", OtherAuditEvent: r4.OtherAuditEvent{
		Id:             new(e.ResourceID(f)),
		Type:           p.kind,
		Subtype:        p.subtypes,
		Action:         p.action,
		Recorded:       e.Time.UTC().Format(time.RFC3339Nano),
		Outcome:        &outcome,
		OutcomeDesc:    text(e.describe()),
		PurposeOfEvent: e.purposes(),
		Agent:          e.agentsIn(f, p, o),
		Source: r4.AuditEventSource{
			Site:     text(o.site()),
			Observer: o.observer(),
			Type:     []r4.Coding{p.source},
		},
	}, Entity: e.entitiesIn(f, o)}
	if meta := (r4.Meta{Profile: e.profiles(f)}); o.Test || len(meta.Profile) > 0 {
		if o.Test {
			meta.Security = []r4.Coding{coding(systemActReason, "HTEST", "test health data")}
		}
		resource.Meta = &meta
	}
	return json.Marshal(resource)
}

// Shown is an event in one of its forms.
type Shown struct {
	Event Event
	Form  Form
}

// Page is an answer to a search of access events.
type Page struct {
	Events     []Shown // in the order shown
	Self, Next string  // queries, "?…" or empty: of this page and of the next
	Incomplete bool    // older events exist that could not be read
}

// Searchset renders a page (R4 Bundle of type searchset). There is no total: looking adds an event.
func Searchset(page Page, o FHIROptions) ([]byte, error) {
	self := o.base() + "/AuditEvent"
	bundle := r4.Bundle{Type: r4.BundleTypeSearchset, Link: []r4.BundleLink{{Relation: "self", Url: self + page.Self}}}
	if page.Next != "" {
		bundle.Link = append(bundle.Link, r4.BundleLink{Relation: "next", Url: self + page.Next})
	}
	for _, e := range page.Events {
		resource, err := e.Event.FHIRAs(e.Form, o)
		if err != nil {
			return nil, fmt.Errorf("render events: %w", err)
		}
		bundle.Entry = append(bundle.Entry, r4.BundleEntry{
			FullUrl:  new(self + "/" + e.Event.ResourceID(e.Form)),
			Resource: resource,
			Search:   &r4.BundleEntrySearch{Mode: new(r4.SearchEntryModeMatch)},
		})
	}
	if page.Incomplete {
		bundle.Entry = append(bundle.Entry, r4.BundleEntry{
			Resource: fhir.Outcome("warning", "incomplete", "Older events are on record that cannot be shown here", ""),
			Search:   &r4.BundleEntrySearch{Mode: new(r4.SearchEntryModeOutcome)},
		})
	}
	return json.Marshal(bundle)
}

// base is the gateway's own FHIR base (docs/api.md).
func (o FHIROptions) base() string { return o.Gateway + "/gateway" }

// site is where the event was recorded (NEN 7513, logbron).
func (o FHIROptions) site() string {
	if u, err := url.Parse(o.Gateway); o.Site == "" && err == nil {
		return u.Hostname()
	}
	return o.Site
}

// observer is the gateway as the recorder of the event.
func (o FHIROptions) observer() r4.Reference {
	return r4.Reference{
		Type:       new("Device"),
		Identifier: &r4.Identifier{System: new("urn:ietf:rfc:3986"), Value: text(o.base())},
		Display:    text(o.Name),
	}
}

// base is the FHIR base URL that the caller used: one of the gateway's own, never that of the server behind it.
func (e Event) base(o FHIROptions) string {
	if e.Source == "" {
		return o.base()
	}
	return o.Gateway + "/fhir/" + url.PathEscape(e.Source)
}

// breakGlass reports whether the event is about access, or a declaration, in an emergency.
func (e Event) breakGlass() bool {
	return e.Declaration != "" || e.Actor.Purpose == policy.PurposeEmergency
}

// purposes are the purposes of use. Emergency access is always marked as breaking the glass as well (v3-ActReason BTG; BALP has no profile
// for it).
func (e Event) purposes() []r4.CodeableConcept {
	if e.breakGlass() {
		return []r4.CodeableConcept{
			*concept(coding(systemActReason, "BTG", "break the glass")),
			*concept(coding(systemActReason, string(policy.PurposeEmergency), "emergency treatment")),
		}
	}
	if purpose := text(e.Actor.Purpose); purpose != nil {
		return []r4.CodeableConcept{*concept(coding(systemActReason, *purpose, ""))}
	}
	return nil
}

// agents are the caller's system, the gateway, the person who asked and that person's organization, as far as known.
func (e Event) agents(p pattern, o FHIROptions) []r4.AuditEventAgent {
	client := r4.AuditEventAgent{Type: concept(p.client), Network: e.peer()}
	if *p.client.Code != "110150" {
		client.Type.Coding = append(client.Type.Coding, coding(systemDCM, "110150", "Application"))
	}
	if id := text(e.Actor.Client); id != nil {
		client.Who = &r4.Reference{Identifier: &r4.Identifier{Value: id}}
	}
	observer := o.observer()
	server := r4.AuditEventAgent{
		Type: concept(p.server), Who: &observer,
		Network: &r4.AuditEventAgentNetwork{Address: text(e.base(o)), Type: new(r4.AuditEventAgentNetworkType5)},
	}
	if e.Policy != "" {
		server.Policy = []string{policyPrefix + url.PathEscape(e.Policy)}
	}

	agents := []r4.AuditEventAgent{client, server}
	if user, known := e.user(p); known {
		agents = append(agents, user)
	} else {
		agents[0].Requestor = true
		agents[0].Policy = e.token()
	}
	if e.Actor.Responsible != "" {
		agents = append(agents, r4.AuditEventAgent{
			Type: concept(coding(systemParticipant, "RESP", "responsible party")),
			Who:  &r4.Reference{Identifier: identifier(e.Actor.Responsible)},
		})
	}
	if e.Actor.Organization != "" {
		agents = append(agents, r4.AuditEventAgent{
			Type: concept(coding(systemRoleClass, "PROV", "healthcare provider")),
			Who:  &r4.Reference{Type: new("Organization"), Identifier: identifier(e.Actor.Organization)},
		})
	}
	if e.ApprovedBy != "" {
		agents = append(agents, r4.AuditEventAgent{
			Type: concept(coding(systemParticipant, "VRF", "verifier")), Who: &r4.Reference{Display: text(e.ApprovedBy)},
		})
	}
	if e.Recipient != "" {
		agents = append(agents, r4.AuditEventAgent{Type: concept(coding(systemParticipant, "PRCP", "primary information recipient")), Who: e.recipient()})
	}
	return agents
}

// recipient is who is told, or who receives a copy: an organization by its number, or somebody in words.
func (e Event) recipient() *r4.Reference {
	if e.isHandover() {
		return &r4.Reference{Display: text(e.Recipient)}
	}
	return &r4.Reference{Type: new("Organization"), Identifier: identifier(e.Recipient)}
}

// peer is the caller's network address, if known.
func (e Event) peer() *r4.AuditEventAgentNetwork {
	addr, err := netip.ParseAddr(e.Address)
	if err != nil {
		return nil
	}
	return &r4.AuditEventAgentNetwork{Address: new(addr.String()), Type: new(r4.AuditEventAgentNetworkType2)}
}

// user is the person who asked, if any: a system that asks for itself has no user agent (BALP).
func (e Event) user(p pattern) (r4.AuditEventAgent, bool) {
	a := e.Actor
	self := a.Kind == actorPatient || a.Kind == actorRepresentative
	byName := a.Subject == "" && a.Name != "" // an operator, who gave a name
	if !self && !byName && a.Practitioner == "" && (a.Subject == "" || a.Subject == a.Client) {
		return r4.AuditEventAgent{}, false
	}
	user := r4.AuditEventAgent{
		Type:         concept(coding(systemParticipant, p.user, "")),
		Who:          e.who(),
		AltId:        text(a.Practitioner),
		Name:         text(a.Name),
		Requestor:    true,
		Policy:       e.token(),
		PurposeOfUse: e.purposes(),
	}
	for _, role := range a.Roles {
		system := systemUZIRole
		if role == RoleOperator {
			system = systemActorKind
		}
		user.Role = append(user.Role, *concept(coding(system, role, "")))
	}
	for _, category := range a.Categories {
		user.Role = append(user.Role, *concept(coding(systemCategory, string(category), "")))
	}
	user.Role = append(user.Role, *concept(coding(systemActorKind, a.Kind, "")))
	return user, true
}

// who refers to the person who asked: a professional by issuer and subject of the token (BALP, OAUTHaccessTokenUse), a patient by the
// person key. The key is that of the record, so it names the caller only if the decision found that both are the same person.
func (e Event) who() *r4.Reference {
	a := e.Actor
	switch {
	case a.Kind == actorPatient && e.Outcome == OutcomePermit && e.Person != "":
		return e.patient()
	case a.Kind == actorRepresentative && a.Representative != "":
		return &r4.Reference{Identifier: &r4.Identifier{System: new(systemPersonKey), Value: text(a.Representative)}, Display: &a.Kind}
	case a.Kind == actorPatient || a.Kind == actorRepresentative:
		return &r4.Reference{Display: &a.Kind}
	case a.Subject != "":
		return &r4.Reference{
			Identifier: &r4.Identifier{System: text(a.Issuer), Value: text(a.Subject)},
			Display:    text(a.Name),
		}
	}
	named := &r4.Reference{Display: text(a.Name)}
	if a.Practitioner != "" {
		named.Identifier = identifier(a.Practitioner)
	}
	return named
}

// patient refers to the patient by the person key: no event contains the BSN or the source's id.
func (e Event) patient() *r4.Reference {
	return &r4.Reference{
		Type:       new("Patient"),
		Identifier: &r4.Identifier{System: new(systemPersonKey), Value: text(e.Person)},
	}
}

// token is the jti of the access token, as agent.policy.
func (e Event) token() []string {
	if e.Actor.Token == "" {
		return nil
	}
	return []string{tokenPrefix + url.PathEscape(e.Actor.Token)}
}
