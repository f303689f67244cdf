package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// TestBreakGlass: a declaration opens data on which the patient never decided, and a refusal with an exception; it does not open another
// refusal, nor anything for another professional, and it ends by time and by a review.
func TestBreakGlass(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	karena, milan, johanna, doctor := demo.Karena(), demo.Milan(), demo.Johanna(), demo.EmergencyDoctor()
	exception := deny(partyHospital)
	exception.EmergencyException = true
	w.mustPut(exception, johanna)

	allergies := func(p demo.Person) question { return search("AllergyIntolerance", p) }
	for _, p := range []demo.Person{karena, milan, johanna} {
		g.ask(doctor, allergies(p)).wantStatus(t, http.StatusForbidden, "before the declaration, "+p.Name)
		r := g.ask(doctor, declare(p)).wantStatus(t, http.StatusCreated, "declaration, "+p.Name)
		e := w.wantEvent(r, audit.OutcomePermit, "declared")
		if e.Kind != audit.KindBreakGlass || e.Declaration == "" || !slices.Contains(e.Obligations, policy.ObligationAlert) {
			t.Errorf("the event of the declaration is %+v, want one that alerts", e)
		}
	}
	r := g.ask(doctor, allergies(karena)).wantStatus(t, http.StatusOK, "nothing on file")
	if len(r.entries()) == 0 {
		t.Error("the emergency opened nothing")
	}
	e := w.wantEvent(r, audit.OutcomePermit, "ok-emergency-unknown")
	if e.Declaration == "" || e.Emergency == "" || !slices.Contains(e.Obligations, policy.ObligationNotifyPatient) {
		t.Errorf("the use is not marked: %+v", e)
	}
	r = g.ask(doctor, allergies(johanna)).wantStatus(t, http.StatusOK, "a refusal with an exception")
	w.wantEvent(r, audit.OutcomePermit, "ok-emergency-exception")
	r = g.ask(doctor, allergies(milan)).wantStatus(t, http.StatusForbidden, "a refusal")
	r.wantNothing(t, "a refusal")
	w.wantEvent(r, audit.OutcomeDeny, "emergency-refused")

	colleague := doctor
	colleague.Claims.UZI, colleague.Claims.Subject = "900000055", "uzi-900000055"
	r = g.ask(colleague, allergies(karena)).wantStatus(t, http.StatusForbidden, "a colleague's declaration")
	w.wantEvent(r, audit.OutcomeDeny, "no-consent")
	pharmacist := g.ask(demo.Pharmacist(), declare(karena)).wantStatus(t, http.StatusForbidden, "a category without emergencies")
	w.wantEvent(pharmacist, audit.OutcomeDeny, "emergency-not-justified")

	t.Run("every declaration is reviewed, and one that was not justified ends", func(t *testing.T) {
		open := reviews(t, file)
		if len(open) != 3 {
			t.Fatalf("got %d open reviews, want 3", len(open))
		}
		for _, o := range open {
			if o.Practitioner != "uzi:"+doctor.Claims.UZI || o.Reason == "" {
				t.Errorf("got review %+v, want who declared, and why", o)
			}
		}
		if got := command(t, "", "review", "close", "--config", file, "--justified", "--by", "", "--why", "x", open[0].Declaration); got.code != 2 {
			t.Errorf("a review by nobody: got exit code %d, want 2", got.code)
		}
		for _, o := range open {
			must(t, "", "review", "close", "--config", file, "--not-justified", "--by", "privacy officer", "--why", "no emergency", o.Declaration)
		}
		if open := reviews(t, file); len(open) != 0 {
			t.Errorf("got %d open reviews after closing them, want none", len(open))
		}
		if got := command(t, "", "review", "close", "--config", file, "--justified", "--by", "x", "--why", "y", open[0].Declaration); got.code != 1 {
			t.Errorf("a second review: got exit code %d, want 1", got.code)
		}
		r := g.ask(doctor, allergies(karena)).wantStatus(t, http.StatusForbidden, "after the review")
		w.wantEvent(r, audit.OutcomeDeny, "no-consent")
		n := 0
		for _, e := range w.events() {
			if e.Kind == audit.KindReview {
				n++
			}
		}
		if n != 3 {
			t.Errorf("got %d events of reviews, want 3", n)
		}
	})
	t.Run("a declaration ends", func(t *testing.T) {
		whileItLasts(t, func(lasts time.Duration) (reply, time.Time) {
			ends := w.declared(doctor, karena, lasts)
			return g.ask(doctor, allergies(karena)), ends
		})
		r := g.ask(doctor, allergies(karena)).wantStatus(t, http.StatusForbidden, "when it is over")
		w.wantEvent(r, audit.OutcomeDeny, "no-consent")
	})
	g.wantLog(`"alert":true`, "the log to alert somebody")
}

type openReview struct {
	Declaration, Practitioner, Code, Reads, Reason string
	Overdue                                        bool
}

func reviews(t *testing.T, file string, more ...string) []openReview {
	t.Helper()
	var open []openReview
	if err := json.Unmarshal([]byte(must(t, "", append([]string{"review", "list", "--config", file}, more...)...)), &open); err != nil {
		t.Fatalf("review list: %v", err)
	}
	return open
}

// TestBreakGlassLimit: one professional can declare only so often per hour, on all instances together.
func TestBreakGlassLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, _ := w.start("per_hour: 50", "per_hour: 2")
	b, _ := w.start("per_hour: 50", "per_hour: 2")
	doctor := demo.EmergencyDoctor()
	a.ask(doctor, declare(demo.Karena())).wantStatus(t, http.StatusCreated, "first")
	b.ask(doctor, declare(demo.Milan())).wantStatus(t, http.StatusCreated, "second, elsewhere")
	for _, g := range []*gateway{a, b} {
		r := g.ask(doctor, declare(demo.Johanna())).wantStatus(t, http.StatusTooManyRequests, "third")
		r.wantNothing(t, "third")
		if r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		e := w.wantEvent(r, audit.OutcomeDeny, "declaration-limit")
		if !slices.Contains(e.Obligations, policy.ObligationAlert) {
			t.Error("nobody is alerted")
		}
	}
	b.ask(doctor, search("AllergyIntolerance", demo.Johanna())).wantStatus(t, http.StatusForbidden, "not declared")
	b.ask(doctor, search("AllergyIntolerance", demo.Karena())).wantStatus(t, http.StatusOK, "declared elsewhere")
	gp := demo.GP()
	a.ask(gp, declare(demo.Johanna())).wantStatus(t, http.StatusCreated, "another professional")
}

// TestPersonFlags: flags that a provider sets about a person apply to the next request.
func TestPersonFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	karena := demo.Karena()
	own := get("/fhir/demo/Condition")
	patient := demo.Patient("patient", karena)
	if n := len(g.ask(patient, own).wantStatus(t, http.StatusOK, "own record").entries()); n == 0 {
		t.Fatal("the patient sees nothing")
	}
	e := g.ask(patient, own)
	categories := w.wantEvent(e, audit.OutcomePermit, "ok-self").Categories
	for _, c := range categories {
		must(t, karena.BSN, "person", "set", "--config", file, "--withhold", string(c))
	}
	r := g.ask(patient, own).wantStatus(t, http.StatusOK, "withheld")
	if n := len(r.entries()); n != 0 {
		t.Errorf("got %d entries that are withheld from the patient, want none", n)
	}
	w.wantEvent(r, audit.OutcomeDeny, "withheld-from-patient")
	if got := command(t, "123456789", "person", "set", "--config", file, "--incapacitated"); got.code != 2 || strings.Contains(got.stderr, "123456789") {
		t.Errorf("a number that is no BSN: got exit code %d and %s, want 2 and not the number", got.code, got.stderr)
	}
	st, _, err := w.store.Standing(t.Context(), w.store.Key(karena.Identifier()))
	if err != nil || len(st.Flags.WithheldFromPatient) != len(categories) {
		t.Errorf("got flags %+v, %v", st.Flags, err)
	}
}
