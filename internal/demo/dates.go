//go:build !release

package demo

import (
	"slices"
	"time"
)

// span is a time interval without its end. A zero start or end is open.
type span struct{ start, end time.Time }

// dateForms are the precisions of FHIR dates, each with the length of one unit (R4 §2.24.0.1 dateTime). Without a zone it is UTC.
var dateForms = []struct {
	layout       string
	years, month int
	day          int
	step         time.Duration
}{
	{"2006", 1, 0, 0, 0},
	{"2006-01", 0, 1, 0, 0},
	{"2006-01-02", 0, 0, 1, 0},
	{"2006-01-02T15:04", 0, 0, 0, time.Minute},
	{"2006-01-02T15:04Z07:00", 0, 0, 0, time.Minute},
	{"2006-01-02T15:04:05", 0, 0, 0, time.Second},
	{"2006-01-02T15:04:05Z07:00", 0, 0, 0, time.Second},
}

// parseDate returns the interval that a FHIR date, dateTime or instant covers.
func parseDate(s string) (span, bool) {
	for _, form := range dateForms {
		if start, err := time.Parse(form.layout, s); err == nil {
			step := form.step
			if step == time.Second && start.Nanosecond() != 0 {
				step = time.Millisecond
			}
			return span{start, start.AddDate(form.years, form.month, form.day).Add(step)}, true
		}
	}
	return span{}, false
}

// spansOf returns the times of a value: a date, a Period, the events of a Timing.
func spansOf(value any) []span {
	switch v := value.(type) {
	case string:
		if s, ok := parseDate(v); ok {
			return []span{s}
		}
	case map[string]any:
		if events, ok := v["event"].([]any); ok {
			var all []span
			for _, event := range events {
				all = append(all, spansOf(event)...)
			}
			return all
		}
		from, _ := v["start"].(string)
		to, _ := v["end"].(string)
		if from == "" && to == "" {
			return nil
		}
		first, _ := parseDate(from)
		last, _ := parseDate(to)
		return []span{{first.start, last.end}}
	}
	return nil
}

// matchDate compares with "[prefix]date" (R4 §3.1.1.4.5 and 3.1.1.4.7).
func matchDate(value any, want string) bool {
	prefix, text := cutPrefix(want)
	wanted, ok := parseDate(text)
	return ok && slices.ContainsFunc(spansOf(value), func(found span) bool { return found.compare(prefix, wanted) })
}

// compare applies a prefix; s is the value of the resource.
func (s span) compare(prefix string, wanted span) bool {
	endsAfter := s.end.IsZero() || s.end.After(wanted.end)
	startsBefore := s.start.IsZero() || s.start.Before(wanted.start)
	within := !endsAfter && !startsBefore
	switch prefix {
	case "ne":
		return !within
	case "gt":
		return endsAfter
	case "lt":
		return startsBefore
	case "ge":
		return within || endsAfter
	case "le":
		return within || startsBefore
	case "sa":
		return !s.start.IsZero() && !s.start.Before(wanted.end)
	case "eb":
		return !s.end.IsZero() && !s.end.After(wanted.start)
	case "ap":
		return (s.end.IsZero() || s.end.After(wanted.start)) && (s.start.IsZero() || s.start.Before(wanted.end))
	default: // eq
		return within
	}
}
