package consent

import (
	"time"
	_ "time/tzdata" // so that the zone below is there on every machine
)

// amsterdam is where days begin and end for a patient's age (decision.md, Input, patient).
var amsterdam = func() *time.Location {
	l, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		panic(err) // cannot happen: the zone is compiled in
	}
	return l
}()

// Age is the number of whole years between a civil date of birth "YYYY-MM-DD" and the calendar date that the instant has in
// Europe/Amsterdam; negative before the birth. It is not ok when born is not a date.
func Age(born string, at time.Time) (years int, ok bool) {
	birth, err := time.Parse(time.DateOnly, born)
	if err != nil {
		return 0, false
	}
	year, month, day := at.In(amsterdam).Date()
	years = year - birth.Year()
	if month < birth.Month() || month == birth.Month() && day < birth.Day() {
		years--
	}
	return years, true
}

// Birthday is the instant at which somebody born on a civil date reaches an age: midnight in Europe/Amsterdam. Who is born on 29
// February has birthdays on 1 March in other years, as Age counts. It is not ok when born is not a date.
func Birthday(born string, years int) (at time.Time, ok bool) {
	birth, err := time.Parse(time.DateOnly, born)
	if err != nil {
		return time.Time{}, false
	}
	return time.Date(birth.Year()+years, birth.Month(), birth.Day(), 0, 0, 0, 0, amsterdam), true
}
