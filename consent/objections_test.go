package consent_test

import (
	"slices"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
)

// TestObjectionsOutliveThePatient: what the deceased refused counts, whatever it named and whoever asks; what was taken back in life does
// not.
func TestObjectionsOutliveThePatient(t *testing.T) {
	const before, death, after = "2022-01-01T00:00:00Z", "2024-05-01T00:00:00Z", "2025-01-01T00:00:00Z"
	died := instant(death)
	restricted := func(q *consent.Query) { q.Category, q.Groups = fhir.Restricted, nil }
	renamed := func(q *consent.Query) {
		q.Changes = &consent.Changes{Carried: []consent.Carried{{At: instant(after), Kind: consent.NameOfData, From: "Diagnosis", To: "Condition"}}}
	}
	patient := []string{"patient"}
	tests := []struct {
		name      string
		query     func(*consent.Query)
		record    consent.Record
		died      time.Time
		ofPatient bool
		want      bool
	}{
		{"a refusal of everything", nil, deny("a"), died, false, true},
		{"a refusal with an exception for emergencies", nil, deny("a", exceptEmergency), died, false, true},
		{"a refusal of one practitioner", nil, deny("a", thisOne), died, false, true},
		{"a refusal on one channel, for research", nil, deny("a", channel("lsp"), purposes("HRESCH")), died, false, true},
		{"a refusal of the data category", nil, deny("a", data("Condition")), died, false, true},
		{"a refusal of its group", nil, deny("a", data("GGC002")), died, false, true},
		{"a refusal of the category by an older name", renamed, deny("a", data("Diagnosis")), died, false, true},
		{"a refusal of everything covers what is restricted", restricted, deny("a"), died, false, true},
		{"a refusal of another category", nil, deny("a", data("Imaging")), died, false, false},
		{"a refusal of what this holder keeps", nil, deny("a", thisOrg), died, false, true},
		{"a refusal of what another holder keeps", nil, deny("a", holder(consent.Side{Organization: "ura:9"})), died, false, false},
		{"a refusal that was to begin later", nil, deny("a", from(after)), died, false, true},
		{"a refusal that was put on file after the death", nil, deny("a", recorded(after)), died, false, true},
		{"a refusal that somebody else ended with a permit", nil, deny("a", gps), died, false, true},

		{"a refusal that ended in life", nil, deny("a", until(before)), died, false, false},
		{"a refusal that ended at the death", nil, deny("a", until(death)), died, false, false},
		{"a refusal that ended after the death", nil, deny("a", until(after)), died, false, true},
		{"a refusal that ended, of somebody who died nobody knows when", nil, deny("a", until(before)), time.Time{}, false, true},
		{"a refusal that the patient took back", nil, deny("a", withdrawn(before, patient...)), died, false, false},
		{"a refusal that somebody took back after the death", nil, deny("a", withdrawn(after, patient...)), died, false, true},
		{"a refusal that a representative took back", nil, deny("a", withdrawn(before, "representative")), died, false, true},
		{"a refusal of a representative, taken back by one", nil, deny("a", givenBy("representative"), withdrawn(before, "representative")), died, false, false},
		{"a refusal taken back, of somebody who died nobody knows when", nil, deny("a", withdrawn(before, patient...)), time.Time{}, false, true},

		{"a permit", nil, permit("a"), died, false, false},
		{"a permit that ended", nil, permit("a", until(before)), died, false, false},
		{"a permit that was withdrawn", nil, permit("a", withdrawn(before, patient...)), died, false, true},
		{"a permit that was withdrawn, and would have ended", nil, permit("a", withdrawn(before, patient...), until(before)), died, false, true},
		{"a permit of other data that was withdrawn", nil, permit("a", data("Imaging"), withdrawn(before, patient...)), died, false, false},
		{"a mistake", nil, deny("a", func(r *consent.Record) { r.Status = "entered-in-error" }), died, false, false},
		{"a decision that nobody understands", nil, permit("a", func(r *consent.Record) { r.Decision = "maybe" }), died, false, true},
		{"a permit of a status that nobody understands", nil, permit("a", func(r *consent.Record) { r.Status = "maybe" }), died, false, true},

		{"a representative's refusal", nil, deny("a", givenBy("representative")), died, false, true},
		{"a representative's refusal where the patient's count", nil, deny("a", givenBy("representative")), died, true, false},
		{"both refused where the patient's count", nil, deny("a", givenBy("representative", "patient")), died, true, true},
		{"a representative withdrew where the patient's count", nil, permit("a", withdrawn(before, "representative")), died, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := query()
			if tt.query != nil {
				tt.query(&q)
			}
			// A later permit of the same scope lifts nothing: after a death it does not count unless meant for that time.
			records := []consent.Record{permit("z", gps, recorded(after)), tt.record}
			var want []consent.RecordID
			if tt.want {
				want = []consent.RecordID{"a"}
			}
			if got := q.Objections(records, tt.died, tt.ofPatient); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}
