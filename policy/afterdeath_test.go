package policy_test

import (
	"slices"
	"strings"
	"testing"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// handover is a valid statement, and deadInput a question about somebody who died at 39 and objected to nothing.
func handover() policy.Handover {
	return policy.Handover{
		Ground: policy.GroundProcedure, By: "A. Officer", ApprovedBy: "B. Director", NoObjectionPresumed: true, Data: []string{"Condition", "GGC012"},
	}
}

func deadInput() policy.Input {
	in := provider()
	in.Request = policy.Request{Holder: in.Request.Holder, Category: "Condition"}
	in.Patient = policy.Patient{Key: "p1", BirthDate: "1980-03-01", Deceased: true, DiedEarliest: "2019-05-01", DiedLatest: "2019-05-01"}
	in.Records = nil
	return in
}

func TestAfterDeath(t *testing.T) {
	child := func(born, earliest, latest string) func(*policy.Handover, *policy.Input) {
		return func(h *policy.Handover, in *policy.Input) {
			h.Ground = policy.GroundParents
			in.Patient.BirthDate, in.Patient.DiedEarliest, in.Patient.DiedLatest = born, earliest, latest
		}
	}
	refusal := func(by ...string) consent.Record {
		return consent.Record{ID: "a", Status: "active", Decision: "deny", GivenBy: by}
	}
	tests := []struct {
		name   string
		change func(*policy.Handover, *policy.Input)
		want   policy.Reason
	}{
		{"everything is right", nil, policy.ReasonAfterDeath},
		{"a hereditary condition", func(h *policy.Handover, _ *policy.Input) { h.Ground = policy.GroundHereditary }, policy.ReasonAfterDeath},
		{"an incident", func(h *policy.Handover, _ *policy.Input) { h.Ground = policy.GroundIncident }, policy.ReasonAfterDeath},
		{"a dispute about a will", func(h *policy.Handover, _ *policy.Input) { h.Ground = "testament-dispute" }, policy.ReasonGroundNotListed},
		{"a personal interest of relatives", func(h *policy.Handover, _ *policy.Input) { h.Ground = "personal-interest" }, policy.ReasonGroundNotListed},
		{"no ground", func(h *policy.Handover, _ *policy.Input) { h.Ground = "" }, policy.ReasonGroundNotListed},
		{"a ground in capitals", func(h *policy.Handover, _ *policy.Input) { h.Ground = "INCIDENT" }, policy.ReasonGroundNotListed},

		{"nobody approved", func(h *policy.Handover, _ *policy.Input) { h.ApprovedBy = " " }, policy.ReasonFourEyes},
		{"nobody does it", func(h *policy.Handover, _ *policy.Input) { h.By = "" }, policy.ReasonFourEyes},
		{"the same name, written in another way", func(h *policy.Handover, _ *policy.Input) { h.ApprovedBy = " a.  OFFICER " }, policy.ReasonFourEyes},
		{"nothing is said of what the deceased would have wanted", func(h *policy.Handover, _ *policy.Input) { h.NoObjectionPresumed = false }, policy.ReasonPresumptionMissing},

		{"no data is named", func(h *policy.Handover, _ *policy.Input) { h.Data = nil }, policy.ReasonDataNotNamed},
		{"other data is named", func(h *policy.Handover, _ *policy.Input) { h.Data = []string{"Imaging"} }, policy.ReasonDataNotNamed},
		{"the group of the data is named", func(h *policy.Handover, _ *policy.Input) { h.Data = []string{"GGC002"} }, policy.ReasonAfterDeath},
		{"a group that is included is named", func(_ *policy.Handover, in *policy.Input) { in.Request.Category = "Imaging" }, policy.ReasonAfterDeath},
		{"what patients decided is named", func(h *policy.Handover, _ *policy.Input) { h.Data = []string{"Condition", "Consent"} }, policy.ReasonNotShareable},
		{"who looked is named", func(h *policy.Handover, _ *policy.Input) { h.Data = []string{"Condition", "Logging"} }, policy.ReasonNotShareable},
		{"what is never disclosed is named", func(h *policy.Handover, _ *policy.Input) { h.Data = []string{string(fhir.NeverDisclosed)} }, policy.ReasonNotShareable},
		{"restricted data, which the operator does not allow", func(h *policy.Handover, _ *policy.Input) { h.Data = []string{"Restricted"} }, policy.ReasonRestrictedNotAllowed},
		{"restricted data that nobody named", func(h *policy.Handover, in *policy.Input) {
			h.Restricted, h.Data, in.Request.Category = true, []string{"GGC002"}, fhir.Restricted
		}, policy.ReasonDataNotNamed},
		{"restricted data, named and allowed", func(h *policy.Handover, in *policy.Input) {
			h.Restricted, h.Data, in.Request.Category = true, []string{"Restricted"}, fhir.Restricted
		}, policy.ReasonAfterDeath},
		{"data of which nothing is known", func(h *policy.Handover, in *policy.Input) { h.Data, in.Request.Category = []string{"GGC002"}, "" }, policy.ReasonDataNotNamed},

		{"somebody who lives", func(_ *policy.Handover, in *policy.Input) { in.Patient.Deceased = false }, policy.ReasonNotDeceased},
		{"somebody who is to die tomorrow", func(_ *policy.Handover, in *policy.Input) {
			in.Patient.DiedEarliest, in.Patient.DiedLatest = "2099-01-01", "2099-01-01"
		}, policy.ReasonNotDeceased},
		{"somebody who died nobody knows when", func(_ *policy.Handover, in *policy.Input) {
			in.Patient.DiedEarliest, in.Patient.DiedLatest = "", ""
		}, policy.ReasonAfterDeath},

		{"parents of an adult", child("1980-03-01", "2019-05-01", "2019-05-01"), policy.ReasonAgeAtDeath},
		{"parents of a child", child("2008-03-01", "2019-05-01", "2019-05-01"), policy.ReasonAfterDeath},
		{"parents of a child that would be an adult now", child("1990-03-01", "2001-05-01", "2001-05-01"), policy.ReasonAfterDeath},
		{"parents of a newborn", child("2019-05-01", "2019-05-01", "2019-05-01"), policy.ReasonAfterDeath},
		{"parents, the day before the sixteenth birthday", child("2003-05-02", "2019-05-01", "2019-05-01"), policy.ReasonAfterDeath},
		{"parents, on the sixteenth birthday", child("2003-05-01", "2019-05-01", "2019-05-01"), policy.ReasonAgeAtDeath},
		{"parents, in the month of the sixteenth birthday", child("2003-05-20", "2019-05-01", "2019-05-31"), policy.ReasonAgeAtDeath},
		{"parents of an adult who died nobody knows when", child("1990-03-01", "", ""), policy.ReasonAgeAtDeath},
		{"parents of who would be fifteen, and died nobody knows when", child("2024-03-01", "", ""), policy.ReasonAfterDeath},
		{"parents of who died this month, before the sixteenth birthday in it", child("2010-07-20", "2026-07-01", "2026-07-31"), policy.ReasonAfterDeath},
		{"parents of who died before the birth", child("2020-03-01", "2019-05-01", "2019-05-01"), policy.ReasonAgeAtDeath},
		{"parents of whom no birth date is known", child("", "2019-05-01", "2019-05-01"), policy.ReasonAgeAtDeath},
		{"parents, one of whom a provider keeps out", func(h *policy.Handover, in *policy.Input) {
			child("2008-03-01", "2019-05-01", "2019-05-01")(h, in)
			in.Patient.Flags.RepresentativesBlocked = []string{"r1"}
		}, policy.ReasonRepresentativeBlocked},
		{"another ground, where a representative is kept out", func(_ *policy.Handover, in *policy.Input) {
			in.Patient.Flags.RepresentativesBlocked = []string{"r1"}
		}, policy.ReasonAfterDeath},

		{"the deceased objected", func(_ *policy.Handover, in *policy.Input) { in.Records = []consent.Record{refusal("patient")} }, policy.ReasonObjectedInLife},
		{"the deceased objected for a time that ended after the death", func(_ *policy.Handover, in *policy.Input) {
			in.Records = []consent.Record{refusal("patient")}
			in.Records[0].ValidTo = consent.Time{Time: instant("2020-01-01T00:00:00Z")}
		}, policy.ReasonObjectedInLife},
		{"the deceased objected for a time that ended before", func(_ *policy.Handover, in *policy.Input) {
			in.Records = []consent.Record{refusal("patient")}
			in.Records[0].ValidTo = consent.Time{Time: instant("2019-01-01T00:00:00Z")}
		}, policy.ReasonAfterDeath},
		{"a representative objected", func(_ *policy.Handover, in *policy.Input) { in.Records = []consent.Record{refusal("representative")} }, policy.ReasonObjectedInLife},
		{"parents who objected for their child", func(h *policy.Handover, in *policy.Input) {
			child("2008-03-01", "2019-05-01", "2019-05-01")(h, in)
			in.Records = []consent.Record{refusal("representative")}
		}, policy.ReasonAfterDeath},
		{"parents of a child that objected", func(h *policy.Handover, in *policy.Input) {
			child("2008-03-01", "2019-05-01", "2019-05-01")(h, in)
			in.Records = []consent.Record{refusal("patient", "representative")}
		}, policy.ReasonObjectedInLife},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, in := handover(), deadInput()
			if tt.change != nil {
				tt.change(&h, &in)
			}
			got := vectorPolicy(t).AfterDeath(h, in)
			if got.Reason != tt.want || got.Permit != strings.HasPrefix(string(tt.want), "ok-") {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
			if objected := got.Reason == policy.ReasonObjectedInLife; objected != slices.Equal(got.Records, []consent.RecordID{"a"}) {
				t.Errorf("got records %q", got.Records)
			}
			if d, admitted := h.Admit(); !admitted && d.Reason != got.Reason || admitted && len(h.Data) == 0 {
				t.Errorf("before any lookup: %s, admitted %v; after one: %s", d.Reason, admitted, got.Reason)
			}
			if d := new(policy.Policy).AfterDeath(h, in); d.Permit {
				t.Error("the zero policy permits it")
			}
		})
	}
}

// TestAfterDeathOpensNothingElse: for those who ask the gateway themselves, the deceased's record stays as closed as it was.
func TestAfterDeathOpensNothingElse(t *testing.T) {
	in := provider()
	in.Patient.Deceased, in.Records = true, nil
	if d := vectorPolicy(t).Decide(in); d.Permit || d.Reason != policy.ReasonDeceased {
		t.Errorf("got %+v, want deceased", d)
	}
}
