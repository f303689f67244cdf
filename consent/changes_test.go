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

// TestChangedHolders: a name of those who hold data stands for the data that it stood for when the consent was recorded, whoever holds them now.
func TestChangedHolders(t *testing.T) {
	change := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var none *consent.Changes
	changes := none.And(consent.Changes{
		Carried: []consent.Carried{{At: change, Kind: consent.NameOfHolder, From: "hospital", To: "ura:1"}, {At: change, Kind: consent.NameOfHolder, From: "ura:0", To: "ura:1"}},
		Ended:   []consent.Ended{{At: change, Kind: consent.NameOfHolder, Name: "clinic"}},
	})
	hospital, clinic := consent.Side{Category: "hospital"}, consent.Side{Category: "clinic"}
	moved, other := consent.Side{Category: "clinic", Organization: "ura:1"}, consent.Side{Category: "clinic", Organization: "ura:2"}
	for name, tt := range map[string]struct {
		decision     string
		named, asked consent.Side
		after        bool
		want         consent.State
	}{
		"a refusal of the old category":              {"deny", hospital, moved, false, consent.Refused},
		"a refusal of the old organization":          {"deny", consent.Side{Organization: "ura:0"}, moved, false, consent.Refused},
		"a refusal, of another of the new category":  {"deny", hospital, other, false, consent.Unknown},
		"a refusal given afterwards":                 {"deny", hospital, moved, true, consent.Unknown},
		"a refusal of all holders":                   {"deny", consent.Side{}, moved, false, consent.Refused},
		"a permit of the old category":               {"permit", hospital, moved, false, consent.Unknown},
		"a permit of the new category, which ended":  {"permit", clinic, moved, false, consent.Unknown},
		"a refusal of the new category":              {"deny", clinic, moved, false, consent.Refused},
		"a permit of the new category, given later":  {"permit", clinic, moved, true, consent.Granted},
		"a permit for all holders":                   {"permit", consent.Side{}, moved, false, consent.Granted},
		"a permit of the organization that has them": {"permit", consent.Side{Organization: "ura:1"}, moved, false, consent.Granted},
	} {
		r := consent.Record{ID: "r", Status: consent.StatusActive, Decision: tt.decision, GivenBy: []string{consent.ByPatient}, Holder: tt.named}
		r.RecordedAt.Time = change.Add(-time.Hour)
		if tt.after {
			r.RecordedAt.Time = change.Add(time.Hour)
		}
		q := consent.Query{At: change.AddDate(1, 0, 0), Born: "1980-01-01", Holder: tt.asked, Party: consent.Side{Category: "gp"}, Category: "Condition", Purpose: "TREAT", Changes: changes}
		if got, _ := consent.Evaluate(q, []consent.Record{r}); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
		if objected := len(q.Objections([]consent.Record{r}, time.Time{}, false)) > 0; objected != (tt.want == consent.Refused) {
			t.Errorf("%s: got an objection of the deceased: %v", name, objected)
		}
	}
}
