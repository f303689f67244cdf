package catalogue

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
	"zorgsluis/internal/config"
	"zorgsluis/internal/config/configtest"
	"zorgsluis/internal/storage"
)

// person returns one of many persons, without a number of a real person.
func person(n int) fhir.Identifier {
	return fhir.Identifier{System: "http://example.org/number", Value: fmt.Sprint(n)}
}

func TestNoticesGoOnWhereTheyEnded(t *testing.T) {
	text := strings.Replace(configtest.Good, "mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", redistest.Start(t).Address()), 1)
	s, err := config.Load(configtest.Place(t, text))
	if err != nil {
		t.Fatal(err)
	}
	b := opened(t, s)
	for n := range 30 {
		_, err := b.Store.Change(t.Context(), audit.Change{
			Request: fmt.Sprint(n), Person: person(n), Event: audit.ByGateway(audit.KindConsent, "recorded", fmt.Sprint(n), s.PolicyHash),
			Apply: func(st *consent.Standing) error {
				st.Records = append(st.Records, consent.Record{ID: b.Store.NewRecordID(person(n)), Status: consent.StatusActive, Decision: consent.DecisionPermit})
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stored := &Version{Meaning: meaningOf(s), Pending: true, Changes: []string{"party gp now covers something"}}
	catalogue, _ := json.Marshal(stored)
	if err := b.Store.SetCatalogue(t.Context(), catalogue); err != nil {
		t.Fatal(err)
	}
	// Somebody was told before an interruption.
	key := b.Store.Key(person(7))
	id, err := b.Store.NoticeID(key, "catalogue "+stored.Meaning.hash())
	if err != nil {
		t.Fatal(err)
	}
	event := audit.ByGateway(audit.KindConsent, reasonCatalogue, "r", s.PolicyHash)
	event.ID, event.Person = id, key
	if err := b.Store.Commit(t.Context(), audit.Release{Event: event}); err != nil {
		t.Fatal(err)
	}
	pending, err := Prepare(t.Context(), s, b.Store)
	if err != nil || pending == nil {
		t.Fatalf("got %v and error %v, want notices that are pending", pending, err)
	}
	if told, err := Tell(t.Context(), s, b.Store, pending); err != nil || told != 30 {
		t.Errorf("got %d notices and error %v, want 30", told, err)
	}
	for n := range 30 {
		events, err := b.Store.Events(t.Context(), b.Store.Key(person(n)), 100)
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
	if pending, err = Prepare(t.Context(), s, b.Store); err != nil || pending != nil {
		t.Errorf("got %v and error %v, want nothing pending when everybody was told", pending, err)
	}
}

// opened makes and opens the store of a configuration.
func opened(t *testing.T, s *config.Settings) *storage.Backend {
	t.Helper()
	r, err := storage.Connect(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	o, err := r.StoreOptions(s, nil)
	if err == nil {
		err = redisstore.Initialise(t.Context(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := storage.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// TestWhoReadsByAnotherCatalogueIsShut: an instance that goes on with an older configuration does not know which permits the newer catalogue has
// ended, and would record permits under names that mean something else to the others. It decides and records nothing, also if the names get
// their old meaning back; nor do its notices, which may take long, bring the older catalogue back.
func TestWhoReadsByAnotherCatalogueIsShut(t *testing.T) {
	text := strings.Replace(configtest.Good, "mode: embedded\n  folder: redis\n", fmt.Sprintf("mode: external\n  addresses: [%q]\n", redistest.Start(t).Address()), 1)
	file := configtest.Place(t, strings.Replace(text, "    regional: { consent: explicit }\n", "    regional: { consent: explicit }\n    spare: { consent: explicit }\n", 1))
	older, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(filepath.Dir(file), "newer.yaml")
	if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	newer, err := config.Load(beside)
	if err != nil {
		t.Fatal(err)
	}
	a := opened(t, older)
	prepare := func(s *config.Settings, store *redisstore.Store) *Version {
		t.Helper()
		pending, err := Prepare(t.Context(), s, store)
		if err != nil {
			t.Fatal(err)
		}
		return pending
	}
	serves := func(what string, store *redisstore.Store, want bool) {
		t.Helper()
		checked := store.Check(t.Context())
		_, _, err := store.Standing(t.Context(), store.Key(person(1)))
		_, changed := store.Change(t.Context(), audit.Change{
			Person: person(1), Event: audit.ByGateway(audit.KindConsent, "recorded", what, "policy"), Apply: func(*consent.Standing) error { return nil },
		})
		if (checked == nil) != want || (err == nil) != want || (changed == nil) != want {
			t.Errorf("%s: check %v, standing %v, change %v", what, checked, err, changed)
		}
	}
	prepare(older, a.Store)
	telling := &Version{Meaning: meaningOf(older)}
	serves("alone", a.Store, true)
	b, err := storage.Open(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	prepare(newer, b.Store)
	serves("the newer", b.Store, true)
	if _, err := Tell(t.Context(), older, a.Store, telling); err == nil {
		t.Error("the notices of the older one ended as if it were still active")
	}
	serves("the older", a.Store, false)
	serves("the newer, after all", b.Store, true)
	back, err := json.Marshal(Version{Meaning: meaningOf(older), Since: &consent.Changes{Ended: []consent.Ended{{Kind: consent.NameOfParty, Name: "gp"}}}})
	if err == nil {
		err = b.Store.SetCatalogue(t.Context(), back)
	}
	if err != nil {
		t.Fatal(err)
	}
	serves("the older, with permits that ended meanwhile", a.Store, false)
}
