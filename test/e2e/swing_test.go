package e2e_test

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// swing gives and withdraws one person's consent again and again, whatever happens to Redis, and notes what was acknowledged, and when. What is
// not acknowledged is repeated with its request id, as callers must.
type swing struct {
	w       *world
	person  demo.Person
	l       *load
	stop    chan struct{}
	stopped sync.WaitGroup

	mu        sync.Mutex
	withdrawn []consent.RecordID // acknowledged withdrawals
	closed    []span
}

// span is a time without consent: from an acknowledged withdrawal until the next consent was begun.
type span struct{ from, to time.Time }

// startSwing withdraws the person's consent for general practitioners, and continues from there; the load sets the pace.
func (w *world) startSwing(person demo.Person, l *load) *swing {
	w.t.Helper()
	s := &swing{w: w, person: person, l: l, stop: make(chan struct{})}
	w.withdrawAll(person, partyGP)
	s.stopped.Go(func() {
		for from := time.Now(); ; from = time.Now() {
			if !s.pass() {
				s.note(span{from, time.Now()})
				return
			}
			s.note(span{from, time.Now()})
			record := permit(partyGP, "GGC002")
			record.ID = w.store.NewRecordID(person.Identifier())
			if !s.settle("recorded", func(st *consent.Standing) { st.Records = append(st.Records, record) }) {
				return
			}
			s.pass()
			if !s.settle("withdrawn", func(st *consent.Standing) { withdrawIn(st, partyGP) }) {
				return
			}
			s.mu.Lock()
			s.withdrawn = append(s.withdrawn, record.ID)
			s.mu.Unlock()
		}
	})
	return s
}

func (s *swing) note(c span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, c)
}

// acknowledged returns the number of acknowledged withdrawals.
func (s *swing) acknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.withdrawn)
}

// pass waits for two answers per request in flight, and reports whether to continue.
func (s *swing) pass() bool {
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for n := s.l.answered() + 2*s.l.inFlight; s.l.answered() < n; {
		select {
		case <-s.stop:
			return false
		case <-poll.C:
		}
	}
	return true
}

// settle repeats a change until it is acknowledged, and reports whether it was.
func (s *swing) settle(reason policy.Reason, apply func(*consent.Standing)) bool {
	request := uuid()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(endWithin); ; <-pace.C {
		_, err := s.w.changeOnce(request, reason, s.person.Identifier(), func(st *consent.Standing) error { apply(st); return nil })
		switch {
		case err == nil:
			return true
		case !errors.Is(err, audit.ErrUnavailable) || time.Now().After(end):
			s.w.t.Errorf("a change that is not acknowledged: %v", err)
			return false
		}
	}
}

// end stops it, after an acknowledgement.
func (s *swing) end() {
	close(s.stop)
	s.stopped.Wait()
}

// wantKept is promise 3 after the fact. No request that began after an acknowledged withdrawal, and ended before a consent was given again, was
// permitted; every acknowledged withdrawal is on file; and in the order in which Redis recorded them, no release follows a withdrawal.
func (s *swing) wantKept(replies []reply, ask question) {
	t, w := s.w.t, s.w
	t.Helper()
	released, refused := 0, 0
	for _, r := range replies {
		if r.asked.path != ask.path || r.asked.body != ask.body {
			continue
		}
		in := slices.ContainsFunc(s.closed, func(c span) bool { return r.began.After(c.from) && r.began.Add(r.took).Before(c.to) })
		switch {
		case r.status == http.StatusOK && in:
			t.Error("a request was permitted that began after an acknowledged withdrawal")
		case r.status == http.StatusOK:
			released++
		case r.status == http.StatusForbidden && in:
			refused++
		}
	}
	if released == 0 || refused == 0 {
		t.Errorf("%d releases and %d refusals after a withdrawal: nothing was shown", released, refused)
	}
	w.wantWithdrawn(s.person, s.withdrawn)
	w.wantNoReleaseWithdrawn(s.person)
	t.Logf("%d withdrawals acknowledged, %d releases, %d refusals after one", len(s.withdrawn), released, refused)
}

// wantWithdrawn wants all these records of a person to be withdrawn.
func (w *world) wantWithdrawn(person demo.Person, ids []consent.RecordID) {
	w.t.Helper()
	st, _, err := w.store.Standing(w.t.Context(), w.store.Key(person.Identifier()))
	if err != nil {
		w.t.Fatalf("standing: %v", err)
	}
	for _, id := range ids {
		i := slices.IndexFunc(st.Records, func(r consent.Record) bool { return r.ID == id })
		if i < 0 || st.Records[i].Status != consent.StatusWithdrawn {
			w.t.Errorf("the withdrawal of %s was acknowledged and is lost", id)
		}
	}
}

// wantNoReleaseWithdrawn reads a person's events in the archive, which are of one shard and so in Redis' order, and wants no release of a
// Condition between a withdrawal and the next consent. It returns the number of releases.
func (w *world) wantNoReleaseWithdrawn(person demo.Person) int {
	w.t.Helper()
	until(w.t, startWithin, "the events to be archived", func() bool { return len(w.outbox()) == 0 })
	key, granted, releases := w.store.Key(person.Identifier()), false, 0
	for _, e := range w.archived() {
		switch {
		case e.Person != key || e.Kind == audit.KindAccess && e.Type != "Condition":
		case e.Kind == audit.KindConsent:
			granted = e.Reason == "recorded"
		case e.Outcome == audit.OutcomePermit:
			releases++
			if !granted {
				w.t.Fatalf("a release follows the withdrawal: %+v", e)
			}
		}
	}
	return releases
}

// changeOnce is changeAs with a request id: however often it is called, the change is made once.
func (w *world) changeOnce(request string, reason policy.Reason, person fhir.Identifier, apply func(*consent.Standing) error) (consent.Standing, error) {
	person, err := consent.NormalizePerson(person)
	if err != nil {
		return consent.Standing{}, err
	}
	return w.store.Change(w.t.Context(), audit.Change{
		Request: request, Person: person, Apply: apply,
		Event: &audit.Event{
			Version: audit.SchemaVersion, Kind: audit.KindConsent, Request: uuid(), Outcome: audit.OutcomePermit, Reason: reason,
			Actor: audit.Actor{Kind: "other", Name: "stage"},
		},
	})
}

// withdrawIn withdraws every active record for a party.
func withdrawIn(st *consent.Standing, party consent.Side) {
	for i := range st.Records {
		if r := &st.Records[i]; r.Party == party && r.Status == consent.StatusActive {
			r.Status, r.WithdrawnBy = consent.StatusWithdrawn, []string{consent.ByPatient}
		}
	}
}

// mix is the requests while a person's consent changes: for that person's data by those with consent in turns, and others, whose answers do not
// change.
func mix(ask question) []asked {
	gp := demo.GP()
	return []asked{
		{gp, ask}, {gp, search("Condition", demo.Milan())}, {gp, ask}, {demo.Insurer(), search("Condition", demo.Karena())},
		{gp, ask}, {gp, get("/fhir/demo/Condition?nonsense=1")},
	}
}
