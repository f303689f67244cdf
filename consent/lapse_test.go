package consent_test

import (
	"fmt"
	"testing"

	"zorgsluis/consent"
)

func TestLapses(t *testing.T) {
	const born = "2014-08-15" // 12 on 15 August 2026, 16 on 15 August 2030
	objection := func(r *consent.Record) { r.Decision = "deny" }
	parent, child, both := givenBy("representative"), givenBy("patient"), givenBy("patient", "representative")
	for _, tt := range []struct {
		name          string
		record        consent.Record
		incapacitated bool
		from, until   string
		want          string // ages
	}{
		{"a permit of a parent alone lapses at 12", proper(parent), false, "2026-06-01T12:00:00Z", "2026-09-01T00:00:00Z", "[12]"},
		{"at midnight in Amsterdam", proper(parent), false, "2026-06-01T12:00:00Z", "2026-08-14T22:00:00Z", "[12]"},
		{"not before", proper(parent), false, "2026-06-01T12:00:00Z", "2026-08-14T21:59:59Z", "[]"},
		{"not when it has", proper(parent), false, "2026-08-14T22:00:00Z", "2027-08-14T22:00:00Z", "[]"},
		{"a permit of an incapacitated child's parent does not", proper(parent), true, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[]"},
		{"a permit of both does not", proper(both), false, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[]"},
		{"one that never counted does not", proper(child), false, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[]"},
		{"one that ends before does not", proper(parent, until("2026-08-01T00:00:00Z")), false, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[]"},
		{"an objection of a parent lapses at 16", proper(parent, objection), false, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[16]"},
		{"a withdrawal by a parent lapses at 16", proper(both, withdrawn("2026-06-01T11:30:00Z", "representative")), false, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[16]"},
		{"an objection of the child does not", proper(child, objection), false, "2026-06-01T12:00:00Z", "2031-01-01T00:00:00Z", "[]"},
	} {
		st := consent.Standing{Records: []consent.Record{tt.record}, Flags: consent.Flags{Incapacitated: tt.incapacitated}}
		ages := []int{}
		for _, l := range consent.Lapses(st, born, at(tt.from).Time, at(tt.until).Time) {
			ages = append(ages, l.Age)
			if l.Record != tt.record.ID || !tt.record.MayLapse() {
				t.Errorf("%s: got %+v, and MayLapse is %t", tt.name, l, tt.record.MayLapse())
			}
		}
		if fmt.Sprint(ages) != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, ages, tt.want)
		}
	}
	if got := consent.Lapses(consent.Standing{Records: []consent.Record{proper(parent)}}, "unknown", at("2026-06-01T12:00:00Z").Time, at("2031-01-01T00:00:00Z").Time); got != nil {
		t.Errorf("got %v of a birth that is not known", got)
	}
	wrong := proper(parent)
	wrong.Status = "entered-in-error"
	if wrong.MayLapse() || proper(both).MayLapse() {
		t.Error("what cannot lapse may")
	}
}
