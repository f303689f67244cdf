package consentfhir

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"zorgsluis/consent"
)

// dateTime is R4's grammar (§2.24.0.1), except for the leap second.
var dateTime = regexp.MustCompile(`^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}))?)?)?$`)

// lastInstant is the last one that a dateTime can write; there is no first instant after it.
var lastInstant = time.Date(9999, time.December, 31, 23, 59, 59, 999_999_999, time.UTC)

// Span reads a dateTime: the first instant that it means, and the first after it, both in UTC. A date without a time is a day in the
// Netherlands. An instant that could not be written again, because it is before the year 1 or after 9999 in UTC, is no dateTime; and the
// end of the last second is its own last instant.
func Span(s string) (from, to time.Time, ok bool) {
	from, to, ok = span(s)
	from, to = from.UTC(), to.UTC()
	if !ok || from.Year() < 1 || from.After(lastInstant) {
		return time.Time{}, time.Time{}, false
	}
	if to.After(lastInstant) {
		to = lastInstant
	}
	return from, to, true
}

func span(s string) (from, to time.Time, ok bool) {
	if !dateTime.MatchString(s) {
		return from, to, false
	}
	clock := strings.IndexByte(s, 'T')
	if clock < 0 {
		layout := time.DateOnly[:len(s)]
		from, err := time.ParseInLocation(layout, s, consent.Zone())
		if err != nil {
			return from, to, false
		}
		switch len(s) {
		case len("2006"):
			return from, from.AddDate(1, 0, 0), true
		case len("2006-01"):
			return from, from.AddDate(0, 1, 0), true
		}
		return from, from.AddDate(0, 0, 1), true
	}
	from, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return from, to, false
	}
	unit := time.Second
	if point := strings.IndexByte(s, '.'); point > 0 {
		for _, digit := range s[point+1:] {
			if digit < '0' || digit > '9' {
				break
			}
			unit /= 10
		}
	}
	return from, from.Add(unit), true
}

// written is an instant in the form that the gateway writes.
func written(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// lastBefore is the dateTime that ends where t begins. In FHIR the end is part of a period, here it is not.
func lastBefore(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Add(-time.Second).Format(time.RFC3339)
	}
	return t.UTC().Add(-time.Nanosecond).Format("2006-01-02T15:04:05.000000000Z07:00")
}

// period reads a Period as its first instant, and the first after it.
func (w *walk) period(from, to *time.Time) visit {
	at := func(start, end *time.Time) visit {
		return func(path string, n node) {
			first, after, ok := Span(n.text)
			if n.kind != text || !ok {
				w.refuse(path, "is not a date or an instant")
				return
			}
			if start != nil {
				*start = first
			}
			if end != nil {
				*end = after
			}
		}
	}
	return func(path string, n node) {
		w.object(path, n, map[string]visit{"start": at(from, nil), "end": at(nil, to)})
		if from.IsZero() && to.IsZero() {
			w.refuse(path, "has neither start nor end")
		}
	}
}

// instant reads a dateTime as its first instant.
func (w *walk) instant(into *time.Time) visit { return w.dated(into, new(time.Time)) }

// dated reads a dateTime as its first instant and, if it is a date without a time of day, the first one after it.
func (w *walk) dated(into, before *time.Time) visit {
	return func(path string, n node) {
		first, after, ok := Span(n.text)
		if n.kind != text || !ok {
			w.refuse(path, "is not a date or an instant")
			return
		}
		*into = first
		if !strings.Contains(n.text, "T") {
			*before = after
		}
	}
}

// RecordsAt returns the records as they are to be compared with what was said on the same day. Read takes a date without a time of day as its
// first instant. That suits a permit: any objection of that day comes after it. A refusal and a withdrawal are taken as late as they can have
// been said, but not after now. A Consent that both permits and refuses, and so has one date for both, stays at the first instant.
func (c Consent) RecordsAt(now time.Time) []consent.Record {
	records := slices.Clone(c.Records)
	refuses := !slices.ContainsFunc(records, func(r consent.Record) bool { return r.Decision != consent.DecisionDeny })
	for i := range records {
		r := &records[i]
		r.WithdrawnAt.Time = latest(r.WithdrawnAt.Time, c.withdrawnBefore, now)
		if refuses {
			r.RecordedAt.Time = latest(r.RecordedAt.Time, c.recordedBefore, now, r.WithdrawnAt.Time)
		}
	}
	return records
}

// RecordedOn reports whether dateTime may mean an instant.
func (c Consent) RecordedOn(at time.Time) bool {
	first := c.Records[0].RecordedAt.Time
	return at.Equal(first) || at.After(first) && at.Before(c.recordedBefore)
}

// latest returns the last instant before an end that is not after any of some bounds; at, if there is no end or a bound is before at. A zero
// time is no end and no bound.
func latest(at, before time.Time, bounds ...time.Time) time.Time {
	if before.IsZero() {
		return at
	}
	last := before.Add(-time.Microsecond) // the resolution of the store's clock
	for _, bound := range bounds {
		if !bound.IsZero() && bound.Before(last) {
			last = bound
		}
	}
	if last.Before(at) {
		return at
	}
	return last
}
