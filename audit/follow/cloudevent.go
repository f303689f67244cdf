package follow

import (
	"encoding/json"
	"fmt"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// cloudEventType begins the type of every CloudEvent; the kind of the event and the version of the data follow.
const cloudEventType = "zorgsluis.event."

// contentType is that of a CloudEvent in structured mode.
const contentType = "application/cloudevents+json"

// cloudEvent is a CloudEvent 1.0 in structured mode. Its few attributes are fixed, so the SDK would add nothing but its transports.
type cloudEvent struct {
	SpecVersion     string            `json:"specversion"`
	ID              audit.EventID     `json:"id"`
	Source          string            `json:"source"`
	Type            string            `json:"type"`
	Subject         consent.PersonKey `json:"subject,omitempty"`
	Time            string            `json:"time"`
	DataContentType string            `json:"datacontenttype"`
	Data            summary           `json:"data"`
}

// summary is the part of an event that is sent: what happened, in codes, references and categories. It has no name, number of a
// professional, token, query, address or free text: those are in the AuditEvent.
type summary struct {
	Kind           audit.Kind                `json:"kind"`
	Outcome        audit.Outcome             `json:"outcome"`
	Reason         policy.Reason             `json:"reason"`
	Request        string                    `json:"request_id,omitempty"`
	Source         string                    `json:"source,omitempty"`
	Interaction    fhir.Code                 `json:"interaction,omitempty"`
	Type           string                    `json:"type,omitempty"`
	Organization   string                    `json:"organization,omitempty"`
	Client         string                    `json:"client,omitempty"`
	ActorKind      string                    `json:"actor_kind,omitempty"`
	ActorCategory  []policy.ProviderCategory `json:"actor_categories,omitempty"`
	Purpose        policy.PurposeOfUse       `json:"purpose,omitempty"`
	Channel        policy.Channel            `json:"channel,omitempty"`
	Categories     []fhir.DataCategory       `json:"categories,omitempty"`
	Disclosed      []string                  `json:"disclosed,omitempty"`
	DisclosedTotal int                       `json:"disclosed_total,omitempty"`
	Records        []consent.RecordID        `json:"records,omitempty"`
	Obligations    []policy.Obligation       `json:"obligations,omitempty"`
	Declaration    consent.DeclarationID     `json:"declaration,omitempty"`
	Consent        consent.RecordID          `json:"consent,omitempty"`
	Generation     uint64                    `json:"generation,omitempty"`
	Count          int                       `json:"count,omitempty"`
	Policy         string                    `json:"policy,omitempty"`
}

// renderCloudEvent renders an event; gateway is the public URL, which is the CloudEvent's source.
func renderCloudEvent(e audit.Event, gateway string) ([]byte, error) {
	body, err := json.Marshal(cloudEvent{
		SpecVersion: "1.0", ID: e.ID, Source: gateway, Type: typeOf(e), Subject: e.Person,
		Time: e.Time.UTC().Format(timeFormat), DataContentType: "application/json",
		Data: summary{
			Kind: e.Kind, Outcome: e.Outcome, Reason: e.Reason, Request: e.Request,
			Source: e.Source, Interaction: e.Interaction, Type: e.Type,
			Organization: e.Actor.Organization, Client: e.Actor.Client, ActorKind: e.Actor.Kind, ActorCategory: e.Actor.Categories,
			Purpose: e.Actor.Purpose, Channel: e.Actor.Channel,
			Categories: e.Categories, Disclosed: e.Disclosed, DisclosedTotal: e.DisclosedTotal, Records: e.Records, Obligations: e.Obligations,
			Declaration: e.Declaration, Consent: e.Consent, Generation: e.Generation, Count: e.Count, Policy: e.Policy,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("render the event: %w", err)
	}
	return body, nil
}

// timeFormat is RFC 3339 with microseconds: as precise as Redis is, and as RFC 5424 allows.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// typeOf is the CloudEvent's type.
func typeOf(e audit.Event) string { return cloudEventType + string(e.Kind) + ".v1" }
