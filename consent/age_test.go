package consent_test

import (
	"testing"
	"time"

	"zorgsluis/consent"
)

func TestAge(t *testing.T) {
	tests := []struct {
		name, born, at string
		want           int
		ok             bool
	}{
		{"the day before a birthday", "2010-11-22", "2026-11-21T12:00:00Z", 15, true},
		{"the birthday", "2010-11-21", "2026-11-21T12:00:00Z", 16, true},
		{"the day after", "2010-11-20", "2026-11-21T12:00:00Z", 16, true},
		{"a later month", "2010-12-01", "2026-11-21T12:00:00Z", 15, true},
		{"an earlier month, later day", "2010-10-30", "2026-11-21T12:00:00Z", 16, true},
		{"the day begins in Amsterdam, in winter", "2010-11-21", "2026-11-20T23:00:00Z", 16, true},
		{"the day begins in Amsterdam, one second before", "2010-11-21", "2026-11-20T22:59:59Z", 15, true},
		{"the day begins in Amsterdam, in summer", "2010-07-02", "2026-07-01T22:00:00Z", 16, true},
		{"the day begins in Amsterdam, in summer, one second before", "2010-07-02", "2026-07-01T21:59:59Z", 15, true},
		{"born on 29 February, not yet on 28 February", "2012-02-29", "2026-02-28T12:00:00Z", 13, true},
		{"born on 29 February, on 1 March", "2012-02-29", "2026-03-01T12:00:00Z", 14, true},
		{"before the birth", "2026-07-01", "2026-06-30T12:00:00Z", -1, true},
		{"no such day", "2023-02-29", "2026-06-30T12:00:00Z", 0, false},
		{"a year alone", "1961", "2026-06-30T12:00:00Z", 0, false},
		{"nothing", "", "2026-06-30T12:00:00Z", 0, false},
		{"an instant", "1961-02-03T00:00:00Z", "2026-06-30T12:00:00Z", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := consent.Age(tt.born, instant(tt.at))
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %d, %t, want %d, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

// TestBirthdayIsWhereAgeChanges: one nanosecond before the birthday, the age is one year less.
func TestBirthdayIsWhereAgeChanges(t *testing.T) {
	for _, born := range []string{"2010-11-21", "2010-07-02", "2012-02-29", "2010-01-01", "2009-12-31", "2011-03-27", "2010-10-31"} {
		for age := range 30 {
			birthday, ok := consent.Birthday(born, age)
			before, _ := consent.Age(born, birthday.Add(-time.Nanosecond))
			on, _ := consent.Age(born, birthday)
			if !ok || before != age-1 || on != age {
				t.Errorf("%s, birthday %d: got %d before and %d on %v", born, age, before, on, birthday)
			}
		}
	}
	if _, ok := consent.Birthday("1961-02", 12); ok {
		t.Error("got a birthday of somebody without a birth date")
	}
}
