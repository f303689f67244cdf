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

// endOf returns a request that ends what the caller declared for a person.
func endOf(person demo.Person) question {
	body, err := json.Marshal(map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{
		{"name": "patient", "valueIdentifier": person.Identifier()},
	}})
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	return question{method: http.MethodPost, path: "/gateway/$break-glass-end", contentType: "application/fhir+json", body: string(body)}
}

// parameter returns the value of one of our parameters in a Parameters resource.
func (r reply) parameter(name string) string {
	var p struct {
		Parameter []struct{ Name, ValueString, ValueInstant string }
	}
	_ = json.Unmarshal([]byte(r.body), &p)
	for _, one := range p.Parameter {
		if one.Name == name {
			return one.ValueString + one.ValueInstant
		}
	}
	return ""
}

// seenByPatient is what a patient reads of one event.
type seenByPatient struct {
	Outcome, OutcomeDesc string
	Subtype              []struct{ Code string }
	PurposeOfEvent       []struct{ Coding []struct{ Code string } }
	Agent                []struct {
		Name         string
		Requestor    bool
		PurposeOfUse []struct{ Coding []struct{ Code string } }
	}
	Entity []struct {
		Type        struct{ Code string }
		What        struct{ Identifier struct{ Value string } }
		Description string
		Detail      []struct{ Type, ValueString string }
	}
}

// detail returns a detail of the entity that describes the emergency; "" if there is none.
func (s seenByPatient) detail(name string) string {
	for _, e := range s.Entity {
		if e.Type.Code == "break-glass" {
			for _, d := range e.Detail {
				if d.Type == name {
					return d.ValueString
				}
			}
		}
	}
	return ""
}

func (s seenByPatient) declaration() string {
	for _, e := range s.Entity {
		if e.Type.Code == "break-glass" {
			return e.What.Identifier.Value
		}
	}
	return ""
}

// overview returns the patient's own view: the events with this reason, newest first.
func (g *gateway) overview(p demo.Person, reason policy.Reason) []seenByPatient {
	g.t.Helper()
	r := g.ask(demo.Patient("patient", p), get("/gateway/AuditEvent?_count=500")).wantStatus(g.t, http.StatusOK, "the patient's view")
	if strings.Contains(r.body, p.BSN) {
		g.t.Error("the patient's view holds a BSN")
	}
	var bundle struct {
		Entry []struct{ Resource seenByPatient }
	}
	if err := json.Unmarshal([]byte(r.body), &bundle); err != nil {
		g.t.Fatalf("the patient's view: %v", err)
	}
	var found []seenByPatient
	for _, e := range bundle.Entry {
		if strings.HasPrefix(e.Resource.OutcomeDesc, string(reason)+":") {
			found = append(found, e.Resource)
		}
	}
	return found
}

// TestBreakGlassWorkflow: the hospital's doctor declares for a patient of whom only the number is known and nothing is on file; each use names
// the declaration; the doctor ends it, and an operator ends the next; each awaits its verdict; the patient sees all of it.
func TestBreakGlassWorkflow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, file := w.start()
	johanna, doctor := demo.Johanna(), demo.EmergencyDoctor()
	if st, _, err := w.store.Standing(t.Context(), w.store.Key(johanna.Identifier())); err != nil || st.Generation != 0 {
		t.Fatalf("something is on file: %+v, %v", st, err)
	}
	allergies := search("AllergyIntolerance", johanna)

	first := g.ask(doctor, declare(johanna)).wantStatus(t, http.StatusCreated, "the declaration").parameter("declaration")
	use := g.ask(doctor, allergies).wantStatus(t, http.StatusOK, "a use")
	e := w.wantEvent(use, audit.OutcomePermit, "ok-emergency-unknown")
	if string(e.Declaration) != first || e.Code != "unconscious" {
		t.Errorf("the use names declaration %q and code %q, want %q and the code", e.Declaration, e.Code, first)
	}
	seen := g.overview(johanna, "ok-emergency-unknown")
	if len(seen) != 1 || seen[0].declaration() != first || seen[0].detail("reason-code") != "unconscious" {
		t.Fatalf("the patient sees %+v of the use", seen)
	}
	marked := func(purposes []struct{ Coding []struct{ Code string } }) bool {
		return len(purposes) == 2 && purposes[0].Coding[0].Code == "BTG" && purposes[1].Coding[0].Code == "ETREAT"
	}
	if !marked(seen[0].PurposeOfEvent) || !slices.ContainsFunc(seen[0].Agent, func(a struct {
		Name         string
		Requestor    bool
		PurposeOfUse []struct{ Coding []struct{ Code string } }
	}) bool {
		return a.Requestor && a.Name == doctor.Claims.Name && marked(a.PurposeOfUse)
	}) {
		t.Errorf("the use is not marked as breaking the glass: %+v", seen[0])
	}
	if seen := g.overview(johanna, "declared"); len(seen) != 1 || seen[0].Subtype[0].Code != "110127" || seen[0].declaration() != first {
		t.Errorf("the patient sees %+v of the declaration", seen)
	}

	t.Run("the professional ends it, once", func(t *testing.T) {
		again := endOf(johanna).with("X-Request-Id", uuid())
		r := g.ask(doctor, again).wantStatus(t, http.StatusOK, "the end")
		if r.parameter("declaration") != first || r.parameter("ended") == "" {
			t.Errorf("the end is answered with %s", r.body)
		}
		if repeated := g.ask(doctor, again).wantStatus(t, http.StatusOK, "the same request again"); repeated.body != r.body {
			t.Errorf("the same request got %s, and then %s", r.body, repeated.body)
		}
		g.ask(doctor, endOf(johanna)).wantStatus(t, http.StatusNotFound, "another end")
		denied := g.ask(doctor, allergies).wantStatus(t, http.StatusForbidden, "after the end")
		w.wantEvent(denied, audit.OutcomeDeny, "no-consent")
		if seen := g.overview(johanna, "declaration-ended"); len(seen) != 1 || seen[0].Subtype[0].Code != "110138" || seen[0].declaration() != first {
			t.Errorf("the patient sees %+v of the end", seen)
		}
	})
	second := g.ask(doctor, declare(johanna)).wantStatus(t, http.StatusCreated, "another declaration").parameter("declaration")
	t.Run("an operator ends one, with grounds", func(t *testing.T) {
		g.ask(doctor, allergies).wantStatus(t, http.StatusOK, "before")
		if got := command(t, "", "review", "end", "--config", file, "--by", "officer", "--why", "", second); got.code != 2 {
			t.Errorf("without grounds: got exit code %d, want 2", got.code)
		}
		must(t, "", "review", "end", "--config", file, "--by", "officer", "--why", "the account was stolen", second)
		g.ask(doctor, allergies).wantStatus(t, http.StatusForbidden, "after")
		if got := command(t, "", "review", "end", "--config", file, "--by", "officer", "--why", "again", second); got.code != 1 {
			t.Errorf("one that is over: got exit code %d, want 1", got.code)
		}
		if got := command(t, "", "review", "end", "--config", file, "--by", "officer", "--why", "none", "00-none"); got.code != 1 {
			t.Errorf("one that is not there: got exit code %d, want 1", got.code)
		}
		if seen := g.overview(johanna, "declaration-ended"); len(seen) != 2 || seen[0].declaration() != second || seen[0].detail("grounds") != "the account was stolen" {
			t.Errorf("the patient sees %+v of the end", seen)
		}
	})
	t.Run("each waits for its verdict, which the patient sees", func(t *testing.T) {
		if open := reviews(t, file); len(open) != 2 || open[0].Declaration != first || open[1].Declaration != second {
			t.Fatalf("got open reviews %+v, want both declarations, the oldest first", open)
		}
		must(t, "", "review", "close", "--config", file, "--justified", "--by", "officer", "--why", "as it was told", first)
		must(t, "", "review", "close", "--config", file, "--not-justified", "--by", "officer", "--why", "BSN "+johanna.BSN+" was not in", second)
		if open := reviews(t, file); len(open) != 0 {
			t.Errorf("got open reviews %+v, want none", open)
		}
		if seen := g.overview(johanna, audit.ReasonReviewJustified); len(seen) != 1 || seen[0].declaration() != first {
			t.Errorf("the patient sees %+v of the verdict", seen)
		}
		seen := g.overview(johanna, audit.ReasonReviewNotJustified)
		if len(seen) != 1 || seen[0].declaration() != second || seen[0].detail("grounds") != "BSN *** was not in" || !strings.Contains(seen[0].OutcomeDesc, "not justified") {
			t.Errorf("the patient sees %+v of the verdict", seen)
		}
	})
	w.wantMetric(g, `zorgsluis_break_glass_total{what="declared"} 2`, `zorgsluis_break_glass_total{what="ended"} 2`, `zorgsluis_break_glass_total{what="used"} 2`)
	if log := g.logged(); strings.Contains(log, johanna.BSN) || strings.Contains(log, "Brought in unconscious") || strings.Contains(log, "as it was told") {
		t.Error("the log holds a free text or a number")
	}
	t.Run("a period is reported without naming a patient", func(t *testing.T) {
		g.stop() // everything is archived
		day := func(ago int) string { return time.Now().AddDate(0, 0, -ago).Format(time.DateOnly) }
		report := func(from, to string) (text string, r breakGlassReport) {
			text = must(t, "", "report", "breakglass", "--config", file, "--from", from, "--to", to)
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				t.Fatalf("the report: %v", err)
			}
			return text, r
		}
		text, r := report(day(1), day(-1))
		want := breakGlassCounts{Declared: 2, Used: 2, Uses: 2, EndedEarly: 2, Justified: 1, NotJustified: 1}
		if r.Total != want || len(r.Organizations) != 1 || len(r.Professionals) != 1 || len(r.Reasons) != 1 {
			t.Fatalf("got %s, want %+v", text, want)
		}
		if o, p := r.Organizations[0], r.Professionals[0]; o.breakGlassCounts != want || o.Organization != "ura:"+doctor.Claims.OrganizationURA || p.Professional != "uzi:"+doctor.Claims.UZI {
			t.Errorf("got %+v and %+v", o, p)
		}
		if reason := r.Reasons[0]; reason.Code != "unconscious" || !strings.Contains(reason.Reads, "bewustzijn") || reason.breakGlassCounts != want {
			t.Errorf("got %+v", reason)
		}
		for _, secret := range []string{johanna.BSN, string(johanna.PatientID), string(w.store.Key(johanna.Identifier()))} {
			if strings.Contains(text, secret) {
				t.Error("the report names a patient")
			}
		}
		if text, r := report(day(9), day(3)); r.Total != (breakGlassCounts{}) || len(r.Organizations) != 0 {
			t.Errorf("of another period: got %s, want nothing", text)
		}
		for _, args := range [][]string{{"--from", day(0), "--to", day(1)}, {"--from", "yesterday", "--to", day(0)}, {"--from", day(0)}} {
			if got := command(t, "", append([]string{"report", "breakglass", "--config", file}, args...)...); got.code != 2 {
				t.Errorf("%v: got exit code %d, want 2", args, got.code)
			}
		}
	})
}

type breakGlassCounts struct {
	Declared, Used, Uses, Justified, Open, Overdue, Limited, Refused int

	EndedEarly   int `json:"ended_early"`
	NotJustified int `json:"not_justified"`
}

type breakGlassRow struct {
	Organization, Professional, Code, Reads string
	breakGlassCounts
}

type breakGlassReport struct {
	Total                                 breakGlassCounts
	Organizations, Professionals, Reasons []breakGlassRow
}

// wantMetric wants these lines in /metrics. An exchange is counted after it was answered.
func (w *world) wantMetric(g *gateway, lines ...string) {
	w.t.Helper()
	for _, want := range lines {
		until(w.t, endWithin, want, func() bool {
			_, metrics := g.admined("/metrics")
			return strings.Contains(metrics, want+"\n")
		})
	}
}

// TestOverdueReviews: an overdue review is reported once, by all instances together and also after a kill; the list and the metrics show it
// until there is a verdict.
func TestOverdueReviews(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const late = "per_hour: 50, review_within: 1s"
	a, file := w.start("per_hour: 50", late)
	b, _ := w.start("per_hour: 50", late, "folder: archive", "folder: archive-b")
	c, patient := w.start("per_hour: 50", "per_hour: 50, review_within: 24h", "folder: archive", "folder: archive-c")
	karena, doctor := demo.Karena(), demo.EmergencyDoctor()
	declared := a.ask(doctor, declare(karena)).wantStatus(t, http.StatusCreated, "the declaration").parameter("declaration")
	told := func() []audit.Event {
		return slices.DeleteFunc(w.events(), func(e audit.Event) bool { return e.Reason != audit.ReasonReviewOverdue })
	}
	shown := func(g *gateway) bool {
		_, metrics := g.admined("/metrics")
		return strings.Contains(metrics, "zorgsluis_reviews_overdue 1\n")
	}
	until(t, endWithin, "the review to be overdue", func() bool { return shown(a) && shown(b) && len(told()) > 0 })
	a.kill()
	a = w.again(a, file)
	until(t, endWithin, "the restarted gateway to look", func() bool { return shown(a) })
	events := told()
	if len(events) != 1 || string(events[0].Declaration) != declared || !slices.Contains(events[0].Obligations, policy.ObligationAlert) {
		t.Errorf("got %+v, want one event that alerts", events)
	}
	if seen := a.overview(karena, audit.ReasonReviewOverdue); len(seen) != 1 {
		t.Errorf("the patient sees %+v, want that the review is late", seen)
	}
	w.wantMetric(c, "zorgsluis_reviews_overdue 0")
	if open := reviews(t, patient, "--overdue"); len(open) != 0 {
		t.Errorf("where a day is allowed: got %+v as overdue", open)
	}
	if open := reviews(t, file, "--overdue"); len(open) != 1 || open[0].Declaration != declared || !open[0].Overdue || open[0].Reads == "" {
		t.Errorf("got %+v as overdue, want the declaration and its reason in words", open)
	}
	must(t, "", "review", "close", "--config", file, "--justified", "--by", "officer", "--why", "late, but justified", declared)
	if open := reviews(t, file, "--overdue"); len(open) != 0 {
		t.Errorf("got %+v as overdue after the verdict", open)
	}
	until(t, endWithin, "the alarm to end", func() bool { return !shown(a) })
	if n := len(told()); n != 1 {
		t.Errorf("got %d events in the end, want 1", n)
	}
	st, _, err := w.store.Standing(t.Context(), w.store.Key(karena.Identifier()))
	if err != nil || len(st.Declarations) != 1 || !st.Declarations[0].ReviewLate(time.Second, time.Now()) || st.Declarations[0].ReviewLate(time.Hour, time.Now()) {
		t.Errorf("on file is %+v, %v", st.Declarations, err)
	}
}

// TestBreakGlassRefusals: unsuitable callers or requests declare nothing, and a declaration serves nobody and nothing else. Each refusal is one
// event with its reason.
func TestBreakGlassRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start("per_hour: 50", "per_hour: 3")
	karena, milan, johanna, doctor := demo.Karena(), demo.Milan(), demo.Johanna(), demo.EmergencyDoctor()
	as := func(change func(*demo.Claims)) demo.Caller {
		by := demo.EmergencyDoctor()
		change(&by.Claims)
		return by
	}
	good := declare(karena).body
	without := func(part string) string {
		if !strings.Contains(good, part) {
			t.Fatalf("the declaration has no %s: %s", part, good)
		}
		return strings.Replace(good, part, "", 1)
	}
	instead := func(part, other string) string { without(part); return strings.Replace(good, part, other, 1) }
	const body, unjustified = "declaration-body", "emergency-not-justified"
	for _, tt := range []struct {
		name   string
		by     demo.Caller
		body   string
		status int
		reason string
	}{
		{"a code that is not on the list", doctor, instead(`"unconscious"`, `"curious"`), 400, body},
		{"no code", doctor, without(`{"name":"reason-code","valueCode":"unconscious"},`), 400, body},
		{"a text that is too long", doctor, instead("Brought in", strings.Repeat("Brought in ", 100)), 400, body},
		{"no text", doctor, instead("Brought in unconscious after an accident", " "), 400, body},
		{"consent could be asked", doctor, instead(`"consent-impossible","valueBoolean":true`, `"consent-impossible","valueBoolean":false`), 403, unjustified},
		{"not said whether consent could be asked", doctor, without(`,{"name":"consent-impossible","valueBoolean":true}`), 403, unjustified},
		{"something else would do", doctor, instead(`"no-alternative","valueBoolean":true`, `"no-alternative","valueBoolean":false`), 403, unjustified},
		{"not said whether something else would do", doctor, without(`,{"name":"no-alternative","valueBoolean":true}`), 403, unjustified},
		{"two patients", doctor, instead(`[{"name":"patient"`, `[{"name":"patient","valueIdentifier":{"system":"http://fhir.nl/fhir/NamingSystem/bsn","value":"`+milan.BSN+`"}},{"name":"patient"`), 400, body},
		{"a health insurer", demo.Insurer(), good, 403, "blocked-insurer"},
		{"a company doctor", demo.CompanyDoctor(), good, 403, "blocked-company-doctor"},
		{"a category without emergencies", demo.Pharmacist(), good, 403, unjustified},
		{"a purpose that is not treatment", as(func(c *demo.Claims) { c.PurposeOfUse = []string{"HRESCH"} }), good, 403, unjustified},
		{"a purpose that says the emergency itself", as(func(c *demo.Claims) { c.PurposeOfUse = []string{"ETREAT"} }), good, 403, unjustified},
		{"nobody in person", as(func(c *demo.Claims) { c.UZI, c.UZIRoles, c.Subject = "", nil, "service" }), good, 403, unjustified},
	} {
		r := g.ask(tt.by, declaring(tt.body)).wantStatus(t, tt.status, tt.name)
		r.wantNothing(t, tt.name)
		if e := w.wantEvent(r, audit.OutcomeDeny, tt.reason); e.Kind != audit.KindBreakGlass || e.Declaration != "" {
			t.Errorf("%s: the event is %+v", tt.name, e)
		}
	}
	for _, p := range []demo.Person{karena, milan} {
		if st, _, err := w.store.Standing(t.Context(), w.store.Key(p.Identifier())); err != nil || len(st.Declarations) != 0 {
			t.Fatalf("something was declared: %+v, %v", st.Declarations, err)
		}
	}

	g.ask(doctor, declare(karena)).wantStatus(t, http.StatusCreated, "a declaration")
	g.ask(doctor, declare(milan)).wantStatus(t, http.StatusCreated, "one for a patient who refused")
	ends := w.declared(doctor, johanna, 1500*time.Millisecond)
	g.ask(doctor, search("AllergyIntolerance", karena)).wantStatus(t, http.StatusOK, "a use")
	until(t, endWithin, "the end of one", func() bool { return time.Now().After(ends) })
	for _, tt := range []struct {
		name   string
		by     demo.Caller
		about  demo.Person
		reason string
	}{
		{"expired", doctor, johanna, "no-consent"},
		{"a refusal without exception", doctor, milan, "emergency-refused"},
		{"another client", as(func(c *demo.Claims) { c.ClientID = "gp" }), karena, "no-consent"},
		{"another organization", as(func(c *demo.Claims) { c.OrganizationURA = "90000077" }), karena, "no-consent"},
		{"another professional", as(func(c *demo.Claims) { c.UZI, c.Subject = "900000077", "uzi-900000077" }), karena, "no-consent"},
		{"another purpose", as(func(c *demo.Claims) { c.PurposeOfUse = []string{"HRESCH"} }), karena, "no-consent"},
		{"a purpose that says the emergency itself", as(func(c *demo.Claims) { c.PurposeOfUse = []string{"ETREAT"} }), karena, unjustified},
	} {
		r := g.ask(tt.by, search("AllergyIntolerance", tt.about)).wantStatus(t, http.StatusForbidden, tt.name)
		r.wantNothing(t, tt.name)
		if e := w.wantEvent(r, audit.OutcomeDeny, tt.reason); (e.Declaration != "") != (tt.reason == "emergency-refused") {
			t.Errorf("%s: the event names declaration %q", tt.name, e.Declaration)
		}
	}
	for _, by := range []demo.Caller{demo.GP(), as(func(c *demo.Claims) { c.ClientID = "gp" })} {
		r := g.ask(by, endOf(karena)).wantStatus(t, http.StatusNotFound, "the end by another")
		w.wantEvent(r, audit.OutcomeDeny, "declaration-absent")
	}
	g.ask(doctor, endOf(karena)).wantStatus(t, http.StatusOK, "the end")
	g.ask(doctor, search("AllergyIntolerance", karena)).wantStatus(t, http.StatusForbidden, "ended")
	g.ask(doctor, declare(karena)).wantStatus(t, http.StatusCreated, "the third in an hour")
	r := g.ask(doctor, declare(karena)).wantStatus(t, http.StatusTooManyRequests, "the fourth")
	if e := w.wantEvent(r, audit.OutcomeDeny, "declaration-limit"); !slices.Contains(e.Obligations, policy.ObligationAlert) {
		t.Error("the one too many alerts nobody")
	}
	w.wantMetric(g, `zorgsluis_break_glass_total{what="limited"} 1`)
	if seen := g.overview(karena, "declaration-limit"); len(seen) != 1 {
		t.Errorf("the patient sees %+v, want the refusal", seen)
	}
}
