package relations

import (
	"errors"
	"slices"
	"strings"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Errors of an answer that allows no conclusion.
var (
	errForm   = errors.New("the answer is not one searchset that can be read whole")
	errOthers = errors.New("the answer is not about the patient who was asked about")
)

// teams reads an answer: care teams, and the resources that they refer to.
type teams struct {
	person  fhir.Identifier
	who     provider
	options Options
	now     time.Time
	others  map[string]object // included resources, by every reference to them
}

type object = map[string]any

// read returns the strongest relation of all care teams, policy.RelationNone without one. One team that is not about the person invalidates
// the answer: a server that ignores that part of the question may ignore the rest.
func (t teams) read(body []byte) (policy.Relationship, error) {
	decoded, err := fhir.DecodeStrict(body)
	bundle, ok := decoded.(object)
	if err != nil || !ok || bundle["resourceType"] != "Bundle" || bundle["type"] != "searchset" {
		return "", errForm
	}
	for _, link := range list(bundle["link"]) {
		if relation, _ := link["relation"].(string); relation == "next" {
			return "", errForm // one patient does not have that many teams with one provider in them
		}
	}
	t.others = map[string]object{}
	var found []object
	for _, entry := range list(bundle["entry"]) {
		resource, _ := entry["resource"].(object)
		typ, _ := resource["resourceType"].(string)
		id, _ := resource["id"].(string)
		if typ == "CareTeam" {
			found = append(found, resource)
			continue
		}
		t.others[typ+"/"+id] = resource
		if full, _ := entry["fullUrl"].(string); full != "" {
			t.others[full] = resource
		}
	}
	words := []policy.Relationship{policy.RelationTreating, policy.RelationDirectlyInvolved, policy.RelationSubstitute}
	best := len(words)
	for _, team := range found {
		if !t.isOf(team["subject"]) {
			return "", errOthers
		}
		for _, relation := range t.relations(team) {
			if i := slices.Index(words, relation); i >= 0 {
				best = min(best, i)
			}
		}
	}
	if best == len(words) {
		return policy.RelationNone, nil
	}
	return words[best], nil
}

// relations returns those that one team shows: of participants who are the provider, while the team and the participation last.
func (t teams) relations(team object) (found []policy.Relationship) {
	if team["status"] != "active" || changed(team) || !t.lasts(team["period"]) {
		return nil
	}
	for _, p := range list(team["participant"]) {
		if changed(p) || !t.lasts(p["period"]) || !t.isProvider(p) {
			continue
		}
		relation := policy.RelationTreating
		for _, role := range list(p["role"]) {
			for _, coding := range list(role["coding"]) {
				system, _ := coding["system"].(string)
				code, _ := coding["code"].(string)
				if configured, known := t.options.Roles[system+"|"+code]; known {
					relation = configured
				}
			}
		}
		found = append(found, relation)
	}
	return found
}

// isOf reports whether a reference means the person asked about, and nobody else.
func (t teams) isOf(reference any) bool {
	same, others := false, false
	for _, id := range t.identifiers(reference, "Patient") {
		if fhir.PersonSystem(id.System) != t.person.System {
			continue
		}
		normal, err := consent.NormalizePerson(id)
		if err != nil || normal != t.person {
			others = true
		} else {
			same = true
		}
	}
	return same && !others
}

// isProvider reports whether a participant is the provider: in person, for the provider's organization if the team names one; or the
// organization itself, if that is enough (Options.Organizations).
func (t teams) isProvider(p object) bool {
	member := p["member"]
	organizations := t.identifiers(p["onBehalfOf"], "Organization")
	if p["onBehalfOf"] != nil && len(organizations) == 0 {
		return false // for an unknown organization
	}
	people := t.identifiers(member, "Practitioner")
	if role := t.resolve(member); role["resourceType"] == "PractitionerRole" {
		if role["active"] == false || !t.lasts(role["period"]) || changed(role) {
			return false
		}
		people = append(people, t.identifiers(role["practitioner"], "Practitioner")...)
		organizations = append(organizations, t.identifiers(role["organization"], "Organization")...)
	}
	if t.who.practitioner.Value != "" && slices.Contains(people, t.who.practitioner) {
		return len(organizations) == 0 || slices.Contains(organizations, t.who.organization)
	}
	return t.options.Organizations && t.who.organization.Value != "" && len(people) == 0 &&
		slices.Contains(append(t.identifiers(member, "Organization"), organizations...), t.who.organization)
}

// identifiers returns those of what a reference means: its own, and those of the included resource of that type.
func (t teams) identifiers(reference any, typ string) (ids []fhir.Identifier) {
	r, _ := reference.(object)
	said, _ := r["type"].(string)
	if literal, _ := r["reference"].(string); said == "" && literal != "" {
		said = typeOf(literal)
	}
	if own, ok := r["identifier"].(object); ok && (said == "" || said == typ) {
		ids = append(ids, identifier(own)...)
	}
	if resource := t.resolve(reference); resource["resourceType"] == typ {
		for _, one := range list(resource["identifier"]) {
			ids = append(ids, identifier(one)...)
		}
	}
	return ids
}

// resolve returns the included resource for a reference; nil if there is none.
func (t teams) resolve(reference any) object {
	r, _ := reference.(object)
	literal, _ := r["reference"].(string)
	return t.others[literal]
}

// typeOf returns the resource type in a literal reference: the last but one of its segments.
func typeOf(literal string) string {
	segments := strings.Split(literal, "/")
	if len(segments) < 2 {
		return ""
	}
	return segments[len(segments)-2]
}

// identifier returns an Identifier, unless it is old or incomplete.
func identifier(o object) []fhir.Identifier {
	system, _ := o["system"].(string)
	value, _ := o["value"].(string)
	if system == "" || value == "" || o["use"] == "old" {
		return nil
	}
	return []fhir.Identifier{{System: system, Value: value}}
}

// changed reports whether an object has an element that can change the meaning of the rest (R4 §2.5.1).
func changed(o object) bool { return o["modifierExtension"] != nil || o["implicitRules"] != nil }

// lasts reports whether a period, which may be open or absent, includes now. One that cannot be read does not.
func (t teams) lasts(period any) bool {
	p, ok := period.(object)
	if !ok {
		return period == nil
	}
	for member, holds := range map[string]func(from, to time.Time) bool{
		"start": func(from, _ time.Time) bool { return !t.now.Before(from) },
		"end":   func(_, to time.Time) bool { return t.now.Before(to) },
	} {
		if p[member] == nil {
			continue
		}
		text, _ := p[member].(string)
		from, to, ok := consentfhir.Span(text)
		if !ok || !holds(from, to) {
			return false
		}
	}
	return true
}

// list returns the objects in an array; none if value is not an array.
func list(value any) (objects []object) {
	elements, _ := value.([]any)
	for _, element := range elements {
		if o, ok := element.(object); ok {
			objects = append(objects, o)
		}
	}
	return objects
}
