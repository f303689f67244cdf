package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// family is a stage with patients of several ages, a gateway that knows their representatives by the claim of OIDC-NLGOV, and one that knows
// them by its own claims.
type family struct {
	*world
	g, other *gateway
	patients map[int]demo.Person // by age
}

func newFamily(t testing.TB, ages ...int) *family {
	t.Helper()
	f := &family{patients: map[int]demo.Person{}}
	var more []demo.Resource
	for i, age := range ages {
		p := demo.SyntheticPerson(5000 + i)
		p.PatientID = fhir.ID(fmt.Sprintf("aged-%d", age))
		f.patients[age] = p
		born := time.Now().AddDate(-age, -1, 0).Format(time.DateOnly)
		more = append(more,
			demo.Resource(fmt.Sprintf(`{"resourceType":"Patient","id":"%s","identifier":[{"system":"%s","value":"%s"}],"birthDate":"%s"}`, p.PatientID, demo.SystemBSN, p.BSN, born)),
			demo.Resource(fmt.Sprintf(`{"resourceType":"Condition","id":"%s-c","code":{"text":"asthma"},"subject":{"reference":"Patient/%s"}}`, p.PatientID, p.PatientID)))
	}
	f.world = newWorld(t, more...)
	f.g, _ = f.start("      name: name\n", "      name: name\n      authority: authority\n      represents: { claim: represents, person: { path: represents.bsn, system: \""+demo.SystemBSN+"\" } }\n")
	f.other, _ = f.start("values: { provider: provider, patient: patient }", "values: { provider: provider, patient: patient, representative: representative }",
		"      name: name\n", "      name: name\n      authority: authority\n      representative: { path: representative, system: \""+demo.SystemBSN+"\" }\n")
	return f
}

// guardianOf returns somebody who represents a patient by this authority, in the form that each of the two gateways reads.
func guardianOf(p demo.Person, authority string) (nlgov, own demo.Caller) {
	adult := demo.SyntheticPerson(5900)
	var right any // none: the claim is left out
	if authority != "" {
		right = authority
	}
	nlgov, own = demo.Patient("patient", adult), demo.Patient("patient", p)
	nlgov.Claims.Extra = map[string]any{"represents": m{"bsn": p.BSN}, "authority": right}
	own.Claims.Subject, own.Claims.Kind = nlgov.Claims.Subject, "representative"
	own.Claims.Extra = map[string]any{"representative": adult.BSN, "authority": right}
	return nlgov, own
}

// said returns a Consent with those who state it.
func said(p demo.Person, patient, representative bool, changes ...func(m)) m {
	c := consentFor(p, changes...)
	performers := []any{}
	if patient {
		performers = append(performers, c["patient"])
	}
	if representative {
		performers = append(performers, m{"type": "RelatedPerson"})
	}
	c["performer"] = performers
	return c
}

// TestRepresentativeGivesReadsAndWithdraws: a parent of a child under twelve gives, reads and withdraws, as a patient does, however the provider
// names the person represented; events name both.
func TestRepresentativeGivesReadsAndWithdraws(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 8)
	child := f.patients[8]
	nlgov, own := guardianOf(child, "parental")
	for name, tt := range map[string]struct {
		g  *gateway
		by demo.Caller
	}{"the claim represents": {f.g, nlgov}, "a configured claim": {f.other, own}} {
		f.g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusForbidden, name+": before")
		created := tt.g.ask(tt.by, sending(t, "POST", "/gateway/Consent", said(child, false, true))).wantStatus(t, http.StatusCreated, name)
		e := f.wantEvent(created, audit.OutcomePermit, "recorded")
		parent := f.store.Key(demo.SyntheticPerson(5900).Identifier())
		if e.Person != f.store.Key(child.Identifier()) || e.Actor.Representative != parent || e.Actor.Authority != "parental" || e.Actor.Kind != "representative" {
			t.Errorf("%s: the event does not name both: %+v", name, e)
		}
		f.g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusOK, name+": permitted")
		path := "/gateway/Consent/" + created.resource(t)["id"].(string)
		read := tt.g.ask(tt.by, get(path)).wantStatus(t, http.StatusOK, name+": read")
		f.wantEvent(read, audit.OutcomePermit, "ok-representative")
		if !strings.Contains(read.body, "RelatedPerson") || !strings.Contains(read.body, "representative (parental)") || strings.Contains(read.body, child.BSN) {
			t.Errorf("%s: got %s", name, read.body)
		}
		if n := len(tt.g.ask(tt.by, get("/gateway/Consent?status=active")).wantStatus(t, http.StatusOK, name+": search").entries()); n != 1 {
			t.Errorf("%s: found %d, want 1", name, n)
		}
		withdrawn := tt.g.ask(tt.by, question{method: "POST", path: path + "/$withdraw"}).wantStatus(t, http.StatusOK, name+": withdraw")
		f.wantEvent(withdrawn, audit.OutcomePermit, "withdrawn")
		f.g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusForbidden, name+": withdrawn")
		f.wantEvent(tt.g.ask(tt.by, question{method: "POST", path: "/gateway/$object"}), audit.OutcomePermit, "objected")
		// Undone for the next round.
		if err := f.change(child.Identifier(), func(st *consent.Standing) error { st.Records = nil; return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBothConsentFrom12: somebody of 12 to 15 and a parent consent together, each for themselves, in either order. The parent sees what that
// requires, and no more; neither ends the other's objection, nor repeats it in the other's name.
func TestBothConsentFrom12(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 13, 14)
	g := f.g
	create := func(by demo.Caller, c m) (string, string) {
		t.Helper()
		r := g.ask(by, sending(t, "POST", "/gateway/Consent", c)).wantStatus(t, http.StatusCreated, "create")
		return "/gateway/Consent/" + r.resource(t)["id"].(string), r.header.Get("ETag")
	}
	put := func(by demo.Caller, path, etag string, c m, status int, why string) reply {
		t.Helper()
		c["id"] = path[strings.LastIndex(path, "/")+1:]
		return g.ask(by, sending(t, "PUT", path, c, "If-Match", etag)).wantStatus(t, status, why)
	}
	for age, patientFirst := range map[int]bool{13: true, 14: false} {
		child := f.patients[age]
		patient := demo.Patient("patient", child)
		parent, _ := guardianOf(child, "parental")
		first, second := patient, parent
		if !patientFirst {
			first, second = parent, patient
		}
		path, etag := create(first, said(child, patientFirst, !patientFirst))
		f.wantEvent(g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusForbidden, "one alone"), audit.OutcomeDeny, "no-consent")
		g.ask(second, get(path)).wantStatus(t, http.StatusOK, "what waits is seen")
		put(second, path, etag, said(child, patientFirst, !patientFirst), http.StatusUnprocessableEntity, "in the other's name")
		put(second, path, etag, said(child, true, true), http.StatusOK, "together")
		g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusOK, "together")
		f.wantEvent(g.ask(parent, get("/fhir/demo/Condition")).wantStatus(t, http.StatusForbidden, "the record itself"), audit.OutcomeDeny, "age-not-allowed")

		// Either ends it. What one objects to, the other does not see (the parent) or cannot end (the patient).
		f.wantEvent(g.ask(second, question{method: "POST", path: path + "/$withdraw"}).wantStatus(t, http.StatusOK, "one ends it"), audit.OutcomePermit, "withdrawn")
		f.wantEvent(g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusForbidden, "ended"), audit.OutcomeDeny, "consent-withdrawn")
	}

	child := f.patients[13]
	patient := demo.Patient("patient", child)
	parent, _ := guardianOf(child, "guardian")
	waiting, etag := create(patient, said(child, true, false))
	objection := g.ask(patient, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusCreated, "the patient objects").resource(t)["id"].(string)
	for _, path := range []string{"", "/_history"} {
		g.ask(parent, get("/gateway/Consent/"+objection+path)).wantStatus(t, http.StatusNotFound, "what the patient decides alone")
	}
	g.ask(parent, question{method: "POST", path: "/gateway/Consent/" + objection + "/$withdraw"}).wantStatus(t, http.StatusNotFound, "ended by the parent")
	for _, id := range g.ask(parent, get("/gateway/Consent")).wantStatus(t, http.StatusOK, "what the parent sees").entries() {
		if id == "Consent/"+objection {
			t.Error("the parent finds what the patient objects to")
		}
	}
	put(parent, waiting, etag, said(child, true, true), http.StatusUnprocessableEntity, "what the patient objected to since").wantNothing(t, "since")
	g.ask(demo.GP(), search("Condition", child)).wantStatus(t, http.StatusForbidden, "still objected")

	theirs := g.ask(parent, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusCreated, "the parent objects")
	path := "/gateway/Consent/" + theirs.resource(t)["id"].(string)
	g.ask(patient, get(path)).wantStatus(t, http.StatusOK, "the patient sees it")
	g.ask(patient, question{method: "POST", path: path + "/$withdraw"}).wantStatus(t, http.StatusUnprocessableEntity, "ended by the patient")
	put(patient, path, theirs.header.Get("ETag"), said(child, true, false), http.StatusUnprocessableEntity, "replaced by the patient")
}

// TestWhoRepresentsWhom: to somebody without authority, or who represents somebody else, or somebody old enough to decide alone, nothing exists;
// what would not count is refused.
func TestWhoRepresentsWhom(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 8, 13, 17, 40, 41)
	flag := func(age int, set func(*consent.Flags)) {
		if err := f.change(f.patients[age].Identifier(), func(st *consent.Standing) error { set(&st.Flags); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	flag(41, func(flags *consent.Flags) { flags.Incapacitated = true })
	for _, tt := range []struct {
		age       int
		authority string
		status    int
		reason    string
	}{
		{8, "parental", 201, "recorded"}, {8, "guardian", 201, "recorded"}, {8, "curator", 404, "representative-not-authorised"},
		{8, "written", 404, "representative-not-authorised"}, {8, "friend", 404, "representative-not-authorised"}, {8, "", 404, "representative-not-authorised"},
		{13, "parental", 201, "recorded"}, {13, "curator", 404, "representative-not-authorised"}, {13, "written", 404, "representative-not-authorised"},
		{17, "parental", 404, "representative-not-authorised"}, {17, "guardian", 404, "representative-not-authorised"},
		{40, "curator", 404, "representative-not-authorised"}, {40, "mentor", 404, "representative-not-authorised"},
		{40, "written", 422, "consent-unacceptable"}, // may see, but not decide
		{41, "curator", 201, "recorded"}, {41, "mentor", 201, "recorded"}, {41, "written", 201, "recorded"}, {41, "parental", 404, "representative-not-authorised"},
	} {
		why := fmt.Sprintf("%d years, %q", tt.age, tt.authority)
		by, own := guardianOf(f.patients[tt.age], tt.authority)
		r := f.g.ask(by, sending(t, "POST", "/gateway/Consent", said(f.patients[tt.age], false, true))).wantStatus(t, tt.status, why)
		outcome := audit.OutcomePermit
		if tt.status != http.StatusCreated {
			outcome = audit.OutcomeDeny
			r.wantNothing(t, why)
			f.g.ask(by, question{method: "POST", path: "/gateway/$object"}).wantStatus(t, tt.status, why+": objects")
		}
		f.wantEvent(r, outcome, tt.reason)
		f.other.ask(own, sending(t, "POST", "/gateway/Consent", said(f.patients[tt.age], false, true))).wantStatus(t, tt.status, why+", a configured claim")
	}
	parent, _ := guardianOf(f.patients[8], "parental")
	f.wantEvent(f.g.ask(parent, sending(t, "POST", "/gateway/Consent", said(f.patients[41], false, true))).wantStatus(t, http.StatusForbidden, "for somebody else"),
		audit.OutcomeDeny, "not-the-patient")
	curator, _ := guardianOf(f.patients[41], "curator")
	created := f.g.ask(curator, get("/gateway/Consent")).wantStatus(t, http.StatusOK, "the curator's").entries()
	if len(created) == 0 {
		t.Fatal("the curator sees nothing")
	}
	f.g.ask(parent, get("/gateway/"+created[0])).wantStatus(t, http.StatusNotFound, "somebody else's")
	f.g.ask(parent, sending(t, "POST", "/gateway/Consent", said(f.patients[8], true, false))).wantStatus(t, http.StatusUnprocessableEntity, "in the patient's name")

	// An incapacitated patient can still object, and nobody else ends that.
	objection := f.g.ask(demo.Patient("patient", f.patients[41]), question{method: "POST", path: "/gateway/$object"}).wantStatus(t, http.StatusCreated, "objects")
	f.g.ask(curator, question{method: "POST", path: "/gateway/Consent/" + objection.resource(t)["id"].(string) + "/$withdraw"}).
		wantStatus(t, http.StatusUnprocessableEntity, "another's objection")

	flag(8, func(flags *consent.Flags) { flags.RepresentativesBlocked = []string{demo.SyntheticPerson(5900).BSN} })
	f.wantEvent(f.g.ask(parent, sending(t, "POST", "/gateway/Consent", said(f.patients[8], false, true))).wantStatus(t, http.StatusNotFound, "blocked"),
		audit.OutcomeDeny, "representative-blocked")
	g, _ := f.start()
	g.ask(parent, get("/gateway/Consent")).wantStatus(t, http.StatusUnauthorized, "where nobody said what represents means")
	nested := parent
	nested.Claims.Extra = map[string]any{"represents": m{"bsn": f.patients[8].BSN, "represents": m{"bsn": f.patients[41].BSN}}, "authority": "parental"}
	f.g.ask(nested, get("/gateway/Consent")).wantStatus(t, http.StatusUnauthorized, "who acts for another in turn")
}
