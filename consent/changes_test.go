package consent_test

import (
	"testing"
	"time"

	"zorgsluis/consent"
)

// TestChangedNames: a name in a consent keeps the meaning it had when the consent was recorded.
func TestChangedNames(t *testing.T) {
	change := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var none *consent.Changes
	changes := none.And(consent.Changes{
		Carried: []consent.Carried{
			{At: change, Kind: consent.NameOfParty, From: "hospital", To: "clinic"}, {At: change, Kind: consent.NameOfParty, From: "lab", To: "imaging", Permits: true},
			{At: change, Kind: consent.NameOfData, From: "Condition", To: "Diagnosis", Permits: true},
		},
		Ended: []consent.Ended{{At: change, Kind: consent.NameOfParty, Name: "gp"}, {At: change, Kind: consent.NameOfData, Name: "GGC012"}},
	}).And(consent.Changes{Carried: []consent.Carried{
		{At: change.AddDate(0, 1, 0), Kind: consent.NameOfParty, From: "imaging", To: "scans", Permits: true},
		{At: change.AddDate(0, 1, 0), Kind: consent.NameOfParty, From: "clinic", To: "wards", Permits: true},
	}})
	for _, tt := range []struct {
		name                  string
		decision, party, data string
		after                 bool
		asks, category        string
		want                  consent.State
	}{
		{"a permit by a name that ended", "permit", "gp", "", false, "gp", "Condition", consent.Unknown},
		{"a refusal by it", "deny", "gp", "", false, "gp", "Condition", consent.Refused},
		{"a permit given afterwards", "permit", "gp", "", true, "gp", "Condition", consent.Granted},
		{"a permit by a group that ended", "permit", "hospital", "GGC012", false, "hospital", "Condition", consent.Unknown},
		{"a refusal by it", "deny", "hospital", "GGC012", false, "hospital", "Condition", consent.Refused},
		{"a permit by a name that was split", "permit", "hospital", "", false, "clinic", "Condition", consent.Unknown},
		{"a refusal by it", "deny", "hospital", "", false, "clinic", "Condition", consent.Refused},
		{"a refusal given afterwards", "deny", "hospital", "", true, "clinic", "Condition", consent.Unknown},
		{"what is left of it", "permit", "hospital", "", false, "hospital", "Condition", consent.Granted},
		{"a permit that is carried over", "permit", "lab", "", false, "imaging", "Condition", consent.Granted},
		{"not from afterwards", "permit", "lab", "", true, "imaging", "Condition", consent.Unknown},
		{"carried on, and on", "permit", "lab", "", false, "scans", "Condition", consent.Granted},
		{"carried on as far as it was", "permit", "hospital", "", false, "wards", "Condition", consent.Unknown},
		{"a refusal all the way", "deny", "hospital", "", false, "wards", "Condition", consent.Refused},
		{"data that is carried over", "permit", "lab", "Condition", false, "lab", "Diagnosis", consent.Granted},
		{"the name of a party is not one of data", "permit", "lab", "lab", false, "lab", "imaging", consent.Unknown},
	} {
		r := consent.Record{
			ID: "r", Status: consent.StatusActive, Decision: tt.decision, Party: consent.Side{Category: tt.party}, GivenBy: []string{consent.ByPatient},
			RecordedAt: consent.Time{Time: change.Add(-time.Second)},
		}
		if tt.after {
			r.RecordedAt.Time = change
		}
		if tt.data != "" {
			r.Data = []string{tt.data}
		}
		q := consent.Query{
			At: change.AddDate(0, 2, 0), Born: "1970-01-01", Party: consent.Side{Category: tt.asks}, Purpose: "TREAT", Changes: changes,
		}
		if q.Category = "Condition"; tt.category != "Condition" {
			q.Category = "Diagnosis"
		} else {
			q.Groups = []string{"GGC012"}
		}
		if got, _ := consent.Evaluate(q, []consent.Record{r}); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
