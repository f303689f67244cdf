package consent_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// In the cases below a general practitioner asks an adult's hospital, on a day in 2026.
const adult = "1961-02-03"

var now = instant("2026-06-01T12:00:00Z")

func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func at(s string) consent.Time { return consent.Time{Time: instant(s)} }

func query() consent.Query {
	return consent.Query{
		At:       now,
		Born:     adult,
		Holder:   consent.Side{Category: "hospital", Organization: "ura:1"},
		Party:    consent.Side{Category: "gp", Organization: "ura:2", Practitioner: "uzi:3"},
		Category: "Condition",
		Groups:   []string{"GGC002"},
		Channel:  "regional",
		Purpose:  "TREAT",
	}
}

// permit, deny and the other builders make records given by the patient in 2020 about everything, changed as the case needs.
func permit(id string, changes ...func(*consent.Record)) consent.Record {
	r := consent.Record{
		ID: consent.RecordID(id), Status: "active", Decision: "permit", RecordedAt: at("2020-01-01T00:00:00Z"), GivenBy: []string{"patient"},
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func deny(id string, changes ...func(*consent.Record)) consent.Record {
	return permit(id, append([]func(*consent.Record){func(r *consent.Record) { r.Decision = "deny" }}, changes...)...)
}

func exceptEmergency(r *consent.Record) { r.EmergencyException = true }

func withdrawn(when string, by ...string) func(*consent.Record) {
	return func(r *consent.Record) { r.Status, r.WithdrawnAt, r.WithdrawnBy = "withdrawn", at(when), by }
}

func recorded(when string) func(*consent.Record) {
	return func(r *consent.Record) { r.RecordedAt = at(when) }
}

func from(when string) func(*consent.Record) {
	return func(r *consent.Record) { r.ValidFrom = at(when) }
}

func until(when string) func(*consent.Record) {
	return func(r *consent.Record) { r.ValidTo = at(when) }
}

func givenBy(by ...string) func(*consent.Record) {
	return func(r *consent.Record) { r.GivenBy = by }
}

func holder(s consent.Side) func(*consent.Record) {
	return func(r *consent.Record) { r.Holder = s }
}

func party(s consent.Side) func(*consent.Record) {
	return func(r *consent.Record) { r.Party = s }
}

func data(names ...string) func(*consent.Record) {
	return func(r *consent.Record) { r.Data = names }
}

func channel(name string) func(*consent.Record) {
	return func(r *consent.Record) { r.Channel = name }
}

func purposes(names ...string) func(*consent.Record) {
	return func(r *consent.Record) { r.Purposes = names }
}

var (
	gps      = party(consent.Side{Category: "gp"})
	thisGP   = party(consent.Side{Organization: "ura:2"})
	thisOne  = party(consent.Side{Practitioner: "uzi:3"})
	hospital = holder(consent.Side{Category: "hospital"})
	thisOrg  = holder(consent.Side{Organization: "ura:1"})
)

// evaluation is one case: a query, the records, and the result.
type evaluation struct {
	name    string
	change  func(*consent.Query)
	records []consent.Record
	want    consent.State
	ids     []consent.RecordID
}

// run tries every order of the records: it must not matter.
func run(t *testing.T, tests []evaluation) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := query()
			if tt.change != nil {
				tt.change(&q)
			}
			for _, order := range permutations(tt.records) {
				before := slices.Clone(order)
				got, ids := consent.Evaluate(q, order)
				if got != tt.want || !slices.Equal(ids, tt.ids) {
					t.Errorf("order %v: got state %d by %v, want %d by %v", idsOf(order), got, ids, tt.want, tt.ids)
				}
				if !slices.Equal(idsOf(order), idsOf(before)) {
					t.Error("the records were changed")
				}
			}
		})
	}
}

func idsOf(records []consent.Record) (ids []consent.RecordID) {
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

func permutations(records []consent.Record) [][]consent.Record {
	if len(records) < 2 {
		return [][]consent.Record{records}
	}
	var all [][]consent.Record
	for i := range records {
		rest := slices.Concat(records[:i], records[i+1:])
		for _, p := range permutations(rest) {
			all = append(all, append([]consent.Record{records[i]}, p...))
		}
	}
	return all
}

func ids(names ...consent.RecordID) []consent.RecordID { return names }

type records = []consent.Record

func TestStatementsThatCount(t *testing.T) {
	const justBefore, justAfter = "2026-06-01T11:59:59Z", "2026-06-01T12:00:01Z"
	const rightNow = "2026-06-01T12:00:00Z"
	run(t, []evaluation{
		{"nothing on file is unknown", nil, nil, consent.Unknown, nil},
		{"a permit grants", nil, records{permit("a", gps)}, consent.Granted, ids("a")},
		{"a deny refuses", nil, records{deny("a")}, consent.Refused, ids("a")},
		{"a deny with an exception refuses except in an emergency", nil, records{deny("a", exceptEmergency)}, consent.RefusedExceptEmergency, ids("a")},
		{"a decision that is not understood refuses", nil, records{permit("a", func(r *consent.Record) { r.Decision = "perhaps" })}, consent.Refused, ids("a")},
		{"a permit of a status that is not understood says nothing", nil, records{permit("a", func(r *consent.Record) { r.Status = "draft" })}, consent.Unknown, nil},
		{"a deny of a status that is not understood refuses", nil, records{deny("a", func(r *consent.Record) { r.Status = "draft" })}, consent.Refused, ids("a")},

		{"a permit entered in error says nothing", nil, records{permit("a", func(r *consent.Record) { r.Status = "entered-in-error" })}, consent.Unknown, nil},
		{"a deny entered in error says nothing", nil, records{deny("a", func(r *consent.Record) { r.Status = "entered-in-error" })}, consent.Unknown, nil},
		{"a record of this instant counts", nil, records{deny("a", recorded(rightNow))}, consent.Refused, ids("a")},
		{"a record from the future says nothing", nil, records{deny("a", recorded(justAfter))}, consent.Unknown, nil},
		{"a record counts from valid_from on, inclusive", nil, records{deny("a", from(rightNow))}, consent.Refused, ids("a")},
		{"a record says nothing before valid_from", nil, records{deny("a", from(justAfter))}, consent.Unknown, nil},
		{"a permit counts until valid_to", nil, records{permit("a", until(justAfter))}, consent.Granted, ids("a")},
		{"a permit has ended at valid_to, exclusive", nil, records{permit("a", until(rightNow))}, consent.Unknown, nil},
		{"a deny has ended at valid_to", nil, records{deny("a", until(rightNow))}, consent.Unknown, nil},

		{"a permit withdrawn this instant is an objection", nil, records{permit("a", withdrawn(rightNow, "patient"))}, consent.Withdrawn, ids("a")},
		{"a permit that will be withdrawn still grants", nil, records{permit("a", withdrawn(justAfter, "patient"))}, consent.Granted, ids("a")},
		{"a withdrawal has no end", nil, records{permit("a", until(justBefore), withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Withdrawn, ids("a")},
		{"a withdrawal is not there before valid_from", nil, records{permit("a", from(justAfter), withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Unknown, nil},
		{"a permit that ended and will be withdrawn says nothing", nil, records{permit("a", until(justBefore), withdrawn(justAfter, "patient"))}, consent.Unknown, nil},
		{"a withdrawn deny says nothing", nil, records{deny("a", withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Unknown, nil},
		{"a deny that will be withdrawn refuses", nil, records{deny("a", withdrawn(justAfter, "patient"))}, consent.Refused, ids("a")},
		{"a withdrawal without its time withdraws a permit", nil, records{permit("a", withdrawn("0001-01-01T00:00:00Z", "patient"))}, consent.Withdrawn, ids("a")},
		{"a withdrawal without its time does not take back a deny", nil,
			records{deny("a", withdrawn("0001-01-01T00:00:00Z", "patient"))}, consent.Refused, ids("a")},
		{"a withdrawal by somebody who cannot leaves nothing, and the permit does not come back", nil,
			records{permit("a", withdrawn("2021-01-01T00:00:00Z", "representative"))}, consent.Unknown, nil},
		{"who gave the permit does not matter to its withdrawal", nil,
			records{permit("a", givenBy("representative"), withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Withdrawn, ids("a")},
	})
}

func TestWhoCouldSayIt(t *testing.T) {
	// Everything is recorded on 1 January 2026 unless said otherwise.
	patient, representative, both, nobody := givenBy("patient"), givenBy("representative"), givenBy("patient", "representative"), givenBy()
	recently := recorded("2026-01-01T12:00:00Z")
	born := func(date string) func(*consent.Query) { return func(q *consent.Query) { q.Born = date } }
	incapacitated := func(date string) func(*consent.Query) {
		return func(q *consent.Query) { q.Born, q.Incapacitated = date, true }
	}
	deceased := func(q *consent.Query) { q.Deceased = true }
	posthumous := func(r *consent.Record) { r.Posthumous = true }
	const eleven, twelve, fifteen, sixteen = "2014-06-02", "2014-06-01", "2010-06-02", "2010-06-01"
	const twelveThen, sixteenThen = "2014-01-01", "2010-01-01"

	var tests []evaluation
	add := func(name string, change func(*consent.Query), want consent.State, rs ...consent.Record) {
		tt := evaluation{name: name, change: change, records: rs, want: want}
		if want != consent.Unknown {
			tt.ids = idsOf(rs)
		}
		tests = append(tests, tt)
	}
	add("under 12 the representative permits", born(eleven), consent.Granted, permit("a", recently, representative))
	add("under 12 the patient does not permit", born(eleven), consent.Unknown, permit("a", recently, patient))
	add("under 12 the patient named as well does no harm", born(eleven), consent.Granted, permit("a", recently, both))
	add("from 12 the representative alone does not permit", born(twelveThen), consent.Unknown, permit("a", recently, representative))
	add("from 12 the patient alone does not permit", born(twelveThen), consent.Unknown, permit("a", recently, patient))
	add("from 12 both permit", born(twelveThen), consent.Granted, permit("a", recently, both))
	add("at 15 both permit", born(fifteen), consent.Granted, permit("a", recently, both))
	add("from 12, incapacitated, the representative permits", incapacitated(twelveThen), consent.Granted, permit("a", recently, representative))
	add("from 12, incapacitated, the patient does not permit", incapacitated(twelveThen), consent.Unknown, permit("a", recently, patient))
	add("an adult permits", born(adult), consent.Granted, permit("a", recently, patient))
	add("a representative does not permit for an adult", born(adult), consent.Unknown, permit("a", recently, representative))
	add("a representative permits for an incapacitated adult", incapacitated(adult), consent.Granted, permit("a", recently, representative))
	add("an incapacitated adult permits", incapacitated(adult), consent.Granted, permit("a", recently, patient))
	add("nobody named does not permit", incapacitated(adult), consent.Unknown, permit("a", recently, nobody))

	add("a parent's permit ends at the twelfth birthday", born(twelve), consent.Unknown, permit("a", recently, representative))
	add("a permit of both outlives the twelfth birthday", born(twelve), consent.Granted, permit("a", recently, both))
	add("a permit of both outlives the sixteenth birthday", born(sixteen), consent.Granted, permit("a", recently, both))
	add("what the patient alone said at 15 is no permit at 16", born(sixteen), consent.Unknown, permit("a", recently, patient))
	add("what the patient alone said at 16 is a permit", born(sixteenThen), consent.Granted, permit("a", recently, patient))
	add("incapacity now counts for the age then", incapacitated(sixteen), consent.Granted, permit("a", recently, representative))

	add("under 12 the representative objects", born(eleven), consent.Refused, deny("a", recently, representative))
	add("under 12 the patient does not object", born(eleven), consent.Unknown, deny("a", recently, patient))
	add("under 12, incapacitated, the patient does not object either", incapacitated(eleven), consent.Unknown, deny("a", recently, patient))
	add("from 12 the patient alone objects", born(twelve), consent.Refused, deny("a", recently, patient))
	add("from 12 the representative alone objects", born(fifteen), consent.Refused, deny("a", recently, representative))
	add("from 16 the patient objects", born(sixteen), consent.Refused, deny("a", recently, patient))
	add("from 16 the representative does not object", born(sixteen), consent.Unknown, deny("a", recently, representative))
	add("for an incapacitated adult the representative objects", incapacitated(adult), consent.Refused, deny("a", recently, representative))
	add("an incapacitated adult objects", incapacitated(adult), consent.Refused, deny("a", recently, patient))
	add("an objection by nobody does not count", incapacitated(adult), consent.Unknown, deny("a", recently, nobody))
	add("an objection by nobody does not count at 12", born(twelve), consent.Unknown, deny("a", recently, nobody))
	add("an objection is judged by the age now, not then", born(sixteen), consent.Unknown, deny("a", recorded("2020-01-01T00:00:00Z"), representative))

	add("a permit ends with life", deceased, consent.Unknown, permit("a", recently))
	add("a posthumous permit does not", deceased, consent.Granted, permit("a", recently, posthumous))
	add("an objection outlives the patient", deceased, consent.Refused, deny("a", recently))

	add("of unknown age nobody's permit counts", born("2026-02-30"), consent.Unknown, permit("a", recently, both))
	add("of unknown age everybody's objection counts", born(""), consent.Refused, deny("a", recently, representative))
	run(t, tests)
}

func TestLaterStatementsEndEarlierOnes(t *testing.T) {
	const first, second, third = "2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z", "2023-01-01T00:00:00Z"
	emergency := func(q *consent.Query) { q.Purpose = "ETREAT" }
	research := func(q *consent.Query) { q.Purpose = "HRESCH" }
	run(t, []evaluation{
		{"of the same scope the latest stays", nil, records{deny("a", gps, recorded(first)), permit("b", gps, recorded(second))}, consent.Granted, ids("b")},
		{"the latest is an objection too", nil, records{permit("a", gps, recorded(first)), deny("b", gps, recorded(second))}, consent.Refused, ids("b")},
		{"of three the latest stays", nil, records{permit("a", gps, recorded(first)), deny("b", gps, recorded(second)), permit("c", gps, recorded(third))}, consent.Granted, ids("c")},
		{"at the same instant all stay", nil, records{permit("a", gps, recorded(second)), deny("b", gps, recorded(second))}, consent.Refused, ids("b")},
		{"the same instant in another zone is the same", nil,
			records{deny("a", gps, recorded("2022-01-01T01:00:00+01:00")), permit("b", gps, recorded(second))}, consent.Refused, ids("a")},
		{"lists are compared as sets", nil,
			records{
				deny("a", gps, data("GGC002", "Alert"), purposes("TREAT", "ETREAT"), recorded(first)),
				permit("b", gps, data("Alert", "GGC002", "Alert"), purposes("ETREAT", "TREAT"), recorded(second)),
			}, consent.Granted, ids("b")},
		{"another holder is another scope", nil, records{deny("a", gps, thisOrg, recorded(first)), permit("b", gps, hospital, recorded(second))}, consent.Refused, ids("a")},
		{"another party is another scope, and the objection wins", nil,
			records{deny("a", thisOne, recorded(first)), permit("b", thisGP, recorded(second))}, consent.Refused, ids("a")},
		{"other data are another scope", nil, records{deny("a", data("Condition"), recorded(first)), permit("b", data("GGC002"), recorded(second))}, consent.Refused, ids("a")},
		{"a longer list is another scope", nil, records{deny("a", data("GGC002"), recorded(first)), permit("b", data("GGC002", "Alert"), recorded(second))}, consent.Refused, ids("a")},
		{"one name is not two names run together", nil, records{deny("a", data("GGC002", "Alert"), recorded(first)), permit("b", data("GGC002\"\"Alert", "Condition"), recorded(second))}, consent.Refused, ids("a")},
		{"no purpose is another scope than the purposes that it means", nil,
			records{deny("a", purposes("TREAT", "ETREAT"), recorded(first)), permit("b", recorded(second))}, consent.Refused, ids("a")},
		{"another channel is another scope", nil, records{deny("a", gps, channel("regional"), recorded(first)), permit("b", gps, recorded(second))}, consent.Refused, ids("a")},
		{"what has ended does not end what was said before", nil,
			records{permit("a", gps, recorded(first)), deny("b", gps, recorded(second), until(third))}, consent.Granted, ids("a")},
		{"what does not count does not end what was said before", nil,
			records{permit("a", gps, recorded(first)), deny("b", gps, recorded(second), givenBy("representative"))}, consent.Granted, ids("a")},
		{"a withdrawal is said when it is withdrawn", nil,
			records{permit("a", gps, recorded(first), withdrawn(third, "patient")), permit("b", gps, recorded(second))}, consent.Withdrawn, ids("a")},
		{"a new permit ends an older withdrawal", nil,
			records{permit("a", gps, recorded(first), withdrawn(second, "patient")), permit("b", gps, recorded(third))}, consent.Granted, ids("b")},
		{"a withdrawn deny does not end an older permit", nil,
			records{permit("a", gps, recorded(first)), deny("b", gps, recorded(second), withdrawn(third, "patient"))}, consent.Granted, ids("a")},

		{"a total objection ends every earlier permit", nil,
			records{permit("a", thisOne, thisOrg, recorded(first)), deny("b", recorded(second))}, consent.Refused, ids("b")},
		{"a total objection ends a permit of the same instant", nil,
			records{permit("a", thisOne, thisOrg, recorded(second)), deny("b", recorded(second))}, consent.Refused, ids("b")},
		{"a permit said after a total objection stands", nil,
			records{deny("a", recorded(first)), permit("b", gps, recorded(second))}, consent.Granted, ids("b")},
		{"a total objection with exception ends permits too", nil,
			records{permit("a", thisOne, recorded(first)), deny("b", exceptEmergency, recorded(second))}, consent.RefusedExceptEmergency, ids("b")},
		{"a total permit withdrawn ends permits too", nil,
			records{permit("a", thisOne, recorded(first)), permit("b", withdrawn(second, "patient"))}, consent.Withdrawn, ids("b")},
		{"a total objection leaves more specific objections", nil,
			records{deny("a", thisOne, exceptEmergency, recorded(first)), deny("b", recorded(second))}, consent.RefusedExceptEmergency, ids("a")},
		{"the later of two total objections counts", nil,
			records{deny("a", recorded(first)), permit("b", gps, recorded(second)), deny("c", recorded(third))}, consent.Refused, ids("c")},
		{"a total objection that a later total permit ended ends nothing", nil,
			records{permit("a", gps, recorded(first)), deny("b", recorded(second)), permit("c", recorded(third))}, consent.Granted, ids("a")},
		{"a total objection ends a permit that it is not about itself", research,
			records{permit("a", gps, purposes("HRESCH"), recorded(first)), deny("b", recorded(second))}, consent.Unknown, nil},
		{"an objection that names the holder is not total", nil, records{permit("a", thisOne, recorded(first)), deny("b", hospital, recorded(second))}, consent.Granted, ids("a")},
		{"an objection that names the party is not total", nil, records{permit("a", thisOne, recorded(first)), deny("b", gps, recorded(second))}, consent.Granted, ids("a")},
		{"an objection that names data is not total", nil, records{permit("a", thisOne, recorded(first)), deny("b", data("GGC002"), recorded(second))}, consent.Granted, ids("a")},
		{"an objection that names the channel is not total", nil, records{permit("a", thisOne, recorded(first)), deny("b", channel("regional"), recorded(second))}, consent.Granted, ids("a")},
		{"an objection that names a purpose is not total", emergency, records{permit("a", thisOne, recorded(first)), deny("b", purposes("TREAT"), recorded(second))}, consent.Granted, ids("a")},
	})
}

func TestStatementsAboutTheRequest(t *testing.T) {
	side := func(category, organization, practitioner string) consent.Side {
		return consent.Side{Category: category, Organization: organization, Practitioner: practitioner}
	}
	category := func(c fhir.DataCategory, groups ...string) func(*consent.Query) {
		return func(q *consent.Query) { q.Category, q.Groups = c, groups }
	}
	purpose := func(p string) func(*consent.Query) { return func(q *consent.Query) { q.Purpose = p } }
	none := func(name string, change func(*consent.Query), r consent.Record) evaluation {
		return evaluation{name, change, records{r}, consent.Unknown, nil}
	}
	granted := func(name string, change func(*consent.Query), r consent.Record) evaluation {
		return evaluation{name, change, records{r}, consent.Granted, ids("a")}
	}
	run(t, []evaluation{
		granted("the holder's organization", nil, permit("a", thisOrg)),
		none("another holder", nil, permit("a", holder(side("", "ura:9", "")))),
		granted("the holder's category", nil, permit("a", hospital)),
		none("another holder's category", nil, permit("a", holder(side("gp", "", "")))),
		none("a practitioner holds nothing", nil, permit("a", holder(side("", "", "uzi:3")))),
		granted("the party's organization", nil, permit("a", thisGP)),
		none("another party", nil, permit("a", party(side("", "ura:9", "")))),
		granted("the party's category", nil, permit("a", gps)),
		none("another party's category", nil, permit("a", party(side("hospital", "", "")))),
		granted("the practitioner", nil, permit("a", thisOne)),
		none("another practitioner", nil, permit("a", party(side("", "", "uzi:9")))),
		none("two names of one side must both match", nil, permit("a", party(side("gp", "ura:9", "")))),
		none("a practitioner is nobody's when none asks", func(q *consent.Query) { q.Party.Practitioner = "" }, permit("a", thisOne)),
		granted("the channel", nil, permit("a", channel("regional"))),
		none("another channel", nil, permit("a", channel("lsp"))),

		granted("the data category", nil, permit("a", data("Condition"))),
		granted("one of several data categories", nil, permit("a", data("Alert", "Condition"))),
		none("another data category", nil, permit("a", data("Alert"))),
		granted("its group", nil, permit("a", data("GGC002"))),
		none("another group", nil, permit("a", data("GGC012"))),
		granted("a group that includes its group", category("Imaging", "GGC012", "GGC002"), permit("a", data("GGC002"))),
		none("a category of no group is not in a group", category("Restricted"), permit("a", data("GGC002"))),
		none("no data does not open Restricted", category("Restricted"), permit("a")),
		granted("Restricted opens Restricted", category("Restricted"), permit("a", data("Restricted"))),
		{"an objection to everything is one to Restricted", category("Restricted"), records{deny("a")}, consent.Refused, ids("a")},
		{"a withdrawn permit of everything objects to Restricted", category("Restricted"),
			records{permit("a", withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Withdrawn, ids("a")},

		granted("no purpose means TREAT", purpose("TREAT"), permit("a")),
		granted("no purpose means ETREAT", purpose("ETREAT"), permit("a")),
		none("no purpose does not mean HRESCH", purpose("HRESCH"), permit("a")),
		granted("TREAT is TREAT", purpose("TREAT"), permit("a", purposes("TREAT"))),
		granted("TREAT among others is TREAT", purpose("TREAT"), permit("a", purposes("HRESCH", "TREAT"))),
		none("ETREAT is not TREAT", purpose("TREAT"), permit("a", purposes("ETREAT"))),
		none("HRESCH is not TREAT", purpose("TREAT"), permit("a", purposes("HRESCH"))),
		granted("TREAT is ETREAT", purpose("ETREAT"), permit("a", purposes("TREAT"))),
		granted("ETREAT is ETREAT", purpose("ETREAT"), permit("a", purposes("ETREAT"))),
		none("HRESCH is not ETREAT", purpose("ETREAT"), permit("a", purposes("HRESCH"))),
		granted("HRESCH is HRESCH", purpose("HRESCH"), permit("a", purposes("TREAT", "HRESCH"))),
		none("TREAT and ETREAT are not HRESCH", purpose("HRESCH"), permit("a", purposes("TREAT", "ETREAT"))),
	})
}

func TestTheMostSpecificWins(t *testing.T) {
	emergency := func(q *consent.Query) { q.Purpose = "ETREAT" }
	all := func(r *consent.Record) {
		r.Data, r.Channel, r.Purposes = []string{"Condition"}, "regional", []string{"TREAT"}
	}
	run(t, []evaluation{
		{"a named practitioner outweighs everything but a side", nil, records{deny("a", gps, hospital, all), permit("b", thisOne)}, consent.Granted, ids("b")},
		{"a named organization outweighs everything but a side", nil, records{deny("a", gps, hospital, all), permit("b", thisGP)}, consent.Granted, ids("b")},
		{"a named holder counts like a named party", nil, records{deny("a", thisOrg), permit("b", gps, hospital)}, consent.Refused, ids("a")},
		{"both sides named outweigh one", nil, records{deny("a", thisGP, hospital, all), permit("b", thisGP, thisOrg)}, consent.Granted, ids("b")},
		{"then more dimensions outweigh fewer: holder", nil, records{deny("a", gps), permit("b", gps, hospital)}, consent.Granted, ids("b")},
		{"then more dimensions outweigh fewer: party", nil, records{deny("a", hospital), permit("b", gps, hospital)}, consent.Granted, ids("b")},
		{"then more dimensions outweigh fewer: data", nil, records{deny("a", gps), permit("b", gps, data("GGC002"))}, consent.Granted, ids("b")},
		{"then more dimensions outweigh fewer: channel", nil, records{deny("a", gps), permit("b", gps, channel("regional"))}, consent.Granted, ids("b")},
		{"then more dimensions outweigh fewer: purposes", nil, records{deny("a", gps), permit("b", gps, purposes("TREAT"))}, consent.Granted, ids("b")},
		{"a category and its group are equally specific", nil, records{permit("a", data("Condition")), deny("b", data("GGC002"))}, consent.Refused, ids("b")},
		{"an organization and a practitioner are equally specific", nil, records{permit("a", thisOne), deny("b", thisGP)}, consent.Refused, ids("b")},
		{"a dimension counts once, however much it names", nil, records{permit("a", gps, data("Condition", "Alert")), deny("b", gps, channel("regional"))}, consent.Refused, ids("b")},

		{"among equals an objection wins", nil, records{permit("a", gps), deny("b", hospital)}, consent.Refused, ids("b")},
		{"a withdrawal wins over a permit", nil, records{permit("a", gps), permit("b", hospital, withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Withdrawn, ids("b")},
		{"an objection with exception wins over a permit", emergency, records{permit("a", gps), deny("b", hospital, exceptEmergency)}, consent.RefusedExceptEmergency, ids("b")},
		{"refused wins over withdrawn", nil, records{deny("a", gps), permit("b", hospital, withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Refused, ids("a")},
		{"withdrawn wins over refused except in an emergency", nil,
			records{deny("a", gps, exceptEmergency), permit("b", hospital, withdrawn("2021-01-01T00:00:00Z", "patient"))}, consent.Withdrawn, ids("b")},
		{"refused wins over refused except in an emergency", emergency, records{deny("a", gps, exceptEmergency), deny("b", hospital)}, consent.Refused, ids("b")},
		{"the records are all equals of the kind that won, sorted, and no others", nil,
			records{deny("c", gps), deny("a", hospital), deny("d", data("GGC002")), permit("b", channel("regional"))}, consent.Refused, ids("a", "c", "d")},
		{"what is less specific is not among the records", nil, records{permit("a"), permit("b", gps)}, consent.Granted, ids("b")},
	})
}

func TestMaySpeak(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		born          string
		incapacitated bool
		want          string
	}{
		{"2014-06-02", false, "false true"}, {"2014-06-01", false, "true true"}, {"2010-06-02", false, "true true"}, {"2010-06-01", false, "true false"},
		{"1970-01-01", false, "true false"}, {"1970-01-01", true, "true true"}, {"2014-06-02", true, "false true"}, {"", false, "true true"},
	} {
		q := consent.Query{At: at, Born: tt.born, Incapacitated: tt.incapacitated}
		if got := fmt.Sprint(q.MaySpeak(consent.ByPatient), q.MaySpeak(consent.ByRepresentative)); got != tt.want {
			t.Errorf("born %q, incapacitated %v: patient and representative: got %s, want %s", tt.born, tt.incapacitated, got, tt.want)
		}
	}
}

func TestTotalObjections(t *testing.T) {
	total := consent.Record{Decision: consent.DecisionDeny}
	permit, named := total, total
	permit.Decision, named.Channel = consent.DecisionPermit, "lsp"
	if !total.IsTotalObjection() || permit.IsTotalObjection() || named.IsTotalObjection() {
		t.Error("a total objection is a deny that names nothing, and nothing else")
	}
}
