package proxy

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"zorgsluis/fhir"
)

// parameters is a Parameters resource (R4 §2.1.2.3), limited to the members that the gateway's operations use.
type parameters struct {
	ResourceType string      `json:"resourceType"`
	Parameter    []parameter `json:"parameter"`
}

type parameter struct {
	Name            string           `json:"name"`
	ValueCode       *string          `json:"valueCode,omitempty"`
	ValueString     *string          `json:"valueString,omitempty"`
	ValueBoolean    *bool            `json:"valueBoolean,omitempty"`
	ValueInstant    *time.Time       `json:"valueInstant,omitempty"`
	ValueIdentifier *fhir.Identifier `json:"valueIdentifier,omitempty"`
}

// readParameters reads a Parameters resource strictly: each parameter once, none that the operation does not have, and the patient
// required.
func (g *Gate) readParameters(body []byte, take func(parameter) bool) *refusal {
	named := false
	ref := g.readWords(body, func(p parameter) bool {
		named = named || p.Name == "patient"
		return take(p)
	})
	if ref == nil && !named {
		return &refusal{cause: causeMalformed, reason: "declaration-body", element: "patient"}
	}
	return ref
}

// readWords is readParameters with the patient optional.
func (g *Gate) readWords(body []byte, take func(parameter) bool) *refusal {
	malformed := func(element string) *refusal {
		return &refusal{cause: causeMalformed, reason: "declaration-body", element: element}
	}
	if g.parts.Sources[0].Reader.Strict(body) != nil { // strict JSON is the same for every source
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
	seen := map[string]bool{}
	for _, one := range p.Parameter {
		if seen[one.Name] || one.values() != 1 || !take(one) {
			return malformed("parameter")
		}
		seen[one.Name] = true
	}
	return nil
}

// values counts the values of a parameter, which must have one.
func (p parameter) values() int {
	n := 0
	for _, present := range []bool{p.ValueCode != nil, p.ValueString != nil, p.ValueBoolean != nil, p.ValueInstant != nil, p.ValueIdentifier != nil} {
		if present {
			n++
		}
	}
	return n
}

// take sets one parameter; false if its name or the type of its value is not of a declaration.
func (a *declarationRequest) take(p parameter) bool {
	switch {
	case p.Name == "patient" && p.ValueIdentifier != nil:
		a.patient = *p.ValueIdentifier
	case p.Name == "reason-code" && p.ValueCode != nil:
		a.code = *p.ValueCode
	case p.Name == "reason" && p.ValueString != nil:
		a.reason = *p.ValueString
	case p.Name == "consent-impossible" && p.ValueBoolean != nil:
		a.consentImpossible = *p.ValueBoolean
	case p.Name == "no-alternative" && p.ValueBoolean != nil:
		a.noAlternative = *p.ValueBoolean
	default:
		return false
	}
	return true
}

// declarationAnswer renders a declaration's id and an instant: when it expires, or when it ended.
func declarationAnswer(id, name string, at time.Time) []byte {
	at = at.UTC()
	body, err := json.Marshal(parameters{ResourceType: "Parameters", Parameter: []parameter{
		{Name: "declaration", ValueString: &id}, {Name: name, ValueInstant: &at},
	}})
	if err != nil { // strings and a time always marshal
		return nil
	}
	return body
}
