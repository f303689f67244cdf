package operator

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"zorgsluis/consent"
	"zorgsluis/consent/consentfhir"
	"zorgsluis/fhir"
)

// consentReader reads the wire form of consents.
type consentReader interface {
	Read(b []byte) (consentfhir.Consent, error)
}

// read parses one line. An empty line imports nothing.
func (i *importing) read(r fileLine) *imported {
	l := &imported{fileLine: r}
	text := bytes.TrimSpace(r.text)
	if len(text) == 0 {
		return l
	}
	if r.long {
		l.err = fmt.Errorf("is longer than %d bytes", longestRow)
		return l
	}
	c, err := i.profile.Read(text)
	if err == nil && (c.Patient == fhir.Identifier{} || c.Patient.System == consentfhir.SystemPersonKey) {
		err = &consent.FieldError{Field: "patient", Reason: "must be named by an identifier"}
	}
	if err == nil {
		l.person, err = consent.NormalizePerson(c.Patient)
	}
	l.consent, l.err = c, err
	return l
}

// named returns the records of one Consent with their ids.
func named(records []consent.Record, id consent.RecordID) []consent.Record {
	list := slices.Clone(records)
	for i := range list {
		list[i].ID = id
		if i > 0 {
			list[i].ID = sibling(id, list[:i])
		}
	}
	return list
}

// sibling returns a sibling id that is not taken.
func sibling(id consent.RecordID, taken []consent.Record) consent.RecordID {
	for n := 0; ; n++ {
		other := consentfhir.Sibling(id, fmt.Sprintf("%08x", n))
		if !slices.ContainsFunc(taken, func(r consent.Record) bool { return r.ID == other }) {
			return other
		}
	}
}

// indexOfSame finds a record with the same content, made at the same time, withdrawn since or not.
func indexOfSame(records []consent.Record, r consent.Record, c consentfhir.Consent) int {
	return slices.IndexFunc(records, func(on consent.Record) bool { return c.RecordedOn(on.RecordedAt.Time) && sameRecord(on, r) })
}

func sameRecord(a, b consent.Record) bool {
	same := func(a, b time.Time) bool { return a.Equal(b) }
	return (a.Status == consent.StatusEnteredInError) == (b.Status == consent.StatusEnteredInError) &&
		a.Decision == b.Decision && a.EmergencyException == b.EmergencyException && a.Holder == b.Holder && a.Party == b.Party && a.PartyName == b.PartyName &&
		slices.Equal(a.Data, b.Data) && a.Channel == b.Channel && slices.Equal(a.Purposes, b.Purposes) &&
		same(a.ValidFrom.Time, b.ValidFrom.Time) && same(a.ValidTo.Time, b.ValidTo.Time) &&
		slices.Equal(a.GivenBy, b.GivenBy) && a.Posthumous == b.Posthumous && a.RecordedBy == b.RecordedBy && a.Method == b.Method &&
		a.Information == b.Information
}
