package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/configs"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
	"zorgsluis/policy"
)

// withTables gives the operator tables of its own, of which some words are replaced: file, old, new, file, old, new, …
func (o operator) withTables(replace ...string) operator {
	o.t.Helper()
	folder := o.t.TempDir()
	err := fs.WalkDir(configs.Files(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".yaml") || name == "gateway.yaml" {
			return err
		}
		text, err := fs.ReadFile(configs.Files(), name)
		for i := 0; i+2 < len(replace); i += 3 {
			if replace[i] == name && !strings.Contains(string(text), replace[i+1]) {
				o.t.Errorf("%s holds no %q", name, replace[i+1])
			}
			if replace[i] == name {
				text = []byte(strings.Replace(string(text), replace[i+1], replace[i+2], 1))
			}
		}
		configtest.Write(o.t, filepath.Join(folder, name), string(text))
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.with("policy:\n", fmt.Sprintf("policy:\n  tables_folder: %q\n", folder))
}

// with is the operator with one change of the configuration, in a file beside it.
func (o operator) with(old, new string) operator {
	o.t.Helper()
	text, err := os.ReadFile(o.config)
	if err != nil || !strings.Contains(string(text), old) {
		o.t.Fatalf("error %v, or no %q in the configuration", err, old)
	}
	f, err := os.CreateTemp(filepath.Dir(o.config), "gateway-*.yaml")
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Replace(string(text), old, new, 1)); err != nil {
		o.t.Fatal(err)
	}
	return operator{o.t, f.Name()}
}

// notices are the events by which a person was told of the catalogue.
func (o operator) notices(bsn string) (list []audit.Event) {
	o.t.Helper()
	s, err := config.Load(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := openBackend(o.t.Context(), s)
	if err != nil {
		o.t.Fatal(err)
	}
	defer b.close()
	person, err := readPerson(lines(&cli.Environment{Stdin: strings.NewReader(bsn)}))
	if err != nil {
		o.t.Fatal(err)
	}
	events, err := b.store.Events(o.t.Context(), b.store.Key(person), 100)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range events {
		if e.Reason == reasonCatalogue {
			list = append(list, e)
		}
	}
	return list
}

func TestAWiderNameIsNotCarriedOverUnlessSaidSo(t *testing.T) {
	o, _ := operatorOn(t)
	o.must(testBSN, "consent", "put", "--record", o.record(goodGrant))
	deny := strings.Replace(goodGrant, `"permit"`, `"deny"`, 1)
	o.must(otherBSN, "consent", "put", "--record", o.record(deny))
	activate := func(o operator) string { t.Helper(); return o.must("", "catalogue", "activate") }
	for range 2 {
		if got := activate(o); !strings.Contains(got, "nobody is to be told") {
			t.Errorf("got %q", got)
		}
	}
	wider := o.withTables("organisation-types.yaml", `B1: { name: "Beeldvormende diagnostiek", category: lab }`, `B1: { name: "Beeldvormende diagnostiek", category: gp }`)
	wider.fails(cli.ExitUsage, "party gp now covers organisation type", "", "catalogue", "activate")
	wider.fails(cli.ExitUsage, "catalogue.carry", "", "serve")
	if got := activate(o); !strings.Contains(got, "nobody is to be told") {
		t.Errorf("got %q: what was refused must have changed nothing", got)
	}
	against := wider.must("", "check", "--against", o.config)
	if !strings.Contains(against, "+  party gp now covers organisation type") || !strings.Contains(against, "NOT decided") {
		t.Errorf("got %s", against)
	}
	if got := o.must("", "check", "--against", o.config); !strings.Contains(got, "every name means the same") || !strings.Contains(got, "nobody") {
		t.Errorf("got %s of the same", got)
	}
	carried := wider.with("break_glass:\n", "catalogue: { carry: [\"party gp\"] }\nbreak_glass:\n")
	if got := carried.must("", "check", "--against", o.config); !strings.Contains(got, "carried over") || strings.Contains(got, "NOT") {
		t.Errorf("got %s", got)
	}
	if got := activate(carried); !strings.Contains(got, "a notice is on record for 1 patients") {
		t.Errorf("got %q", got)
	}
	if got := activate(carried); !strings.Contains(got, "nobody is to be told") {
		t.Errorf("got %q", got)
	}
	if list := o.notices(testBSN); len(list) != 1 || !strings.Contains(list[0].Grounds, "party gp now covers") || len(list[0].Obligations) != 1 {
		t.Errorf("got notices %+v, want one that says what changed", list)
	}
	if list := o.notices(otherBSN); len(list) != 0 {
		t.Errorf("got %d notices of somebody without an active consent", len(list))
	}
	// And back.
	o.fails(cli.ExitUsage, "party lab now covers", "", "catalogue", "activate")
	back := o.with("break_glass:\n", "catalogue: { carry: [\"party lab\"] }\nbreak_glass:\n")
	if got := activate(back); !strings.Contains(got, "party gp no longer covers") || !strings.Contains(got, "for 1 patients") {
		t.Errorf("got %q", got)
	}
	if list := o.notices(testBSN); len(list) != 2 {
		t.Errorf("got %d notices, want one for each version", len(list))
	}
}

func TestNoticesGoOnWhereTheyEnded(t *testing.T) {
	o, _ := operatorOn(t)
	var people []string
	for n := range 30 {
		people = append(people, resource(t, patient(n), recorded(t, "gp")))
	}
	o.must("", "consent", "import", configtest.Write(t, filepath.Join(t.TempDir(), "c.ndjson"), strings.Join(people, "")))
	s, b := o.backend()
	defer b.close()
	pending := &activated{Meaning: meaningOf(s), Pending: true, Changes: []string{"party gp now covers something"}}
	text, _ := json.Marshal(pending)
	if err := b.store.SetCatalogue(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	// Somebody was told before it was interrupted.
	key := b.store.Key(patient(7))
	id, err := b.store.NoticeID(key, "catalogue "+pending.Meaning.hash())
	if err != nil {
		t.Fatal(err)
	}
	event := audit.ByGateway(audit.KindConsent, reasonCatalogue, "r", s.PolicyHash)
	event.ID, event.Person = id, key
	if err := b.store.Commit(t.Context(), audit.Release{Event: event}); err != nil {
		t.Fatal(err)
	}
	if got := o.must("", "catalogue", "activate"); !strings.Contains(got, "for 30 patients") {
		t.Errorf("got %q", got)
	}
	for n := range 30 {
		events, err := b.store.Events(t.Context(), b.store.Key(patient(n)), 100)
		told := 0
		for _, e := range events {
			if e.Reason == reasonCatalogue {
				told++
			}
		}
		if err != nil || told != 1 {
			t.Errorf("patient %d: got %d notices and error %v, want one", n, told, err)
		}
	}
}

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

// TestNamesThatAreNotCarriedOverEnd: name by name the operator says what becomes of permits that use one which stands for more: those that were
// given before end, and the notice says so; what is given afterwards counts. A category that is split takes objections along, and permits
// where the mapping says so. A Redis that lost the catalogue gets it back.
func TestNamesThatAreNotCarriedOverEnd(t *testing.T) {
	const third = "999990019"
	for name, tt := range map[string]struct {
		from, to  string // a kind of organization goes from one to the other
		uses      string // what consents name
		catalogue string
		says      string // the notice
		want      string // of who asks: a permit given before, one given afterwards, and a refusal given before
	}{
		"carried over":            {"lab", "gp", "gp", `carry: ["party gp"]`, "for consents that were given before as well", "ok-consent ok-consent consent-refused"},
		"ended":                   {"lab", "gp", "gp", `end: ["party gp"]`, "permits by that name that were given before end", "no-consent ok-consent consent-refused"},
		"split":                   {"lab", "imaging", "lab", `carry: []`, "refusals that name party lab and were given before are about imaging", "no-consent no-consent consent-refused"},
		"split, and carried over": {"lab", "imaging", "lab", `carry: ["party lab to imaging"]`, "consents and refusals that name party lab", "ok-consent no-consent consent-refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, server := operatorOn(t)
			o.must("", "catalogue", "activate")
			grant := strings.Replace(goodGrant, `"gp"`, `"`+tt.uses+`"`, 1)
			o.must(testBSN, "consent", "put", "--record", o.record(grant))
			o.must(otherBSN, "consent", "put", "--record", o.record(strings.Replace(grant, `"permit"`, `"deny"`, 1)))
			changed := o.withTables("organisation-types.yaml", `B1: { name: "Beeldvormende diagnostiek", category: lab }`, `B1: { name: "Beeldvormende diagnostiek", category: `+tt.to+` }`,
				"provider-categories.yaml", "  other: ", "  imaging: { label: \"Beeldvorming\" }\n  other: ").with("break_glass:\n", "catalogue: { "+tt.catalogue+" }\nbreak_glass:\n")
			before, _, _ := strings.Cut(tt.want, " ")
			if got := changed.decided(policy.ProviderCategory(tt.to), testBSN); got != before {
				t.Errorf("the process that activates it decides %s, want %s", got, before)
			}
			if got := changed.must("", "catalogue", "activate"); !strings.Contains(got, tt.says) {
				t.Errorf("got %q, want it to tell %q", got, tt.says)
			}
			if list := changed.notices(testBSN); len(list) != 1 || !strings.Contains(list[0].Grounds, tt.says) {
				t.Errorf("got notices %+v, want one that says %q", list, tt.says)
			}
			changed.must(third, "consent", "put", "--record", changed.record(grant))
			for when, lose := range []func(){func() {}, func() {
				if n := server.Client().Del(t.Context(), "zs:{s00}:catalogue").Val(); n != 1 {
					t.Fatalf("%d keys hold the catalogue, want 1", n)
				}
			}} {
				lose()
				to := policy.ProviderCategory(tt.to)
				if got := changed.decided(to, testBSN) + " " + changed.decided(to, third) + " " + changed.decided(to, otherBSN); got != tt.want {
					t.Errorf("%d: got %s, want %s", when, got, tt.want)
				}
			}
		})
	}
	o, _ := operatorOn(t)
	o.with("break_glass:\n", "catalogue: { carry: [\"party gp\"], end: [\"party gp\"] }\nbreak_glass:\n").fails(cli.ExitUsage, "catalogue.end[0]", "", "check")
}

// decided is the reason of the decision about a condition of a person, for a provider of this category, as the gateway that serves this
// configuration decides.
func (o operator) decided(category policy.ProviderCategory, bsn string) string {
	o.t.Helper()
	s, err := config.Load(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := openBackend(o.t.Context(), s)
	if err != nil {
		o.t.Fatal(err)
	}
	defer b.close()
	if _, err := prepareCatalogue(o.t.Context(), s, b.store); err != nil {
		o.t.Fatal(err)
	}
	person, err := readPerson(lines(&cli.Environment{Stdin: strings.NewReader(bsn)}))
	if err != nil {
		o.t.Fatal(err)
	}
	st, now, err := b.store.Standing(o.t.Context(), b.store.Key(person))
	if err != nil {
		o.t.Fatal(err)
	}
	return string(s.Policy.Decide(policy.Input{
		At: now, Records: st.Records, Patient: policy.Patient{Key: b.store.Key(person), BirthDate: "1970-01-01"},
		Request: policy.Request{
			Actor: policy.Actor{
				Kind: policy.KindProvider, Assurance: policy.AssuranceHigh, Categories: []policy.ProviderCategory{category},
				Organization: "ura:00000001", Practitioner: "uzi:000000001", Relationship: policy.RelationTreating,
			},
			Purpose: policy.PurposeTreatment, Channel: "regional", Category: "Condition", Holder: policy.Holder{Organization: "ura:00000002", Category: "hospital"},
		},
	}).Reason)
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
