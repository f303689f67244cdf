package policy_test

import (
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// The generators draw from few values, so that records and requests often meet, and instants close to each other and to birthdays, so that
// boundaries are crossed.

var moments = []string{
	"2019-05-01T09:00:00Z", "2024-02-29T12:00:00Z", "2026-06-30T21:59:59Z", "2026-06-30T22:00:00Z", "2026-07-01T22:00:00Z",
	"2026-07-01T22:30:00Z", "2026-11-20T23:00:00Z", "2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z", "2028-03-01T00:00:00Z", "2040-01-01T00:00:00Z",
}

var births = []string{"1961-02-03", "2008-07-02", "2010-07-02", "2010-11-21", "2012-02-29", "2014-07-01", "2014-07-02", "2020-06-01", "2029-01-01", "unknown"}

func moment() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.SampledFrom(moments), instant)
}

func open(g *rapid.Generator[time.Time]) *rapid.Generator[consent.Time] {
	return rapid.Custom(func(t *rapid.T) consent.Time {
		if rapid.Bool().Draw(t, "open") {
			return consent.Time{}
		}
		return consent.Time{Time: g.Draw(t, "instant")}
	})
}

func some(of ...string) *rapid.Generator[[]string] {
	return rapid.SliceOfN(rapid.SampledFrom(of), 0, 2)
}

func aSide() *rapid.Generator[consent.Side] {
	return rapid.SampledFrom([]consent.Side{
		{}, {}, {Category: "gp"}, {Category: "hospital"}, {Organization: "ura:1"}, {Organization: "ura:2"}, {Practitioner: "uzi:3"},
	})
}

func aRecord() *rapid.Generator[consent.Record] {
	return rapid.Custom(func(t *rapid.T) consent.Record {
		sayers := rapid.SampledFrom([][]string{{"patient"}, {"representative"}, {"patient", "representative"}, nil})
		return consent.Record{
			ID:                 consent.RecordID(rapid.StringMatching(`[a-z]{6}`).Draw(t, "id")),
			Status:             rapid.SampledFrom([]string{"active", "active", "active", "withdrawn", "entered-in-error"}).Draw(t, "status"),
			Decision:           rapid.SampledFrom([]string{"permit", "permit", "deny"}).Draw(t, "decision"),
			EmergencyException: rapid.Bool().Draw(t, "exception"),
			Holder:             aSide().Draw(t, "holder"),
			Party:              aSide().Draw(t, "party"),
			Data:               some("GGC002", "GGC012", "Condition", "Restricted").Draw(t, "data"),
			Channel:            rapid.SampledFrom([]string{"", "", "regional", "referral"}).Draw(t, "channel"),
			Purposes:           some("TREAT", "ETREAT", "HRESCH").Draw(t, "purposes"),
			ValidFrom:          open(moment()).Draw(t, "from"),
			ValidTo:            open(moment()).Draw(t, "to"),
			RecordedAt:         consent.Time{Time: moment().Draw(t, "recorded")},
			GivenBy:            sayers.Draw(t, "given by"),
			Posthumous:         rapid.Bool().Draw(t, "posthumous"),
			WithdrawnAt:        open(moment()).Draw(t, "withdrawn"),
			WithdrawnBy:        sayers.Draw(t, "withdrawn by"),
		}
	})
}

func aRequest() *rapid.Generator[policy.Request] {
	return rapid.Custom(func(t *rapid.T) policy.Request {
		r := policy.Request{
			Actor: policy.Actor{
				Kind: rapid.SampledFrom([]policy.SubjectKind{
					policy.KindProvider, policy.KindProvider, policy.KindProvider, policy.KindPatient, policy.KindRepresentative, policy.KindOther,
				}).Draw(t, "kind"),
				Assurance: policy.AssuranceLevel(rapid.SampledFrom([]int{-1, 0, 1, 2, 2, 2, 3, 3, 4}).Draw(t, "assurance")),
				Categories: rapid.SampledFrom([][]policy.ProviderCategory{
					{"gp"}, {"gp"}, {"hospital"}, {"pharmacy"}, {"gp", "hospital"}, {"gp", "gp"}, {"astrologer"}, {}, {"insurer"}, {"gp", "company-doctor"},
				}).Draw(t, "categories"),
				Organization:   rapid.SampledFrom([]string{"ura:1", "ura:2"}).Draw(t, "organization"),
				Practitioner:   rapid.SampledFrom([]string{"uzi:3", "uzi:3", ""}).Draw(t, "practitioner"),
				Relationship:   rapid.SampledFrom([]policy.Relationship{"treating", "substitute", "none", ""}).Draw(t, "relation"),
				PatientKey:     rapid.SampledFrom([]consent.PersonKey{"p1", "p1", "p2", ""}).Draw(t, "for"),
				Representative: rapid.SampledFrom([]string{"rep1", "rep2"}).Draw(t, "representative"),
				Authority:      rapid.SampledFrom([]string{"parental", "guardian", "curator", "mentor", "written", ""}).Draw(t, "authority"),
			},
			Purpose:  rapid.SampledFrom([]policy.PurposeOfUse{"TREAT", "TREAT", "ETREAT", "ETREAT", "HRESCH", "PATRQT", "PATRQT", "EMPLOY", "HPAYMT", ""}).Draw(t, "purpose"),
			Channel:  rapid.SampledFrom([]policy.Channel{"regional", "medmij", "referral", "other"}).Draw(t, "channel"),
			Holder:   policy.Holder{Organization: "ura:1", Category: "hospital"},
			Category: rapid.SampledFrom([]fhir.DataCategory{"Condition", "Imaging", "Unclassified", "Restricted", "Consent", ""}).Draw(t, "category"),
		}
		if rapid.Bool().Draw(t, "declared") {
			r.Emergency = &policy.Emergency{
				Reason:            rapid.SampledFrom([]string{"unconscious", " "}).Draw(t, "reason"),
				ConsentImpossible: rapid.SampledFrom([]bool{true, true, false}).Draw(t, "impossible"),
			}
		}
		return r
	})
}

func anInput() *rapid.Generator[policy.Input] {
	return rapid.Custom(func(t *rapid.T) policy.Input {
		return policy.Input{At: moment().Draw(t, "at"), Request: aRequest().Draw(t, "request"), Patient: aPatient().Draw(t, "patient"),
			Records: rapid.SliceOfN(aRecord(), 0, 6).Draw(t, "records")}
	})
}

func aPatient() *rapid.Generator[policy.Patient] {
	return rapid.Custom(func(t *rapid.T) policy.Patient {
		return policy.Patient{
			Key: "p1", BirthDate: rapid.SampledFrom(births).Draw(t, "born"), Deceased: rapid.SampledFrom([]bool{false, false, true}).Draw(t, "deceased"),
			Flags: consent.Flags{
				Incapacitated:          rapid.Bool().Draw(t, "incapacitated"),
				RepresentativesBlocked: rapid.SampledFrom([][]string{nil, {"rep2"}}).Draw(t, "blocked"),
				WithheldFromPatient:    rapid.SampledFrom([][]fhir.DataCategory{nil, {"Imaging"}}).Draw(t, "withheld"),
			},
		}
	})
}

func TestOrderOfRecordsNeverMatters(t *testing.T) {
	p := vectorPolicy(t)
	rapid.Check(t, func(t *rapid.T) {
		in := anInput().Draw(t, "input")
		want := p.Decide(in)
		in.Records = slices.Clone(in.Records)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(in.Records), func(i, j int) {
			in.Records[i], in.Records[j] = in.Records[j], in.Records[i]
		})
		if got := p.Decide(in); !sameDecision(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestNothingLiftsABlock(t *testing.T) {
	p := vectorPolicy(t)
	rapid.Check(t, func(t *rapid.T) {
		in := anInput().Draw(t, "input")
		a := &in.Request.Actor
		if rapid.Bool().Draw(t, "by purpose") {
			in.Request.Purpose = rapid.SampledFrom([]policy.PurposeOfUse{"EMPLOY", "DISABILITY", "INSUR"}).Draw(t, "purpose")
		} else {
			a.Categories = append([]policy.ProviderCategory{rapid.SampledFrom(policy.BlockedCategories()).Draw(t, "party")}, a.Categories...)
		}
		got := p.Decide(in)
		if got.Permit || !strings.HasPrefix(string(got.Reason), "blocked-") || len(got.Records) > 0 {
			t.Fatalf("got %+v, want a block", got)
		}
	})
}

func TestATotalRefusalNeverOpensAnything(t *testing.T) {
	p := vectorPolicy(t)
	rapid.Check(t, func(t *rapid.T) {
		in := anInput().Draw(t, "input")
		before := p.Decide(in)
		in.Records = append(slices.Clone(in.Records), consent.Record{
			ID: "total", Status: "active", Decision: "deny", RecordedAt: consent.Time{Time: in.At}, GivenBy: []string{"patient", "representative"},
		})
		after := p.Decide(in)
		if after.Permit && !before.Permit {
			t.Fatalf("got %+v, was %+v", after, before)
		}
		if after.Permit && in.Request.Actor.Kind == policy.KindProvider && in.Request.Purpose == policy.PurposeTreatment {
			t.Fatalf("treatment is open after a total refusal: %+v", after)
		}
	})
}

func TestAdmitAgreesWithDecide(t *testing.T) {
	for name, p := range map[string]*policy.Policy{"no caps": vectorPolicy(t), "caps": capped(t)} {
		t.Run(name, func(t *testing.T) { admitAgreesWithDecide(t, p) })
	}
}

func admitAgreesWithDecide(t *testing.T, p *policy.Policy) {
	admitted := []policy.Reason{ // what Decide may still answer to a caller whom Admit passes
		"patient-mismatch", "deceased", "age-not-allowed", "withheld-from-patient", "ok-self", "representative-blocked",
		"representative-not-authorised", "ok-representative", "not-for-role", "ok-consent", "ok-emergency-unknown", "ok-emergency-exception",
		"emergency-refused", "consent-refused", "consent-withdrawn", "ok-implied", "no-consent",
	}
	rapid.Check(t, func(t *rapid.T) {
		in := anInput().Draw(t, "input")
		refusal, ok := p.Admit(in.Request)
		got := p.Decide(in)
		if !ok && (refusal.Permit || !sameDecision(got, refusal)) {
			t.Fatalf("Admit says %+v, Decide %+v", refusal, got)
		}
		if ok && !slices.Contains(admitted, got.Reason) {
			t.Fatalf("Admit lets pass what Decide refuses for the request alone: %+v", got)
		}
		if ok && (refusal.Permit || refusal.Reason != "") {
			t.Fatalf("Admit lets pass and says %+v", refusal)
		}
		// The gate asks before it knows the data category: that must not refuse anybody else.
		in.Request.Category = ""
		if early, ok := p.Admit(in.Request); !ok && p.Decide(in).Reason != early.Reason {
			t.Fatalf("without a data category Admit says %+v", early)
		}
	})
}

// TestACapOnlyTakesAway: a cap can only cause a refusal, or make emergency access alert; it changes nothing for a category without one, nor
// for patients and their representatives.
func TestACapOnlyTakesAway(t *testing.T) {
	without, with := vectorPolicy(t), capped(t)
	rapid.Check(t, func(t *rapid.T) {
		in := anInput().Draw(t, "input")
		before, after := without.Decide(in), with.Decide(in)
		a := in.Request.Actor
		free := a.Kind != policy.KindProvider || !slices.ContainsFunc(a.Categories, func(c policy.ProviderCategory) bool { return c == "gp" || c == "pharmacy" || c == "ggz" || c == "lab" })
		switch {
		case sameDecision(after, before):
		case free:
			t.Fatalf("with a cap on others got %+v, was %+v", after, before)
		case after.Permit && !before.Permit:
			t.Fatalf("a cap opens: got %+v, was %+v", after, before)
		case in.Request.Purpose == policy.PurposeEmergency:
			if after.Permit != before.Permit || after.Reason != before.Reason || !slices.Contains(after.Obligations, policy.ObligationAlert) {
				t.Fatalf("in an emergency got %+v, was %+v", after, before)
			}
		case after.Reason != policy.ReasonNotForRole || len(after.Records) > 0 || len(after.Obligations) > 0:
			t.Fatalf("got %+v, was %+v", after, before)
		}
	})
}

func TestADecisionHoldsUntilNotAfter(t *testing.T) {
	p := vectorPolicy(t)
	rapid.Check(t, func(t *rapid.T) {
		in := anInput().Draw(t, "input")
		want, limit := p.Decide(in), p.NotAfter(in)
		later := in
		if limit.IsZero() {
			later.At = in.At.AddDate(rapid.IntRange(0, 100).Draw(t, "years"), 0, 0)
		} else {
			if !limit.After(in.At) {
				t.Fatalf("NotAfter %v is not after %v", limit, in.At)
			}
			span := limit.Sub(in.At)
			later.At = in.At.Add(time.Duration(rapid.Int64Range(0, int64(span)-1).Draw(t, "later")))
			if rapid.Bool().Draw(t, "at the very end") {
				later.At = limit.Add(-time.Nanosecond)
			}
		}
		if got := p.Decide(later); !sameDecision(got, want) {
			t.Fatalf("at %v got %+v, at %v it was %+v, NotAfter %v", later.At, got, in.At, want, limit)
		}
	})
}

func TestPermitsAreExactlyTheReasonsThatSaySo(t *testing.T) {
	p := vectorPolicy(t)
	rapid.Check(t, func(t *rapid.T) {
		got := p.Decide(anInput().Draw(t, "input"))
		if got.Reason == "" || got.Permit != strings.HasPrefix(string(got.Reason), "ok-") {
			t.Fatalf("got %+v", got)
		}
		if !slices.IsSorted(got.Obligations) || !slices.IsSorted(got.Records) {
			t.Fatalf("not sorted: %+v", got)
		}
	})
}
