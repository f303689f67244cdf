package consent

import (
	"slices"
	"time"
)

// Objections are the records by which a person who has died objected to giving q.Category of what q.Holder keeps (BW 7:458a lid 4), in the
// order on file. It is not a consent state: that weighs who asks and what was said later, whereas here nobody is left to say that an
// objection was not meant for this. So every refusal counts, with or without an exception, and every withdrawn permit, whatever party,
// channel and purpose it names, at whatever age and by whomever it was said. Not counted are only: what was entered in error; what ended
// before died, or was taken back before it by whoever said it (zero: unknown, and nothing ended before); and, if ofPatient is set, what a
// representative alone said.
func (q Query) Objections(records []Record, died time.Time, ofPatient bool) []RecordID {
	var objections []RecordID
	for i := range records {
		r := &records[i]
		by, stood := r.objectedUntil(died)
		if !stood || ofPatient && !slices.Contains(by, ByPatient) {
			continue
		}
		s := &statement{record: r, kind: Refused}
		if q.aboutHolder(s) && q.aboutData(s) {
			objections = append(objections, r.ID)
		}
	}
	return objections
}

// objectedUntil reports whether the record is an objection that stood at a death, and who said it.
func (r *Record) objectedUntil(died time.Time) (by []string, stood bool) {
	inLife := func(t Time) bool { return !t.IsZero() && !t.After(died) }
	switch {
	case r.Status == StatusEnteredInError:
		return nil, false
	case r.Decision == DecisionPermit:
		return r.WithdrawnBy, r.Status != StatusActive
	case inLife(r.ValidTo):
		return nil, false
	case r.Status == StatusWithdrawn:
		// Nobody else takes back what the patient said, and nobody takes anything back after the death.
		takenBack := slices.Contains(r.WithdrawnBy, ByPatient) || !slices.Contains(r.GivenBy, ByPatient)
		return r.GivenBy, !takenBack || !inLife(r.WithdrawnAt)
	}
	return r.GivenBy, true
}
