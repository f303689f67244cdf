package consent

import (
	"time"
	_ "time/tzdata" // so that Zone is available on every machine
)

// amsterdam is where days begin and end for a patient's age (decision.md, Input, patient).
var amsterdam = func() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err) // cannot happen: the zone is compiled in
	}
	return l
}()

// birth is a civil date of birth, if valid.
type birth struct {
	year  int
	month time.Month
	day   int
	known bool
}

func parseBirth(born string) birth {
	t, err := time.Parse(time.DateOnly, born)
	if err != nil {
		return birth{}
	}
	year, month, day := t.Date()
	return birth{year, month, day, true}
}

// age counts as Age does; not ok if the date of birth is unknown.
func (b birth) age(at time.Time) int {
	year, month, day := at.In(amsterdam).Date()
	years := year - b.year
	if month < b.month || month == b.month && day < b.day {
		years--
	}
	return years
}

// Zone is where days begin and end for patients: Europe/Amsterdam.
func Zone() *time.Location { return amsterdam }

// Age is the number of whole years between a civil date of birth "YYYY-MM-DD" and the calendar date of the instant in Europe/Amsterdam;
// negative before the birth. It is not ok if born is not a date.
func Age(born string, at time.Time) (years int, ok bool) {
	b := parseBirth(born)
	if !b.known {
		return 0, false
	}
	return b.age(at), true
}

// Birthday is the instant at which somebody born on a civil date reaches an age: midnight in Europe/Amsterdam. A person born on 29 February
// has birthdays on 1 March in other years, as Age counts. It is not ok if born is not a date.
func Birthday(born string, years int) (at time.Time, ok bool) {
	b := parseBirth(born)
	if !b.known {
		return time.Time{}, false
	}
	return time.Date(b.year+years, b.month, b.day, 0, 0, 0, 0, amsterdam), true
}
