package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"zorgsluis/fhir"
)

// parameters is the Parameters resource of a break-glass declaration (R4 §2.1.2.3), with the members that it may have.
type parameters struct {
	ResourceType string      `json:"resourceType"`
	Parameter    []parameter `json:"parameter"`
}

type parameter struct {
	Name            string           `json:"name"`
	ValueString     *string          `json:"valueString,omitempty"`
	ValueBoolean    *bool            `json:"valueBoolean,omitempty"`
	ValueInstant    *time.Time       `json:"valueInstant,omitempty"`
	ValueIdentifier *fhir.Identifier `json:"valueIdentifier,omitempty"`
}

// readParameters reads the declaration strictly: each parameter once, with the value type that belongs to it, and nothing else.
func (g *Gate) readParameters(body []byte) (declarationRequest, *refusal) {
	malformed := func(element string) (declarationRequest, *refusal) {
		return declarationRequest{}, &refusal{cause: causeMalformed, reason: "declaration-body", element: element}
	}
	if g.parts.Sources[0].Reader.Strict(body) != nil { // the rules of JSON are the same for every source
		return malformed("")
	}
	var p parameters
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&p) != nil || p.ResourceType != "Parameters" {
		return malformed("")
	}
	if _, err := d.Token(); err != io.EOF {
		return malformed("")
	}
	var asked declarationRequest
	seen := map[string]bool{}
	for _, one := range p.Parameter {
		if seen[one.Name] || !asked.take(one) {
			return malformed("parameter")
		}
		seen[one.Name] = true
	}
	switch {
	case !seen["patient"]:
		return malformed("patient")
	case !seen["reason"] || !validReason(asked.reason):
		return malformed("reason")
	}
	return asked, nil
}

// take takes over one parameter; false where its name or the type of its value is not of the declaration.
func (a *declarationRequest) take(p parameter) bool {
	values := 0
	for _, present := range []bool{p.ValueString != nil, p.ValueBoolean != nil, p.ValueInstant != nil, p.ValueIdentifier != nil} {
		if present {
			values++
		}
	}
	switch {
	case values != 1:
		return false
	case p.Name == "patient" && p.ValueIdentifier != nil:
		a.patient = *p.ValueIdentifier
	case p.Name == "reason" && p.ValueString != nil:
		a.reason = *p.ValueString
	case p.Name == "consent-impossible" && p.ValueBoolean != nil:
		a.consentImpossible = *p.ValueBoolean
	default:
		return false
	}
	return true
}

// declarationAnswer is the Parameters resource that a recorded declaration is answered with.
func declarationAnswer(id string, expires time.Time) []byte {
	expires = expires.UTC()
	body, err := json.Marshal(parameters{ResourceType: "Parameters", Parameter: []parameter{
		{Name: "declaration", ValueString: &id}, {Name: "expires", ValueInstant: &expires},
	}})
	if err != nil { // strings and a time always marshal
		return nil
	}
	return body
}
