package consent

import (
	"slices"
	"time"
)

// Objections are the records by which a person who has died objected to the giving of q.Category of what q.Holder keeps (BW 7:458a lid 4), in
// the order in which they are on file. It is no state of consent: that weighs who asks and what was said later, whereas here nobody is left who
// could say that an objection was not meant for this. So every refusal counts, with or without exception, and every permit that was
// withdrawn, whatever party, channel and purpose it names, at whatever age and by whomever it was said. Only these do not count: what
// was entered in error; what ended, or was taken back by whoever said it, before died (zero: it is not known when, and nothing ended
// before); and what a representative alone said, where ofPatient is set.
func (q Query) Objections(records []Record, died time.Time, ofPatient bool) []RecordID {
	var objections []RecordID
	for i := range records {
		r := &records[i]
		by, stood := r.objectedUntil(died)
		if !stood || ofPatient && !slices.Contains(by, ByPatient) {
			continue
		}
		s := statement{record: r, kind: Refused}
		if r.Holder.matches(q.Holder) && q.aboutData(s) {
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
		// What the patient said, nobody else takes back; and nobody does so after the death.
		takenBack := slices.Contains(r.WithdrawnBy, ByPatient) || !slices.Contains(r.GivenBy, ByPatient)
		return r.GivenBy, !takenBack || !inLife(r.WithdrawnAt)
	}
	return r.GivenBy, true
}
