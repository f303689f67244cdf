package fhir

import (
	"encoding/json"
	"slices"
	"time"
)

// errPatient is a missing Patient, or one that does not say clearly who it is.
const errPatient contentError = "no Patient, or one with an element of another shape"

// Patients reads what the source's Patient resources say about persons, from the response to a read or a search of Patient; search
// entries that are only included are left out. At is the civil date (YYYY-MM-DD) on which an identifier must be in use. If an
// element that is read here does not have its R4 shape, the whole response is an ErrContent.
func (r *Reader) Patients(body []byte, at string) ([]PatientRecord, error) {
	if _, err := time.Parse(time.DateOnly, at); err != nil {
		return nil, contentError("the date asked about is no civil date")
	}
	var c Contents
	if err := r.read(body, &c, c.patients); err != nil {
		return nil, err
	}
	var records []PatientRecord
	for i, res := range c.Resources {
		if res.Type != typePatient || res.Mode != ModeMatch {
			continue
		}
		if res.ID == "" {
			return nil, errPatient
		}
		record, err := r.patientRecord(body[c.places[i].at.start:c.places[i].at.end], at)
		if err != nil {
			return nil, err
		}
		record.ID = res.ID
		records = append(records, record)
	}
	return records, nil
}

// patients reads a searchset or a single Patient.
func (c *Contents) patients(i int) int {
	if end := c.searchset(i); end >= 0 {
		return end
	}
	if c.walk.err != errNoSearchset {
		return -1
	}
	c.reset(c.walk.r, c.walk.body)
	if i = c.resource(i); i >= 0 && c.Resources[0].Type != typePatient {
		return c.walk.fail(errPatient)
	}
	return i
}

// elements are the members of an object that the reader has accepted: names are unique, so a map loses nothing.
type elements map[string]json.RawMessage

// read decodes a member into a value of exactly its JSON type; an absent member leaves it alone.
func (e elements) read(name string, into any) bool {
	raw, ok := e[name]
	return !ok || string(raw) != "null" && json.Unmarshal(raw, into) == nil
}

// patientRecord reads one Patient.
func (r *Reader) patientRecord(resource []byte, at string) (PatientRecord, error) {
	var (
		record      PatientRecord
		patient     elements
		identifiers []elements
		links       []elements
		birth       string
		dead        bool
		deadSince   string
		active      = true
	)
	ok := json.Unmarshal(resource, &patient) == nil && patient.read("identifier", &identifiers) && patient.read("link", &links) &&
		patient.read("birthDate", &birth) && patient.read("deceasedBoolean", &dead) && patient.read("deceasedDateTime", &deadSince) &&
		patient.read("active", &active)
	if !ok {
		return record, errPatient
	}
	if _, given := patient["birthDate"]; given {
		if record.BirthEarliest, record.BirthLatest, ok = dateRange(birth); !ok || len(birth) > len(time.DateOnly) {
			return PatientRecord{}, errPatient
		}
	}
	if _, given := patient["deceasedDateTime"]; given {
		_, both := patient["deceasedBoolean"]
		if record.DiedEarliest, record.DiedLatest, ok = daysAnywhere(deadSince); !ok || both {
			return PatientRecord{}, errPatient
		}
		dead = true
	} else if _, given := patient["_deceasedDateTime"]; given {
		dead = true // on an unknown day
	}
	record.Deceased, record.Replaced = dead, !active
	for _, link := range links {
		var typ string
		if !link.read("type", &typ) || !slices.Contains(linkTypes, typ) {
			return PatientRecord{}, errPatient
		}
		record.Replaced = record.Replaced || typ == "replaced-by"
	}
	for _, id := range identifiers {
		identifier, current, ok := r.personIdentifier(id, at)
		if !ok {
			return PatientRecord{}, errPatient
		}
		if current && !slices.Contains(record.Identifiers, identifier) {
			record.Identifiers = append(record.Identifiers, identifier)
		}
	}
	return record, nil
}

// linkTypes are the codes of http://hl7.org/fhir/link-type, identifierUses those of http://hl7.org/fhir/identifier-use.
var (
	linkTypes      = []string{"replaced-by", "replaces", "refer", "seealso"}
	identifierUses = []string{"", "usual", "official", "temp", "secondary", "old"}
)

// personIdentifier reads an Identifier; current means that it is of a person system and in use on the day.
func (r *Reader) personIdentifier(e elements, at string) (id Identifier, current, ok bool) {
	var use string
	var period elements
	if !e.read("system", &id.System) || !e.read("value", &id.Value) || !e.read("use", &use) || !e.read("period", &period) ||
		!slices.Contains(identifierUses, use) {
		return Identifier{}, false, false
	}
	during, ok := contains(period, at)
	current = ok && during && use != "old" && id.Value != "" && slices.Contains(r.persons, id.System)
	id.System = PersonSystem(id.System)
	return id, current, ok
}

// contains reports whether a Period includes any part of a day; a partial date counts as every day that it may mean.
func contains(period elements, at string) (during, ok bool) {
	during = true
	for _, name := range [...]string{"start", "end"} {
		var text string
		if !period.read(name, &text) {
			return false, false
		}
		if _, given := period[name]; !given {
			continue
		}
		earliest, latest, ok := dateRange(text)
		if !ok {
			return false, false
		}
		during = during && (name == "start" && earliest <= at || name == "end" && latest >= at)
	}
	return during, true
}

// dateRange returns the first and last day that a date or dateTime may mean (R4 §2.24.0.1): YYYY, YYYY-MM, YYYY-MM-DD, or an
// instant with a time zone, whose date is taken as written.
func dateRange(s string) (earliest, latest string, ok bool) {
	for _, layout := range [...]string{"2006", "2006-01", time.DateOnly, time.RFC3339} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		last := t
		switch layout {
		case "2006":
			last = t.AddDate(1, 0, -1)
		case "2006-01":
			last = t.AddDate(0, 1, -1)
		}
		return t.Format(time.DateOnly), last.Format(time.DateOnly), true
	}
	return "", "", false
}

// daysAnywhere is dateRange, except that an instant covers every day that it falls on in any time zone.
func daysAnywhere(s string) (earliest, latest string, ok bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Add(-12 * time.Hour).Format(time.DateOnly), t.UTC().Add(14 * time.Hour).Format(time.DateOnly), true
	}
	return dateRange(s)
}
