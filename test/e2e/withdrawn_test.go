package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/internal/demo"
)

// TestWithdrawnInFlight: the withdrawal is acknowledged while the source is answering, and nothing of the answer is released: for a search, for
// a read, and at the last possible moment, when the commit is on its way to Redis.
func TestWithdrawnInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := startRelay(t, w.redis.Address())
	w.redisAddress = r.address()
	g, file := w.start()
	karena, gp := demo.Karena(), demo.GP()
	condition := g.ask(gp, search("Condition", karena)).wantStatus(t, http.StatusOK, "before").entries()[0]

	for name, tt := range map[string]struct {
		ask    question
		status int
	}{
		"search": {search("Condition", karena), http.StatusForbidden},
		"read":   {get("/fhir/demo/" + condition), http.StatusNotFound},
	} {
		block := w.source.Block()
		t.Cleanup(block.Release)
		answered := g.later(gp, tt.ask)
		receive(t, block.Arrived, "the source to be asked")
		w.withdraw(file, karena, partyGP) // exit code 0: acknowledged
		select {
		case r := <-answered:
			t.Fatalf("%s: answered %d before the source did", name, r.status)
		default:
		}
		block.Release()
		got := receive(t, answered, "the answer").wantStatus(t, tt.status, name+" after the withdrawal")
		got.wantNothing(t, name)
		w.wantEvent(got, audit.OutcomeDeny, "consent-withdrawn")
		w.source.Intercept(nil)
		w.mustPut(permit(partyGP, "GGC002"), karena)
		again := g.ask(gp, tt.ask).wantStatus(t, http.StatusOK, name+" after a new consent")
		w.wantEvent(again, audit.OutcomePermit, "ok-consent")
	}

	t.Run("the commit is under way", func(t *testing.T) {
		ids := w.recordsOf(karena, partyGP)
		withdrawn := make(chan error, 1)
		id := uuid()
		r.on(id, justBefore, 1, func() {
			withdrawn <- w.change(karena.Identifier(), func(st *consent.Standing) error {
				for i := range st.Records {
					if st.Records[i].ID == ids[0] {
						st.Records[i].Status, st.Records[i].WithdrawnBy = consent.StatusWithdrawn, []string{consent.ByPatient}
					}
				}
				return nil
			})
		})
		q := search("Condition", karena)
		q.header = http.Header{"X-Request-Id": {id}}
		got := g.ask(gp, q)
		if err := receive(t, withdrawn, "the withdrawal"); err != nil {
			t.Fatalf("withdraw: %v", err)
		}
		got.id = id
		got.wantStatus(t, http.StatusForbidden, "after the withdrawal").wantNothing(t, "commit")
		w.wantEvent(got, audit.OutcomeDeny, "consent-withdrawn")
	})
}

// TestEndedInFlight: if a declaration, a consent or a token ends while the source is answering, nothing is released either.
func TestEndedInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start("timeout: 8s", "timeout: 20s", "unauthenticated:", "clock_skew: 0s\nunauthenticated:")
	g.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "warm up")
	for _, tt := range []struct {
		name   string
		start  func(lasts time.Duration) (by demo.Caller, ends time.Time)
		about  demo.Person
		status int
		reason string
	}{
		{"a consent with an end", func(lasts time.Duration) (demo.Caller, time.Time) {
			ends := time.Now().Add(lasts)
			record := permit(partyGP, "GGC002")
			record.ValidTo = consent.Time{Time: ends}
			w.mustPut(record, demo.Johanna())
			return demo.GP(), ends
		}, demo.Johanna(), http.StatusForbidden, "no-consent"},
		{"a declaration", func(lasts time.Duration) (demo.Caller, time.Time) {
			ends := w.declared(demo.EmergencyDoctor(), demo.Karena(), lasts)
			return demo.EmergencyDoctor(), ends
		}, demo.Karena(), http.StatusForbidden, "no-consent"},
		{"a token", func(lasts time.Duration) (demo.Caller, time.Time) {
			by := demo.GP()
			by.Claims.Expires = time.Now().Add(lasts).Truncate(time.Second)
			return by, by.Claims.Expires
		}, demo.Karena(), http.StatusUnauthorized, "token-expired"},
	} {
		block := w.source.Block()
		t.Cleanup(block.Release)
		answered := g.laterUntilItEnds(block, search("Condition", tt.about), tt.start)
		block.Release()
		w.source.Intercept(nil)
		r := receive(t, answered, "the answer").wantStatus(t, tt.status, tt.name)
		r.wantNothing(t, tt.name)
		w.wantEvent(r, audit.OutcomeDeny, tt.reason)
	}
}

// laterUntilItEnds asks for what a caller gets until something ends. It returns when the source was asked before the end, and the end has passed.
// If the machine was too busy for that, what is begun next lasts twice as long.
func (g *gateway) laterUntilItEnds(block demo.Block, q question, begin func(lasts time.Duration) (by demo.Caller, ends time.Time)) <-chan reply {
	g.t.Helper()
	for lasts := 3 * time.Second; ; lasts *= 2 {
		by, ends := begin(lasts)
		answered := g.later(by, q)
		select {
		case <-block.Arrived:
			until(g.t, endWithin, "the end", func() bool { return time.Now().After(ends) })
			return answered
		case r := <-answered:
			if time.Now().Before(ends) {
				g.t.Fatalf("answered %d, without asking the source", r.status)
			}
		case <-time.After(endWithin):
			g.t.Fatalf("waited %s for the source to be asked", endWithin)
		}
	}
}

// whileItLasts asks for what something opens until it ends, wants the answer to be 200, and returns when the end has passed. If the machine was
// too busy to answer before the end, what is begun next lasts twice as long.
func whileItLasts(t testing.TB, ask func(lasts time.Duration) (r reply, ends time.Time)) {
	t.Helper()
	for lasts := 2 * time.Second; ; lasts *= 2 {
		r, ends := ask(lasts)
		if time.Now().Before(ends) || lasts > endWithin {
			r.wantStatus(t, http.StatusOK, "while it lasts")
			until(t, 2*endWithin, "the end", func() bool { return time.Now().After(ends) })
			return
		}
	}
}

// declared records a declaration that lasts shorter than any configuration allows, so that a test can see its end.
func (w *world) declared(by demo.Caller, about demo.Person, lasts time.Duration) (ends time.Time) {
	w.t.Helper()
	id := w.store.NewDeclarationID(about.Identifier())
	st, err := w.changeAs("declared", about.Identifier(), func(st *consent.Standing) error {
		st.Declarations = append(st.Declarations, consent.Declaration{
			ID: id, Issuer: w.issuer.URL(), Client: by.ClientID, Practitioner: "uzi:" + by.Claims.UZI,
			Organization: "ura:" + by.Claims.OrganizationURA, Reason: "Brought in unconscious", ConsentImpossible: true,
			Expires: st.Newest.Add(lasts), // the store counts from its own timestamp
		})
		return nil
	})
	if err != nil {
		w.t.Fatalf("declare: %v", err)
	}
	for _, d := range st.Declarations {
		if d.ID == id {
			return d.Expires
		}
	}
	w.t.Fatal("the declaration is not on file")
	return time.Time{}
}
