package operator

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/configs"
	"zorgsluis/internal/catalogue"
	"zorgsluis/internal/cli"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
	"zorgsluis/internal/explain"
	"zorgsluis/internal/storage"
	"zorgsluis/policy"
)

// withTables gives the operator tables of its own with some words replaced: file, old, new, file, old, new, …
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

// with returns the operator with one change of the configuration, in a file beside it.
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

// notices returns the events that told a person of the catalogue.
func (o operator) notices(bsn string) (list []audit.Event) {
	o.t.Helper()
	s, err := config.Load(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := storage.Open(o.t.Context(), s)
	if err != nil {
		o.t.Fatal(err)
	}
	defer b.Close()
	person, err := readPerson(lines(&cli.Environment{Stdin: strings.NewReader(bsn)}))
	if err != nil {
		o.t.Fatal(err)
	}
	events, err := b.Store.Events(o.t.Context(), b.Store.Key(person), 100)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, e := range events {
		if e.Reason == "catalogue-changed" {
			list = append(list, e)
		}
	}
	return list
}

// against returns what gateway check --against prints about an older configuration.
func (o operator) against(old operator) string {
	o.t.Helper()
	now, err := config.Load(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	before, err := config.Load(old.config)
	if err != nil {
		o.t.Fatal(err)
	}
	var text strings.Builder
	if err := explain.Compare(&text, now, before); err != nil {
		o.t.Fatal(err)
	}
	return text.String()
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
	if got := activate(o); !strings.Contains(got, "nobody is to be told") {
		t.Errorf("got %q: what was refused must have changed nothing", got)
	}
	against := wider.against(o)
	if !strings.Contains(against, "+  party gp now covers organisation type") || !strings.Contains(against, "NOT decided") {
		t.Errorf("got %s", against)
	}
	if got := o.against(o); !strings.Contains(got, "every name means the same") || !strings.Contains(got, "nobody") {
		t.Errorf("got %s of the same", got)
	}
	carried := wider.with("break_glass:\n", "catalogue: { carry: [\"party gp\"] }\nbreak_glass:\n")
	if got := carried.against(o); !strings.Contains(got, "carried over") || strings.Contains(got, "NOT") {
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

// TestNamesThatAreNotCarriedOverEnd: name by name the operator says what becomes of permits that use one which stands for more: older
// permits end, as the notice says; later ones count. If a category is split, objections apply to both parts, and permits where the mapping
// says so. A Redis that lost the catalogue gets it back.
func TestNamesThatAreNotCarriedOverEnd(t *testing.T) {
	const third = "999990019"
	for name, tt := range map[string]struct {
		from, to  string // a type of organization moves from one to the other
		uses      string // what consents name
		catalogue string
		says      string // the notice
		want      string // for a caller: an older permit, a later one, and an older refusal
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
	o.with("break_glass:\n", "catalogue: { carry: [\"party gp\"], end: [\"party gp\"] }\nbreak_glass:\n").fails(cli.ExitUsage, "catalogue.end[0]", "", "catalogue", "activate")
}

// decided returns the reason of the decision about a condition of a person, for a provider of this category, as the gateway with this
// configuration decides.
func (o operator) decided(category policy.ProviderCategory, bsn string) string {
	o.t.Helper()
	s, err := config.Load(o.config)
	if err != nil {
		o.t.Fatal(err)
	}
	b, err := storage.Open(o.t.Context(), s)
	if err != nil {
		o.t.Fatal(err)
	}
	defer b.Close()
	if _, err := catalogue.Prepare(o.t.Context(), s, b.Store); err != nil {
		o.t.Fatal(err)
	}
	person, err := readPerson(lines(&cli.Environment{Stdin: strings.NewReader(bsn)}))
	if err != nil {
		o.t.Fatal(err)
	}
	st, now, err := b.Store.Standing(o.t.Context(), b.Store.Key(person))
	if err != nil {
		o.t.Fatal(err)
	}
	return string(s.Policy.Decide(policy.Input{
		At: now, Records: st.Records, Patient: policy.Patient{Key: b.Store.Key(person), BirthDate: "1970-01-01"},
		Request: policy.Request{
			Actor: policy.Actor{
				Kind: policy.KindProvider, Assurance: policy.AssuranceHigh, Categories: []policy.ProviderCategory{category},
				Organization: "ura:00000001", Practitioner: "uzi:000000001", Relationship: policy.RelationTreating,
			},
			Purpose: policy.PurposeTreatment, Channel: "regional", Category: "Condition", Holder: policy.Holder{Organization: "ura:00000002", Category: "hospital"},
		},
	}).Reason)
}
