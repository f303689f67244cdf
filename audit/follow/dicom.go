package follow

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"

	"zorgsluis/audit"
)

// The DICOM audit message (PS3.15 A.5), which IHE ITI-20 sends over syslog. FHIR derived AuditEvent from it, so it is rendered from the
// AuditEvent, element by element: both say the same.
type dicomMessage struct {
	XMLName xml.Name           `xml:"AuditMessage"`
	Event   dicomEvent         `xml:"EventIdentification"`
	Agents  []dicomParticipant `xml:"ActiveParticipant"`
	Source  dicomSource        `xml:"AuditSourceIdentification"`
	Objects []dicomObject      `xml:"ParticipantObjectIdentification"`
}

type dicomEvent struct {
	Action      string      `xml:"EventActionCode,attr,omitempty"`
	Time        string      `xml:"EventDateTime,attr"`
	Outcome     string      `xml:"EventOutcomeIndicator,attr"`
	ID          dicomCode   `xml:"EventID"`
	Types       []dicomCode `xml:"EventTypeCode"`
	Description string      `xml:"EventOutcomeDescription,omitempty"`
}

type dicomCode struct {
	Code   string `xml:"csd-code,attr"`
	System string `xml:"codeSystemName,attr"`
	Text   string `xml:"originalText,attr"`
}

type dicomParticipant struct {
	ID          string      `xml:"UserID,attr"`
	Alternative string      `xml:"AlternativeUserID,attr,omitempty"`
	Name        string      `xml:"UserName,attr,omitempty"`
	Requestor   bool        `xml:"UserIsRequestor,attr"`
	Network     string      `xml:"NetworkAccessPointID,attr,omitempty"`
	NetworkType string      `xml:"NetworkAccessPointTypeCode,attr,omitempty"`
	Roles       []dicomCode `xml:"RoleIDCode"`
}

type dicomSource struct {
	Site  string      `xml:"AuditEnterpriseSiteID,attr,omitempty"`
	ID    string      `xml:"AuditSourceID,attr"`
	Types []dicomCode `xml:"AuditSourceTypeCode"`
}

type dicomObject struct {
	ID      string        `xml:"ParticipantObjectID,attr"`
	Type    string        `xml:"ParticipantObjectTypeCode,attr,omitempty"`
	Role    string        `xml:"ParticipantObjectTypeCodeRole,attr,omitempty"`
	IDType  dicomCode     `xml:"ParticipantObjectIDTypeCode"`
	Name    string        `xml:"ParticipantObjectName,omitempty"`
	Query   string        `xml:"ParticipantObjectQuery,omitempty"`
	Details []dicomDetail `xml:"ParticipantObjectDetail"`
}

type dicomDetail struct {
	Type  string `xml:"type,attr"`
	Value string `xml:"value,attr"` // base64
}

// fhirEvent are the parts of an AuditEvent that are read.
type fhirEvent struct {
	Type           fhirCoding
	Subtype        []fhirCoding
	Action         string
	Recorded       string
	Outcome        string
	OutcomeDesc    string
	PurposeOfEvent []fhirConcept
	Agent          []fhirAgent
	Source         struct {
		Site     string
		Observer fhirReference
		Type     []fhirCoding
	}
	Entity []fhirEntity
}

type fhirCoding struct{ System, Code, Display string }

type fhirConcept struct {
	Coding []fhirCoding
	Text   string
}

type fhirReference struct {
	Reference, Display string
	Identifier         struct{ System, Value string }
}

type fhirAgent struct {
	Type      fhirConcept
	Role      []fhirConcept
	Who       fhirReference
	AltID     string `json:"altId"`
	Name      string
	Requestor bool
	Network   struct{ Address, Type string }
}

type fhirEntity struct {
	What       fhirReference
	Type, Role fhirCoding
	Name       string
	Query      string
	Detail     []struct {
		Type  string
		Value string `json:"valueString"`
	}
}

// renderDICOM renders an event as a DICOM audit message.
func renderDICOM(e audit.Event, form audit.FHIROptions) ([]byte, error) {
	resource, err := e.FHIR(form)
	if err != nil {
		return nil, fmt.Errorf("render the event: %w", err)
	}
	var f fhirEvent
	if err := json.Unmarshal(resource, &f); err != nil {
		return nil, fmt.Errorf("render the event: %w", err)
	}
	m := dicomMessage{
		Event: dicomEvent{
			Action: f.Action, Time: f.Recorded, Outcome: f.Outcome, ID: f.Type.dicom(), Types: codes(f.Subtype),
			Description: f.OutcomeDesc,
		},
		Source: dicomSource{Site: f.Source.Site, ID: f.Source.Observer.id(), Types: codes(f.Source.Type)},
	}
	for _, a := range f.Agent {
		m.Agents = append(m.Agents, dicomParticipant{
			ID: a.Who.id(), Alternative: a.AltID, Name: a.Name, Requestor: a.Requestor,
			Network: a.Network.Address, NetworkType: a.Network.Type, Roles: append(concepts(a.Type), concepts(a.Role...)...),
		})
	}
	event := dicomObject{
		ID: string(e.ID), Type: typeSystem, Role: roleSecurityResource, Name: "Access event",
		IDType: dicomCode{Code: "event-id", System: "urn:zorgsluis:audit-entity", Text: "Access event"},
	}
	for _, purpose := range concepts(f.PurposeOfEvent...) { // the schema has no element for purposes
		event.detail("purpose-of-use", purpose.Code)
	}
	m.Objects = append(m.Objects, event)
	for _, entity := range f.Entity {
		m.Objects = append(m.Objects, entity.dicom())
	}
	body, err := xml.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("render the event: %w", err)
	}
	return append([]byte(xml.Header), body...), nil
}

// Codes of PS3.15 A.5 and RFC 3881 for objects.
const (
	typePerson           = "1"
	typeSystem           = "2"
	roleSecurityResource = "13"
)

// detail adds a detail to an object.
func (o *dicomObject) detail(name, value string) {
	o.Details = append(o.Details, dicomDetail{Type: name, Value: base64.StdEncoding.EncodeToString([]byte(value))})
}

// dicom renders an entity. DICOM requires a name or a query; FHIR allows at most one (sev-1).
func (e fhirEntity) dicom() dicomObject {
	o := dicomObject{
		ID: e.What.id(), Type: typeSystem, Role: e.Role.Code, Name: e.Name, Query: e.Query,
		IDType: dicomCode{Code: "12", System: "RFC-3881", Text: "URI"},
	}
	switch {
	case e.Query != "":
		o.IDType = dicomCode{Code: "10", System: "RFC-3881", Text: "Search Criteria"}
	case strings.HasSuffix(e.Type.System, "/audit-entity-type") && e.Type.Code == typePerson:
		o.Type, o.IDType = typePerson, dicomCode{Code: "2", System: "RFC-3881", Text: "Patient Number"}
	case !strings.HasSuffix(e.Type.System, "/audit-entity-type"):
		o.IDType = e.Type.dicom() // which kind of ours
	}
	if o.Name == "" && o.Query == "" {
		o.Name = o.IDType.Text
	}
	for _, d := range e.Detail {
		o.detail(d.Type, d.Value)
	}
	return o
}

// id names what is referred to; DICOM always requires one.
func (r fhirReference) id() string {
	for _, id := range []string{r.Identifier.Value, r.Reference, r.Display} {
		if id != "" {
			return id
		}
	}
	return "-"
}

// dicom renders a code. The code system of DICOM's own codes is written by name.
func (c fhirCoding) dicom() dicomCode {
	d := dicomCode{Code: c.Code, System: c.System, Text: c.Display}
	if c.System == "http://dicom.nema.org/resources/ontology/DCM" {
		d.System = "DCM"
	}
	if d.Text == "" {
		d.Text = c.Code
	}
	return d
}

func codes(list []fhirCoding) []dicomCode {
	var out []dicomCode
	for _, c := range list {
		out = append(out, c.dicom())
	}
	return out
}

func concepts(list ...fhirConcept) []dicomCode {
	var out []dicomCode
	for _, c := range list {
		out = append(out, codes(c.Coding)...)
	}
	return out
}
