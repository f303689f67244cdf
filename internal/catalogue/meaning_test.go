package catalogue

import (
	"fmt"
	"strings"
	"testing"
)

func TestShiftsOfMeaning(t *testing.T) {
	base := func() meaning {
		return meaning{
			Parties:  map[string]string{"AGB 01": "gp", "AGB 0199": "", "organisation type A": "hospital"},
			Data:     map[string][]string{"R4 Condition": {"Condition"}, "R4 Observation": {"Lab"}, "R4 Observation?code=s|1": {"Vital"}, "sensitive s|x": {"Restricted"}},
			Groups:   map[string][]string{"G": {"Condition", "Lab"}},
			Channels: map[string]string{"regional": "explicit"},
			Names:    []string{"gp", "hospital"},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*meaning)
		want   string
	}{
		{"nothing", func(*meaning) {}, "[]"},
		{"a code goes to another category", func(m *meaning) { m.Parties["organisation type A"] = "gp" },
			"[party hospital no longer covers organisation type A party gp now covers organisation type A]"},
		{"a code goes to a category that is new: a split", func(m *meaning) { m.Parties["organisation type A"], m.Names = "clinic", append(m.Names, "clinic") },
			"[party hospital no longer covers organisation type A]"},
		{"an exception vanishes", func(m *meaning) { delete(m.Parties, "AGB 0199") }, "[party gp now covers AGB 0199]"},
		{"an exception that says the same", func(m *meaning) { m.Parties["AGB 0101"] = "gp" }, "[]"},
		{"a group grows", func(m *meaning) { m.Groups["G"] = []string{"Condition", "Lab", "Vital"} }, "[data G now covers Vital]"},
		{"a group shrinks", func(m *meaning) { m.Groups["G"] = []string{"Lab"} }, "[data G no longer covers Condition]"},
		{"a group is new", func(m *meaning) { m.Groups["H"] = []string{"Lab"} }, "[]"},
		{"a code goes back to its type", func(m *meaning) { delete(m.Data, "R4 Observation?code=s|1") },
			"[data Vital no longer covers R4 Observation?code=s|1 data Lab now covers R4 Observation?code=s|1]"},
		{"a type is not named any more", func(m *meaning) { delete(m.Data, "R4 Condition") },
			"[data Condition no longer covers R4 Condition data Unclassified now covers R4 Condition]"},
		{"a category is split", func(m *meaning) { m.Data["R4 Condition"] = []string{"Diagnosis"} }, "[data Condition no longer covers R4 Condition]"},
		{"a code is no longer sensitive", func(m *meaning) { delete(m.Data, "sensitive s|x") }, "[sensitive now covers sensitive s|x]"},
		{"a code becomes sensitive", func(m *meaning) { m.Data["sensitive s|y"] = []string{"Restricted"} }, "[sensitive no longer covers sensitive s|y]"},
		{"a sensitive code is never disclosed from now on", func(m *meaning) { m.Data["sensitive s|x"] = []string{"NeverDisclosed"} }, "[sensitive no longer covers sensitive s|x]"},
		{"a channel opens to those who did not choose", func(m *meaning) { m.Channels["regional"] = "implied" },
			"[channel regional now covers those who did not choose: consent is implied]"},
		{"a channel is new", func(m *meaning) { m.Channels["lsp"] = "explicit" }, "[channel lsp now covers consents that name no channel: it is new]"},
		{"a channel goes", func(m *meaning) { delete(m.Channels, "regional") }, "[channel regional no longer covers anything: it is gone]"},
	} {
		next := base()
		tt.change(&next)
		if got := fmt.Sprint(base().shifts(next)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestNamesThatTookOver(t *testing.T) {
	base := meaning{
		Parties: map[string]string{"type A": "hospital", "type B": "hospital"}, Names: []string{"gp", "hospital"},
		Data:   map[string][]string{"R4 Condition": {"Condition"}, "R4 Observation": {"Lab"}},
		Groups: map[string][]string{"G": {"Condition", "Lab"}},
	}
	for _, tt := range []struct {
		name   string
		change func(*meaning)
		want   string
	}{
		{"nothing", func(*meaning) {}, ""},
		{"a code goes to a category that was there", func(m *meaning) { m.Parties = map[string]string{"type A": "gp", "type B": "hospital"} }, ""},
		{"a category is split", func(m *meaning) {
			m.Parties, m.Names = map[string]string{"type A": "clinic", "type B": "clinic"}, []string{"gp", "hospital", "clinic"}
		}, "party hospital to clinic"},
		{"a data category is split, outside of its group", func(m *meaning) {
			m.Data = map[string][]string{"R4 Condition": {"Diagnosis"}, "R4 Observation": {"Lab"}}
		},
			"data Condition to Diagnosis, data G to Diagnosis"},
		{"a group shrinks", func(m *meaning) { m.Groups = map[string][]string{"G": {"Lab"}} }, "data G to Condition"},
	} {
		next := base
		tt.change(&next)
		var got []string
		for _, m := range base.moves(next) {
			got = append(got, m.Kind+" "+m.From+" to "+m.To)
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, got, tt.want)
		}
	}
}
