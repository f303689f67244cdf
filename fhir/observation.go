package fhir

import "encoding/json"

// ObservationCode is what Observation/$lastn groups resource i by (R4 §10.1.20.1): the first coding of its code, else its text as a
// code without a system; zero if it has neither. No decision depends on it.
func (c *Contents) ObservationCode(i int) Coding {
	var resource, code, coding map[string]json.RawMessage // maps, because struct fields are matched in any case
	at := c.places[i].at
	var codings []json.RawMessage
	var found Coding
	switch {
	case json.Unmarshal(c.walk.body[at.start:at.end], &resource) != nil || json.Unmarshal(resource["code"], &code) != nil:
	case json.Unmarshal(code["coding"], &codings) == nil && len(codings) > 0 && json.Unmarshal(codings[0], &coding) == nil:
		_ = json.Unmarshal(coding["system"], &found.System)
		_ = json.Unmarshal(coding["code"], &found.Code)
	default:
		_ = json.Unmarshal(code["text"], &found.Code)
	}
	return found
}
