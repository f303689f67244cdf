package fhir

import (
	"encoding/json"
	"slices"
	"time"
)

// errPatient is a Patient that does not say clearly who it is.
const errPatient contentError = "no Patient, or one with an element of another shape"

// Patients reads what the source's own Patient resources say of persons: the answer to a read of a Patient, or to a search for
// Patients, of which entries that only came along are left out. At is the civil date, YYYY-MM-DD, on which an identifier has to be
// in use. An element that is read here and has another shape than R4 gives it makes the whole answer an ErrContent.
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

// patients reads a searchset, or else a Patient that stands alone.
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

// elements are the members of an object that the reader has accepted: no name stands twice, so that a map holds all of it.
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
		dead = true // on a day that is not told
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

// personIdentifier reads an Identifier: is it one of a person system, in use on the day.
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

// contains reports whether a Period holds any part of a day; of a partial date, any day that it may mean counts.
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

// dateRange is the first and the last day that a date or dateTime may mean (R4 §2.24.0.1): YYYY, YYYY-MM, YYYY-MM-DD, or an instant
// with its time zone, of which the date counts as it is written.
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

// daysAnywhere is dateRange, but that an instant is on every day that it is on in some time zone of the world.
func daysAnywhere(s string) (earliest, latest string, ok bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC().Add(-12 * time.Hour).Format(time.DateOnly), t.UTC().Add(14 * time.Hour).Format(time.DateOnly), true
	}
	return dateRange(s)
}
