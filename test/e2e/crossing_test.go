package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// TestNobodyCrosses: patients with tokens of every form read their own records, all at once, from a gateway that has seen none of the tokens and
// from one that has cached them all; some of them present another's proof or certificate. Each answer and each event belongs to the owner of the
// token.
func TestNobodyCrosses(t *testing.T) {
	t.Parallel()
	w, shared, _, configured := newCredentials(t)
	people := demo.People()[:5] // the sixth is dead
	tables := make([]*credentialTable, len(people))
	for i, p := range people {
		tables[i] = newCredentialTableOf(demo.Patient("patient", p))
		tables[i].recipient = shared.recipient
		shared.opaque[fmt.Sprint("opaque-of-", i)] = tables[i].claim
	}
	g, _ := w.start(configured...)
	const record = "/fhir/demo/Patient"
	type asked struct {
		whose  int // -1: nobody may have it
		form   string
		header http.Header
	}
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	var free, key, certificate, encrypted []string
	for _, table := range tables {
		table.target = g.base + record
		signed := table.sign(table.header, table.claim)
		free, encrypted = append(free, signed), append(encrypted, table.encrypt(signed))
		key, certificate = append(key, table.bound(table.jkt())), append(certificate, table.bound(table.x5t()))
	}
	round := func() (all []asked) {
		for i, table := range tables {
			next := tables[(i+1)%len(tables)]
			all = append(all, asked{i, "a JWT", bearer(free[i])}, asked{i, "an encrypted JWT", bearer(encrypted[i])}, asked{i, "an opaque token", bearer(fmt.Sprint("opaque-of-", i))},
				asked{i, "a token bound to a key", http.Header{"Authorization": {"DPoP " + key[i]}, "Dpop": {table.proof(key[i], nil, nil)}}},
				asked{i, "a token bound to a certificate", http.Header{"Authorization": {"Bearer " + certificate[i]}, "Client-Cert": {table.shown()}}},
				asked{-1, "a token with another's proof", http.Header{"Authorization": {"DPoP " + key[i]}, "Dpop": {next.proof(key[i], nil, nil)}}},
				asked{-1, "a token with another's certificate", http.Header{"Authorization": {"Bearer " + certificate[i]}, "Client-Cert": {next.shown()}}})
		}
		return all
	}
	for _, caches := range []string{"cold", "warm"} {
		all := slices.Concat(round(), round())
		replies := make([]reply, len(all))
		var work sync.WaitGroup
		start := make(chan struct{})
		for i, a := range all {
			work.Go(func() {
				<-start
				q := get(record)
				q.header = a.header
				var err error
				if replies[i], err = g.try(demo.Caller{}, q); err != nil {
					t.Errorf("%s: %v", a.form, err)
				}
			})
		}
		close(start)
		work.Wait()
		events := map[string][]audit.Event{}
		for _, e := range w.events() {
			events[e.Request] = append(events[e.Request], e)
		}
		for i, a := range all {
			r, when := replies[i], caches+", "+a.form
			if len(events[r.id]) != 1 {
				t.Errorf("%s: %d events, want 1", when, len(events[r.id]))
				continue
			}
			e := events[r.id][0]
			if a.whose < 0 {
				if r.wantNothing(t, when); r.status != http.StatusUnauthorized || e.Person != "" || e.Outcome != audit.OutcomeDeny {
					t.Errorf("%s: got status %d and an event about %q", when, r.status, e.Person)
				}
				continue
			}
			whose := people[a.whose]
			if got := r.entries(); r.status != http.StatusOK || !slices.Equal(got, []string{"Patient/" + string(whose.PatientID)}) {
				t.Errorf("%s of %s: got status %d and %v", when, whose.Name, r.status, got)
			}
			if e.Person != w.store.Key(whose.Identifier()) || e.Reason != "ok-self" {
				t.Errorf("%s of %s: the event says %s of %s", when, whose.Name, e.Reason, e.Person)
			}
		}
	}
}
