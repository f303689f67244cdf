package policy_test

import (
	"slices"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// TestMandate: a person named by the patient may see what the mandate covers, and nobody and nothing else.
func TestMandate(t *testing.T) {
	const anja, other = consent.PersonKey("anja"), consent.PersonKey("somebody else")
	now := instant("2026-07-01T12:00:00Z")
	named := func(id string, change ...func(*consent.Record)) consent.Record {
		r := consent.Record{
			ID: consent.RecordID(id), Status: "active", Decision: "permit", Party: consent.Side{Person: anja}, PartyName: "Anja",
			Data: []string{"GGC013"}, Purposes: []string{consent.PurposeMandate}, GivenBy: []string{"patient"}, RecordedAt: consent.Time{Time: now.Add(-time.Hour)},
		}
		for _, c := range change {
			c(&r)
		}
		return r
	}
	data := func(names ...string) func(*consent.Record) { return func(r *consent.Record) { r.Data = names } }
	refuses := func(r *consent.Record) { r.Decision = "deny" }
	ended := func(r *consent.Record) {
		r.Status, r.WithdrawnAt, r.WithdrawnBy = "withdrawn", consent.Time{Time: now.Add(-time.Minute)}, []string{"patient"}
	}
	until := func(at time.Time) func(*consent.Record) {
		return func(r *consent.Record) { r.ValidTo = consent.Time{Time: at} }
	}
	everything := consent.Record{ID: "stop", Status: "active", Decision: "deny", GivenBy: []string{"patient"}, RecordedAt: consent.Time{Time: now.Add(-time.Minute)}}
	tests := []struct {
		name    string
		records []consent.Record
		by      consent.PersonKey
		data    fhir.DataCategory
		want    []consent.RecordID
	}{
		{"nobody is named", nil, anja, "MedicationRequest", nil},
		{"named for it", []consent.Record{named("m")}, anja, "MedicationRequest", []consent.RecordID{"m"}},
		{"named for something else", []consent.Record{named("m")}, anja, "Condition", nil},
		{"somebody else is named", []consent.Record{named("m")}, other, "MedicationRequest", nil},
		{"somebody of whom nothing is known", []consent.Record{named("m", func(r *consent.Record) { r.Party = consent.Side{} })}, "", "MedicationRequest", nil},
		{"named for everything", []consent.Record{named("m", data())}, anja, "Condition", []consent.RecordID{"m"}},
		{"named for everything, and it is restricted", []consent.Record{named("m", data())}, anja, fhir.Restricted, nil},
		{"named for everything, and nothing is known of it", []consent.Record{named("m", data())}, anja, "", nil},
		{"named for everything, and it is the patient's choices", []consent.Record{named("m", data())}, anja, fhir.CategoryConsent, nil},
		{"named for everything, and it is the log", []consent.Record{named("m", data())}, anja, fhir.CategoryLogging, nil},
		{"named for the patient's choices", []consent.Record{named("m", data("Consent"))}, anja, fhir.CategoryConsent, []consent.RecordID{"m"}},
		{"refused the patient's choices", []consent.Record{named("m", data("Consent")), named("n", refuses, data("Consent"))}, anja, fhir.CategoryConsent, nil},
		{"named for everything but this", []consent.Record{named("m", data()), named("n", refuses, data("Condition"))}, anja, "Condition", nil},
		{"and the rest", []consent.Record{named("m", data()), named("n", refuses, data("Condition"))}, anja, "MedicationRequest", []consent.RecordID{"m"}},
		{"ended", []consent.Record{named("m", ended)}, anja, "MedicationRequest", nil},
		{"until now", []consent.Record{named("m", until(now))}, anja, "MedicationRequest", nil},
		{"until later", []consent.Record{named("m", until(now.Add(1)))}, anja, "MedicationRequest", []consent.RecordID{"m"}},
		{"everything was stopped since", []consent.Record{named("m"), everything}, anja, "MedicationRequest", nil},
		{"named by a representative of somebody who decides", []consent.Record{named("m", func(r *consent.Record) { r.GivenBy = []string{"representative"} })}, anja, "MedicationRequest", nil},
		{"over another channel", []consent.Record{named("m", func(r *consent.Record) { r.Channel = "lsp" })}, anja, "MedicationRequest", nil},
		{"of another holder", []consent.Record{named("m", func(r *consent.Record) { r.Holder.Organization = "ura:9" })}, anja, "MedicationRequest", nil},
		{"named for treatment, which a write refuses", []consent.Record{named("m", func(r *consent.Record) { r.Purposes = nil })}, anja, "MedicationRequest", nil},
		{"a permit for care providers names nobody", []consent.Record{named("m", func(r *consent.Record) { r.Party, r.Purposes = consent.Side{Category: "gp"}, nil })}, anja, "MedicationRequest", nil},
	}
	p := vectorPolicy(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := policy.Input{At: now, Records: tt.records, Patient: policy.Patient{Key: "p", BirthDate: "1970-01-01"}, Request: policy.Request{
				Actor: policy.Actor{Kind: policy.KindRepresentative, Authority: "written", PatientKey: "p"}, Channel: "medmij",
				Holder: policy.Holder{Organization: "ura:1", Category: "hospital"}, Category: tt.data,
			}}
			got, given := p.Mandate(in, tt.by)
			if given != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, given, tt.want)
			}
		})
	}
}

// TestAMandateIsNoConsentForProviders: naming a person neither permits nor refuses care providers anything.
func TestAMandateIsNoConsentForProviders(t *testing.T) {
	p := vectorPolicy(t)
	for _, decision := range []string{"permit", "deny"} {
		r := permit("m")
		r.Party, r.Purposes, r.Decision = consent.Side{Person: "anja"}, []string{consent.PurposeMandate}, decision
		with, without := p.Decide(provider(onFile(r))), p.Decide(provider())
		if !sameDecision(with, without) || with.Permit {
			t.Errorf("%s: got %+v, want %+v", decision, with, without)
		}
		in := provider(onFile(permit("a"), r))
		if got, want := p.Decide(in), p.Decide(provider(onFile(permit("a")))); !sameDecision(got, want) || !got.Permit {
			t.Errorf("%s, beside consent: got %+v, want %+v", decision, got, want)
		}
	}
}
