package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
)

// TestAHolderOfAnotherCategory: a source whose holder gets another category, or becomes another organization, is still one of those that patients
// refused to share; what would newly open needs the operator's word, and patients are told, once.
func TestAHolderOfAnotherCategory(t *testing.T) {
	good := strings.Replace(configtest.Good, "mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", redistest.Start(t).Address()), 1)
	load := func(old, new string) *config.Settings {
		t.Helper()
		text := strings.Replace(good, old, new, 1)
		if old != "" && text == good {
			t.Fatalf("the configuration has no %s", old)
		}
		s, err := config.Load(configtest.Place(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := load("", "")
	b := opened(t, s)
	source := s.File.Sources[0]
	if _, err := b.Store.Change(t.Context(), audit.Change{
		Request: "r", Person: person(1), Event: audit.ByGateway(audit.KindConsent, "recorded", "r", s.PolicyHash),
		Apply: func(st *consent.Standing) error {
			st.Records = append(st.Records, consent.Record{ID: b.Store.NewRecordID(person(1)), Status: consent.StatusActive, Decision: consent.DecisionPermit})
			return nil
		},
	}); err != nil {
		t.Fatal(err)
	}
	prepared := func(s *config.Settings) *Version {
		t.Helper()
		pending, err := Prepare(t.Context(), s, b.Store)
		if err != nil {
			t.Fatal(err)
		}
		return pending
	}
	// A store of before has no holders: they are noted, and nobody is told of it.
	if err := save(t.Context(), s, b.Store, fmt.Appendf(nil, `{"meaning":%s}`, marshalled(t, meaningOf(s)))); err != nil {
		t.Fatal(err)
	}
	if pending := prepared(s); pending != nil {
		t.Errorf("got %+v, want nothing to tell", pending)
	}

	line := "category: " + source.Holder.Category
	undecided := load(line, "category: lab")
	if _, err := Prepare(t.Context(), undecided, b.Store); !errors.Is(err, ErrWidens) || !strings.Contains(err.Error(), "holder lab now covers source "+source.ID) {
		t.Fatalf("got error %v, want that nobody decided", err)
	}
	if err := Apply(t.Context(), undecided, b.Store); err == nil {
		t.Error("a command reads consents by other holders than gateways do")
	}
	decided := load(line, "category: lab")
	decided.File.Catalogue.End = []string{"holder lab"}
	pending := prepared(decided)
	want := consent.Carried{Kind: consent.NameOfHolder, From: source.Holder.Category, To: source.Holder.Organization}
	if pending == nil || len(pending.Since.Carried) != 1 || len(pending.Since.Ended) != 1 || pending.Since.Ended[0].Name != "lab" {
		t.Fatalf("got %+v", pending)
	}
	if got := pending.Since.Carried[0]; got.Kind != want.Kind || got.From != want.From || got.To != want.To || got.Permits {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if told, err := Tell(t.Context(), decided, b.Store, pending); err != nil || told != 1 {
		t.Errorf("got %d notices and error %v", told, err)
	}
	if pending := prepared(decided); pending != nil {
		t.Errorf("got %+v, want nothing more to tell", pending)
	}
	if err := Apply(t.Context(), decided, b.Store); err != nil {
		t.Error(err)
	}
	events, err := b.Store.Events(t.Context(), b.Store.Key(person(1)), 10)
	if err != nil || len(events) != 2 || !strings.Contains(events[0].Grounds+events[1].Grounds, "refusals that name holder "+want.From) {
		t.Errorf("got events %+v and error %v, want one notice that says it", events, err)
	}
}

func marshalled(t *testing.T, m meaning) []byte {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
