package operator

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/cli"
	"zorgsluis/policy"
)

// TestExplain: an operator who has the id of a request reads why it was refused, and that is on record; ids that are none say nothing.
func TestExplain(t *testing.T) {
	o, _ := operatorOn(t)
	const refused, unknown = "4f3a0000-0000-4000-8000-000000000001", "4f3a0000-0000-4000-8000-000000000002"
	o.fails(cli.ExitRuntime, "searched all 0 archived events. What", "", "explain", refused)

	s, b := o.backend()
	person, err := readPerson(lines(&cli.Environment{Stdin: strings.NewReader(testBSN)}))
	if err != nil {
		t.Fatal(err)
	}
	key := b.Store.Key(person)
	for _, e := range []*audit.Event{
		{
			Version: audit.EvidenceVersion, Kind: audit.KindAccess, Request: refused, Person: key, Outcome: audit.OutcomeDeny, Reason: "consent-refused", Source: "hospital",
			Interaction: fhir.CodeSearch, Type: "Condition", Query: "Condition?patient=***", Records: []consent.RecordID{"03-r"}, Policy: s.PolicyHash,
			Actor: audit.Actor{
				Kind: "provider", Name: "not to be told", Organization: "ura:1", Practitioner: "uzi:2", Categories: []policy.ProviderCategory{"gp"}, Client: "app\x1b[31m",
				Issuer: "https://idp.example", Channel: "regional", Purpose: "TREAT", Relationship: "treating", Evidence: "token", Assurance: "high",
			},
		},
		{
			Version: 1, Kind: audit.KindAccess, Request: refused, Person: key, Outcome: audit.OutcomePermit, Reason: "ok-emergency-unknown", Declaration: "03-d",
			Code: "unconscious", Emergency: "not to be told", Categories: []fhir.DataCategory{"Condition"}, Disclosed: []string{"Condition/a"}, DisclosedTotal: 1500,
			Obligations: []policy.Obligation{policy.ObligationAlert, policy.ObligationReview}, Policy: "another", Actor: audit.Actor{Kind: "provider"},
		},
		{Version: 1, Kind: audit.KindUnauthenticated, Request: unknown, Outcome: audit.OutcomeDeny, Reason: "token-audience", Address: "192.0.2.1"},
	} {
		if err := b.Store.Commit(t.Context(), audit.Release{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	o.drain()

	got := o.must("", "explain", refused)
	has(t, got, "Condition?patient=***", "access, search-type of Condition at source hospital", "person        "+string(key), "outcome       refused\n",
		"consent-refused: refused, because the patient refused\n", "docs/decision.md, rule 12\n", "consents      03-r\n",
		"provider, for ura:1, uzi:2\n", "category      gp\n", "client        app\uFFFD[31m, issuer https://idp.example\n", "channel       regional\n",
		"purpose       TREAT\n", "relationship  treating, shown by token\n", "assurance     high\n", "as in this configuration\n",
		"permitted and made ready\n", "rule 11\n", "data          Condition\n", "1500 made ready\n", "none decided\n", "declaration   03-d, reason unconscious\n",
		"alert, review\n", "category      none\n", "then another, here "+s.PolicyHash)
	if strings.Contains(got, "not to be told") || strings.Count(got, "event ") != 2 || strings.Index(got, "rule 12") > strings.Index(got, "rule 11") {
		t.Errorf("got free text, or not the two events in order:\n%s", got)
	}
	_, id, _ := strings.Cut(got, "event ")
	id, _, _ = strings.Cut(id, "\n")
	if one := o.must("", "explain", id); strings.Count(one, "event ") != 1 || !strings.Contains(one, "rule 12\n") {
		t.Errorf("by the id of the first event: got\n%s", one)
	}
	has(t, o.must("", "explain", unknown), "reason        token-audience: refused: the token is meant for somebody else\n", "not known, at 192.0.2.1")

	for _, none := range []string{strings.ToUpper(refused), refused[:35], testBSN} {
		if r := o.do("", "explain", none); r.code != cli.ExitRuntime || r.out != "" || !strings.Contains(r.errors, "searched all 4 archived events (20") || strings.Contains(r.errors, none) {
			t.Errorf("%s: got exit code %d, %q and %q", none, r.code, r.out, r.errors)
		}
	}
	for _, bad := range []string{"", "a b", "\x1b[31m", "é", strings.Repeat("a", maxID+1)} {
		if r := o.do("", "explain", bad); r.code != cli.ExitUsage || r.out != "" || strings.Contains(r.errors, "\x1b") || !strings.Contains(r.errors, "must be that of a request") {
			t.Errorf("%q: got exit code %d, %q and %q", bad, r.code, r.out, r.errors)
		}
	}
	o.drain()
	if got := o.must(testBSN, "events", "export", "--patient"); strings.Count(got, `"reason":"explained"`) != 2 {
		t.Errorf("got %s, want both looks at the patient's events among them", got)
	}
	if got := o.must("", "events", "export"); strings.Count(got, `"reason":"explained"`) != 7 {
		t.Errorf("got %s, want every look on record, also those in vain", got)
	}
}

// has fails for what a text lacks.
func has(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

// TestExplainIsOnRecordFirst: without a record nothing is printed.
func TestExplainIsOnRecordFirst(t *testing.T) {
	o, server := operatorOn(t)
	_, b := o.backend()
	err := b.Store.Commit(t.Context(), audit.Release{Event: &audit.Event{
		Version: 1, Kind: audit.KindAccess, Request: "one", Outcome: audit.OutcomeDeny, Reason: "no-consent", Person: consent.PersonKey(strings.Repeat("ab", 32)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	o.drain()
	server.Do("acl", "setuser", "default", "-xadd")
	if r := o.do("", "explain", "one"); r.code != cli.ExitRuntime || r.out != "" || !strings.Contains(r.errors, "not on record, so nothing is given") {
		t.Errorf("got exit code %d, %q and %q", r.code, r.out, r.errors)
	}
}

// TestALookupIsBounded: an id that was repeated very often is told so, with each patient once.
func TestALookupIsBounded(t *testing.T) {
	var l lookup
	for n := range maxExplained + 7 {
		l.take(audit.Event{Request: "often", Time: time.Unix(int64(n), 0), Person: consent.PersonKey(fmt.Sprint(n % 2))}, "often")
	}
	if got := l.persons(); !slices.Equal(got, []consent.PersonKey{"0", "1"}) {
		t.Errorf("got persons %q", got)
	}
	var out strings.Builder
	if err := l.print(&out, ""); err != nil || strings.Count(out.String(), "event ") != maxExplained || !strings.Contains(out.String(), "\n7 more events have this id") {
		t.Errorf("got %v and %s", err, out.String())
	}
}

// TestTheRuleDependsOnWhoAsked: some reasons are given by several rules, each for another kind of caller.
func TestTheRuleDependsOnWhoAsked(t *testing.T) {
	for _, tt := range []struct {
		reason     policy.Reason
		kind, want string
		ground     policy.Ground
	}{
		{policy.ReasonDeceased, "patient", "3", ""},
		{policy.ReasonDeceased, "representative", "4", ""},
		{policy.ReasonDeceased, "provider", "10", ""},
		{policy.ReasonRepresentativeBlocked, "representative", "4", ""},
		{policy.ReasonRepresentativeBlocked, "other", "", "parents-under-16"},
		{"source-timeout", "provider", "", ""},
	} {
		e := audit.Event{Reason: tt.reason, LegalGround: tt.ground, Actor: audit.Actor{Kind: tt.kind}}
		if got := rule(e); got != tt.want {
			t.Errorf("%s for a %s: got rule %q, want %q", tt.reason, tt.kind, got, tt.want)
		}
	}
}

// TestRulesAreThoseOfTheDocs: a rule is named for exactly the reasons that docs/decision.md has in it.
func TestRulesAreThoseOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/decision.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Rules, ")
	section, _, _ = strings.Cut(section, "\n## ")
	section = strings.ReplaceAll(section, "the same first three checks", "`purpose-not-allowed`, `patient-mismatch`, `deceased`")
	got := map[string][]string{} // the rules that name a reason
	starts := regexp.MustCompile(`(?m)^(\d+)\. `).FindAllStringSubmatchIndex(section, -1)
	for n, at := range starts {
		end := len(section)
		if n+1 < len(starts) {
			end = starts[n+1][0]
		}
		number, text := section[at[2]:at[3]], section[at[0]:end]
		for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(text, -1) {
			reason := m[1]
			if number == "1" && audit.Meaning(policy.Reason("blocked-"+reason)) != "" {
				reason = "blocked-" + reason
			}
			if audit.Meaning(policy.Reason(reason)) != "" && !slices.Contains(got[reason], number) {
				got[reason] = append(got[reason], number)
			}
		}
	}
	for reason, numbers := range got {
		if reason == "withdrawn" { // a state of consent, which rule 12 names
			continue
		}
		if named := regexp.MustCompile(`\d+`).FindAllString(rules[policy.Reason(reason)], -1); !slices.Equal(named, numbers) {
			t.Errorf("%s: explain names rules %q, docs/decision.md %q", reason, named, numbers)
		}
	}
	for reason := range rules {
		if got[string(reason)] == nil {
			t.Errorf("docs/decision.md has no rule for %s", reason)
		}
	}
	if len(got) < 25 {
		t.Errorf("found only %d reasons in the page", len(got))
	}
}
