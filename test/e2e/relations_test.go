package e2e_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
	"zorgsluis/policy"
)

// careTeams is a registry of treatment relations: a FHIR server over TLS that knows the care teams.
type careTeams struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	members map[string]string // BSN → UZI number
	asked   int
	instead http.HandlerFunc
}

func newCareTeams(t *testing.T, a *authority) *careTeams {
	c := &careTeams{t: t, members: map[string]string{}}
	c.Server = httptest.NewUnstartedServer(c)
	c.TLS = &tls.Config{Certificates: []tls.Certificate{a.issue(curveKey(t), "127.0.0.1", time.Hour).pair}}
	c.StartTLS()
	t.Cleanup(c.Close)
	return c
}

func (c *careTeams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // the whole body: only then a server notices that the client disconnected
	c.mu.Lock()
	c.asked++
	instead := c.instead
	c.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	person := strings.TrimPrefix(r.PostFormValue("patient.identifier"), demo.SystemBSN+"|")
	who := r.PostFormValue("participant.identifier")
	if r.RequestURI != "/fhir/CareTeam/_search" || r.Header.Get("X-Api-Key") != marker || who == "" || r.PostFormValue("status") != "active" {
		c.t.Errorf("the question is not as expected: %s %s", r.Method, r.URL.Path)
	}
	c.mu.Lock()
	member := c.members[person]
	c.mu.Unlock()
	if member == "" || !strings.HasSuffix(who, "|"+member) {
		teams(w, "")
		return
	}
	teams(w, careTeam(person, member))
}

// careTeam returns a team with a person and a professional.
func careTeam(bsn, uzi string) string {
	return fmt.Sprintf(`{"resource":{"resourceType":"CareTeam","id":"t","status":"active","subject":{"reference":"Patient/%[1]s","identifier":{"system":"%[2]s","value":"%[1]s"}},`+
		`"participant":[{"member":{"identifier":{"system":"http://fhir.nl/fhir/NamingSystem/uzi-nr-pers","value":"%[3]s"}}}]}}`, bsn, demo.SystemBSN, uzi)
}

func teams(w http.ResponseWriter, entries string) {
	w.Header().Set("Content-Type", "application/fhir+json")
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"searchset","entry":[%s]}`, entries)
}

func (c *careTeams) does(instead http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instead = instead
}

// questions returns how often it was asked since the last call.
func (c *careTeams) questions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.asked
	c.asked = 0
	return n
}

// TestTreatmentRelationsOfARegistry: a professional whose token shows no relation has the one in the registry, for that patient and that
// request; a registry that is away, slow or wrong shows none for anybody, and delays no emergency.
func TestTreatmentRelationsOfARegistry(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), newAuthority(t)
	registry := newCareTeams(t, a)
	w.write("teams-ca.pem", a.pem)
	w.write("teams-key", "X-Api-Key: "+marker+"\n")
	g, _ := w.start("    channel: regional\n", "    channel: regional\n    relationship_registry: network\n",
		"policy:\n", "relationship_registries:\n  - { name: network, base_url: \""+registry.URL+"/fhir\", timeout: 1s, credential_file: teams-key, tls: { ca_file: teams-ca.pem } }\npolicy:\n")
	karena, milan := demo.Karena(), demo.Milan()
	unsaid := func(by demo.Caller) demo.Caller { by.Claims.Relationship = ""; return by }
	gp, hospital := unsaid(demo.GP()), unsaid(demo.EmergencyDoctor())
	registry.members[karena.BSN] = gp.Claims.UZI
	condition := func(p demo.Person) question { return search("Condition", p) }
	related := func(r reply, outcome audit.Outcome, reason string, relationship policy.Relationship) {
		t.Helper()
		if e := w.wantEvent(r, outcome, reason); e.Actor.Relationship != relationship || e.Actor.Evidence != "registry:network" {
			t.Errorf("the event tells of relation %q by %q, want %q by the registry", e.Actor.Relationship, e.Actor.Evidence, relationship)
		}
	}

	r := g.ask(gp, condition(karena)).wantStatus(t, http.StatusOK, "the registry knows of the relation")
	if len(r.entries()) == 0 {
		t.Error("nothing was given")
	}
	related(r, audit.OutcomePermit, "ok-consent", policy.RelationTreating)
	g.ask(gp, condition(karena)).wantStatus(t, http.StatusOK, "again")
	if n := registry.questions(); n != 2 {
		t.Errorf("got %d questions about two requests, want 2: nothing is kept", n)
	}
	related(g.ask(gp, condition(milan)).wantStatus(t, http.StatusForbidden, "a patient of somebody else"), audit.OutcomeDeny, "no-treatment-relation", policy.RelationNone)
	related(g.ask(hospital, condition(karena)).wantStatus(t, http.StatusForbidden, "somebody who is in no team"), audit.OutcomeDeny, "no-treatment-relation", policy.RelationNone)
	registry.questions()
	e := w.wantEvent(g.ask(demo.GP(), condition(milan)).wantStatus(t, http.StatusOK, "a relation that the token shows"), audit.OutcomePermit, "ok-consent")
	refused := demo.GP()
	refused.Claims.Relationship = "none"
	w.wantEvent(g.ask(refused, condition(karena)).wantStatus(t, http.StatusForbidden, "a token that says that there is none"), audit.OutcomeDeny, "no-treatment-relation")
	if n := registry.questions(); n != 0 || e.Actor.Evidence != "token" {
		t.Errorf("got %d questions and evidence %q, want none and the token", n, e.Actor.Evidence)
	}

	absent := "/fhir/demo/Condition/does-not-exist"
	g.ask(gp, get(absent)).wantStatus(t, http.StatusNotFound, "what is not there")
	if n := registry.questions(); n != 1 {
		t.Errorf("got %d questions about what is not there, want 1, as about what is hidden", n)
	}
	g.ask(hospital, declare(karena)).wantStatus(t, http.StatusCreated, "a declaration")
	for name, instead := range map[string]http.HandlerFunc{
		"away":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"out of order": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"silent":       func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"redirected": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/", http.StatusTemporaryRedirect)
		},
		"about another": func(w http.ResponseWriter, _ *http.Request) { teams(w, careTeam(milan.BSN, gp.Claims.UZI)) },
		"about both": func(w http.ResponseWriter, _ *http.Request) {
			teams(w, careTeam(karena.BSN, gp.Claims.UZI)+","+careTeam(milan.BSN, gp.Claims.UZI))
		},
		"not a searchset": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			fmt.Fprint(w, marker)
		},
	} {
		registry.does(instead)
		w.source.Reset()
		r := g.ask(gp, condition(karena)).wantStatus(t, http.StatusServiceUnavailable, name)
		r.wantNothing(t, name)
		related(r, audit.OutcomeError, "relations-unavailable", policy.RelationUnknown)
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
		for _, asked := range w.source.Requests() {
			if !strings.Contains(asked.Path, "/Patient") {
				t.Errorf("%s: the source was asked for %s", name, asked.Path)
			}
		}
		g.ask(gp, get(absent)).wantStatus(t, http.StatusServiceUnavailable, name+", what is not there")
		r = g.ask(hospital, search("AllergyIntolerance", karena)).wantStatus(t, http.StatusOK, name+", in an emergency")
		related(r, audit.OutcomePermit, "ok-emergency-unknown", policy.RelationUnknown)
	}
	registry.does(nil)
	g.ask(gp, condition(karena)).wantStatus(t, http.StatusOK, "the registry is back")
	if out := g.logged(); strings.Contains(out, karena.BSN) || strings.Contains(out, marker) {
		t.Error("the log holds a number of a patient, or what the registry said")
	}
}
