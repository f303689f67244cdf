package catalogue

import (
	"encoding/json"
	"fmt"
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
