package consent

import (
	"slices"
	"time"
)

// Lapse says that a record stops counting on a birthday, because those who said it may no longer decide it, or not alone.
type Lapse struct {
	Record RecordID
	Age    int // 12 or 16
	At     time.Time
}

// Lapses are the records of somebody born on a civil date that stop counting after from, and not later than until. From 12 a permit needs
// the child as well as the representative; from 16 the patient decides, and objects, alone (decision.md, The consent state, A).
func Lapses(st Standing, born string, from, until time.Time) []Lapse {
	var all []Lapse
	for _, age := range []int{12, 16} {
		at, known := Birthday(born, age)
		if !known || !at.After(from) || at.After(until) {
			continue
		}
		eve := Query{At: at.Add(-time.Nanosecond), Born: born, Incapacitated: st.Flags.Incapacitated}
		day := eve
		day.At = at
		for i := range st.Records {
			r := &st.Records[i]
			before, was := eve.statement(r)
			after, is := day.statement(r)
			if was && is && eve.counts(&before, parseBirth(born), age-1) && !day.counts(&after, parseBirth(born), age) {
				all = append(all, Lapse{r.ID, age, at})
			}
		}
	}
	return all
}

// MayLapse reports whether a record can stop counting on a birthday. One that the patient said too never does.
func (r Record) MayLapse() bool {
	by := r.GivenBy
	if r.Status == StatusWithdrawn {
		by = r.WithdrawnBy
	}
	return r.Status != StatusEnteredInError && !slices.Contains(by, ByPatient)
}
