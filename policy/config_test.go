package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*policy.Config)
		want   []string
	}{
		{"no categories", func(c *policy.Config) { c.Categories, c.EmergencyCategories = nil, nil }, []string{"no provider category is configured"}},
		{"a category without a name", func(c *policy.Config) { c.Categories = append(c.Categories, "") }, []string{"a provider category has no name"}},
		{"a blocked category", func(c *policy.Config) { c.Categories = append(c.Categories, "insurer") }, []string{"category insurer is blocked by law and cannot be configured"}},
		{"an emergency category that is not a category", func(c *policy.Config) { c.EmergencyCategories = []policy.ProviderCategory{"gp", "spoed"} }, []string{"emergency category spoed is not configured"}},
		{"necessary data of a category that is not configured", func(c *policy.Config) { c.Necessary = map[policy.ProviderCategory][]string{"insurer": {"GGC013"}} }, []string{"necessary data of insurer: the category is not configured"}},
		{"necessary data that is nothing", func(c *policy.Config) { c.Necessary = map[policy.ProviderCategory][]string{"gp": nil} }, []string{"necessary data of gp: nothing is named"}},
		{"no minimum assurance", func(c *policy.Config) { c.MinimumAssurance = policy.AssuranceNone }, []string{"minimum assurance is not low, substantial or high"}},
		{"a minimum assurance that does not exist", func(c *policy.Config) { c.MinimumAssurance = 4 }, []string{"minimum assurance is not low, substantial or high"}},
		{"a minimum age below the law's", func(c *policy.Config) { c.DefaultMinimumAge = 11 }, []string{"the minimum age for own access is below 12"}},
		{"a channel's minimum age below the law's", func(c *policy.Config) { c.Channels["lsp"] = policy.ChannelRule{MinimumAge: 11} }, []string{"channel lsp: the minimum age for own access is below 12"}},
		{"a negative minimum age", func(c *policy.Config) { c.Channels["lsp"] = policy.ChannelRule{MinimumAge: -1} }, []string{"channel lsp: the minimum age for own access is below 12"}},
		{"a channel without a name", func(c *policy.Config) { c.Channels[""] = policy.ChannelRule{} }, []string{"a channel has no name"}},
		{"Restricted in a group", func(c *policy.Config) { c.Groups["G"] = []fhir.DataCategory{"Restricted"} }, []string{"group G: Restricted belongs to no group"}},
		{"Consent in a group", func(c *policy.Config) { c.Groups["G"] = []fhir.DataCategory{"Consent"} }, []string{"group G: Consent belongs to no group"}},
		{"Logging in a group", func(c *policy.Config) { c.Groups["G"] = []fhir.DataCategory{"Logging"} }, []string{"group G: Logging belongs to no group"}},
		{"a category in two groups", func(c *policy.Config) { c.Groups["GGC099"] = []fhir.DataCategory{"Imaging"} }, []string{"group GGC099: Imaging is in group GGC012 already"}},
		{"a group that includes one that is not there", func(c *policy.Config) { c.GroupIncludes["GGC012"] = []string{"GGC099"} }, []string{
			"group GGC002 includes GGC012, which includes others: one level is allowed", "group GGC012 includes GGC099: one of them is not configured"}},
		{"a group that is not there and includes one", func(c *policy.Config) { c.GroupIncludes["GGC099"] = []string{"GGC012"} }, []string{"group GGC099 includes GGC012: one of them is not configured"}},
		{"several mistakes, all at once", func(c *policy.Config) { c.MinimumAssurance, c.DefaultMinimumAge = 0, 0 }, []string{
			"minimum assurance is not low, substantial or high", "the minimum age for own access is below 12"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := vectorConfig(t)
			tt.change(&c)
			p, err := policy.New(c)
			if err == nil || p != nil {
				t.Fatalf("got %v, %v, want no policy and an error", p, err)
			}
			got := strings.Split(strings.TrimPrefix(err.Error(), "policy: "), "\n")
			if !slices.Equal(got, tt.want) {
				t.Errorf("got errors %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLeastConfiguration(t *testing.T) {
	c := policy.Config{
		Categories: []policy.ProviderCategory{"gp"}, MinimumAssurance: policy.AssuranceLow, DefaultMinimumAge: 12,
		Channels: map[policy.Channel]policy.ChannelRule{"lsp": {MinimumAge: 12}},
	}
	p, err := policy.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Decide(provider(onFile(permit("a")), assurance(policy.AssuranceLow))); got.Reason != policy.ReasonConsent {
		t.Errorf("got %+v, want consent", got)
	}
	if got := p.Decide(provider(emergency)); got.Reason != policy.ReasonEmergencyNotJustified {
		t.Errorf("no emergency category is configured: got %+v", got)
	}
	c.MinimumAssurance = policy.AssuranceHigh
	if high, err := policy.New(c); err != nil || high.Decide(provider()).Reason != policy.ReasonInsufficientAssurance {
		t.Errorf("the highest minimum: got %v, %v", high, err)
	}
	c.Categories[0] = "hospital" // the policy no longer depends on the configuration
	if got := p.Decide(provider()); got.Reason != policy.ReasonNoConsent {
		t.Errorf("got %+v, want no consent", got)
	}
}

func TestPurpose(t *testing.T) {
	tests := []struct {
		name     string
		asserted []policy.PurposeOfUse
		want     policy.PurposeOfUse
		ok       bool
	}{
		{"none", nil, "", false},
		{"one", []policy.PurposeOfUse{"TREAT"}, "TREAT", true},
		{"one that is not known", []policy.PurposeOfUse{"HPAYMT"}, "HPAYMT", true},
		{"an empty one", []policy.PurposeOfUse{""}, "", false},
		{"the same twice", []policy.PurposeOfUse{"TREAT", "TREAT"}, "TREAT", true},
		{"two", []policy.PurposeOfUse{"TREAT", "ETREAT"}, "", false},
		{"one and an empty one", []policy.PurposeOfUse{"TREAT", ""}, "", false},
		{"a blocked one among others", []policy.PurposeOfUse{"TREAT", "ETREAT", "INSUR"}, "INSUR", true},
		{"a blocked one first", []policy.PurposeOfUse{"EMPLOY", "TREAT"}, "EMPLOY", true},
		{"two blocked ones", []policy.PurposeOfUse{"", "DISABILITY", "EMPLOY"}, "DISABILITY", true},
	}
	p := vectorPolicy(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := p.Purpose(tt.asserted)
			if ok != tt.ok || got != tt.want {
				t.Errorf("got %q, %t, want %q, %t", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestNotAfter(t *testing.T) {
	day := func(s string) consent.Time { return consent.Time{Time: instant(s)} }
	with := func(change func(*consent.Record)) func(*policy.Input) {
		r := permit("a")
		change(&r)
		return onFile(r)
	}
	tests := []struct {
		name string
		in   policy.Input
		want string // "" for never
	}{
		{"an adult of whom nothing is on file", provider(), ""},
		{"an adult with a record without borders", provider(onFile(permit("a"))), ""},
		{"a record that begins", provider(with(func(r *consent.Record) { r.ValidFrom = day("2027-01-01T00:00:00Z") })), "2027-01-01T00:00:00Z"},
		{"a record that ends", provider(with(func(r *consent.Record) { r.ValidTo = day("2027-01-01T00:00:00Z") })), "2027-01-01T00:00:00Z"},
		{"a record from the future", provider(with(func(r *consent.Record) { r.RecordedAt = day("2027-01-01T00:00:00Z") })), "2027-01-01T00:00:00Z"},
		{"a withdrawal in the future", provider(with(func(r *consent.Record) { r.WithdrawnAt = day("2027-01-01T00:00:00Z") })), "2027-01-01T00:00:00Z"},
		{"a border in the past", provider(with(func(r *consent.Record) { r.ValidFrom = day("2026-01-01T00:00:00Z") })), ""},
		{"a border at this instant", provider(with(func(r *consent.Record) { r.ValidFrom = day("2026-07-01T22:30:00Z") })), ""},
		{"the earliest of several", provider(with(func(r *consent.Record) {
			r.ValidTo, r.RecordedAt, r.ValidFrom = day("2028-01-01T00:00:00Z"), day("2026-12-01T00:00:00Z"), day("2027-01-01T00:00:00Z")
		})), "2026-12-01T00:00:00Z"},
		{"the twelfth birthday", provider(born("2015-01-15")), "2027-01-14T23:00:00Z"},
		{"the sixteenth birthday", provider(born("2011-01-15")), "2027-01-14T23:00:00Z"},
		{"the eighteenth birthday, in summer", provider(born("2009-06-15")), "2027-06-14T22:00:00Z"},
		{"a birthday before the end of a record", provider(born("2011-01-15"), with(func(r *consent.Record) { r.ValidTo = day("2028-01-01T00:00:00Z") })), "2027-01-14T23:00:00Z"},
		{"a birthday after the end of a record", provider(born("2011-01-15"), with(func(r *consent.Record) { r.ValidTo = day("2026-12-01T00:00:00Z") })), "2026-12-01T00:00:00Z"},
		{"somebody of unknown age", provider(born("2011")), ""},
	}
	p := vectorPolicy(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want time.Time
			if tt.want != "" {
				want = instant(tt.want)
			}
			if got := p.NotAfter(tt.in); !got.Equal(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	c := vectorConfig(t)
	c.Channels["medmij"] = policy.ChannelRule{MinimumAge: 21}
	older, err := policy.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := older.NotAfter(patient(born("2006-01-15"), over("medmij"))); !got.Equal(instant("2027-01-14T23:00:00Z")) {
		t.Errorf("the channel's own minimum age: got %v", got)
	}
	if got := older.NotAfter(provider(born("2015-01-15"), over("medmij"))); !got.Equal(instant("2027-01-14T23:00:00Z")) {
		t.Errorf("the twelfth birthday, where the minimum age is another: got %v", got)
	}
}

func TestAssuranceLevels(t *testing.T) {
	for name, want := range map[string]policy.AssuranceLevel{
		"none": policy.AssuranceNone, "low": policy.AssuranceLow, "substantial": policy.AssuranceSubstantial, "high": policy.AssuranceHigh,
	} {
		got, ok := policy.ParseAssurance(name)
		var text policy.AssuranceLevel
		if err := text.UnmarshalText([]byte(name)); err != nil || !ok || got != want || text != want || got.String() != name {
			t.Errorf("%s: got %v, %t, %v, %v, want %v", name, got, ok, text, err, want)
		}
	}
	for _, name := range []string{"", "High", "2", "higher"} {
		text := policy.AssuranceHigh
		err := text.UnmarshalText([]byte(name))
		if got, ok := policy.ParseAssurance(name); ok || got != policy.AssuranceNone || err == nil || text != policy.AssuranceHigh {
			t.Errorf("%q: got %v, %t, %v", name, got, ok, err)
		}
	}
	for _, level := range []policy.AssuranceLevel{-1, 4} {
		if got := level.String(); got != "none" {
			t.Errorf("level %d: got %q, want none", int(level), got)
		}
	}
	m := policy.AssuranceMap{"loa3": policy.AssuranceSubstantial}
	if m.Level("loa3") != policy.AssuranceSubstantial || m.Level("loa4") != policy.AssuranceNone || m.Level("") != policy.AssuranceNone {
		t.Error("a claim value that is not in the map has a level")
	}
}
