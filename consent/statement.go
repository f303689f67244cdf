package consent

import (
	"slices"
	"time"
)

// statement is what one record says at an instant (decision.md, The consent state, A).
type statement struct {
	record         *Record
	kind           State    // Granted is a permit; RefusedExceptEmergency, Withdrawn and Refused are objections
	data, purposes []string // the record's, as sets
}

func (s *statement) objection() bool { return s.kind > Granted }

// said is when it was said, and by says by whom.
func (s *statement) said() time.Time {
	if s.kind == Withdrawn {
		return s.record.WithdrawnAt.Time
	}
	return s.record.RecordedAt.Time
}

func (s *statement) by() []string {
	if s.kind == Withdrawn {
		return s.record.WithdrawnBy
	}
	return s.record.GivenBy
}

// statements appends those that count (A), in effect and said by somebody entitled to, but for those elsewhere.
func (q *Query) statements(records []Record, said []statement) []statement {
	born := parseBirth(q.Born)
	age := born.age(q.At)
	for i := range records {
		if q.elsewhere(&records[i]) {
			continue
		}
		if s, made := q.statement(&records[i]); made && q.counts(&s, born, age) {
			s.data, s.purposes = set(s.record.Data), set(s.record.Purposes)
			said = append(said, s)
		}
	}
	return said
}

// statement is the one that a record makes at q.At, if any. The cases are in the order of the specification.
func (q *Query) statement(r *Record) (s statement, made bool) {
	switch {
	case r.Status == StatusEnteredInError, r.RecordedAt.After(q.At), q.At.Before(r.ValidFrom.Time):
		return statement{}, false
	case r.isWithdrawn(q.At):
		// A withdrawal has no end: valid_to is ignored. A withdrawn deny leaves nothing.
		return statement{record: r, kind: Withdrawn}, r.Decision != DecisionDeny
	case !r.ValidTo.IsZero() && !q.At.Before(r.ValidTo.Time):
		return statement{}, false
	case r.Decision == DecisionPermit:
		// An unknown status opens nothing.
		return statement{record: r, kind: Granted}, r.Status == StatusActive || r.Status == StatusWithdrawn
	case r.EmergencyException:
		return statement{record: r, kind: RefusedExceptEmergency}, true
	default:
		return statement{record: r, kind: Refused}, true
	}
}

// isWithdrawn reports whether the record was withdrawn by an instant. A withdrawal without its time opens nothing: a permit is withdrawn, a
// deny is not.
func (r *Record) isWithdrawn(at time.Time) bool {
	if r.Decision == DecisionDeny && r.WithdrawnAt.IsZero() {
		return false
	}
	return r.Status == StatusWithdrawn && !r.WithdrawnAt.After(at)
}

// counts reports whether those who said it could say it (A), at the patient's present age. If the age is unknown, every objection counts
// and no permit does.
func (q *Query) counts(s *statement, born birth, age int) bool {
	if s.objection() {
		return !born.known || q.mayObject(s.by(), age)
	}
	return born.known && q.mayPermit(s.by(), born.age(s.said())) && q.mayPermit(s.by(), age) && (!q.Deceased || s.record.Posthumous)
}

// mayPermit reports whether they can consent at an age (WGBO 447, 450, 465; Wabvpz 15g).
func (q *Query) mayPermit(by []string, age int) bool {
	patient, representative := slices.Contains(by, ByPatient), slices.Contains(by, ByRepresentative)
	switch {
	case age < 12:
		return representative
	case age < 16:
		return representative && (patient || q.Incapacitated)
	default:
		return patient || representative && q.Incapacitated
	}
}

// mayObject reports whether one of them can object, or withdraw, at an age.
func (q *Query) mayObject(by []string, age int) bool {
	patient, representative := slices.Contains(by, ByPatient), slices.Contains(by, ByRepresentative)
	switch {
	case age < 12:
		return representative
	case age < 16 || q.Incapacitated:
		return patient || representative
	default:
		return patient
	}
}

// MaySpeak reports whether by (ByPatient, ByRepresentative) has a say in what a patient decides at q.At, that is, whether an objection by
// that person would count; yes if the age is unknown. A permit may need another person as well.
func (q Query) MaySpeak(by string) bool {
	born := parseBirth(q.Born)
	return !born.known || q.mayObject([]string{by}, born.age(q.At))
}
