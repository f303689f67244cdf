package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/demo"
)

// TestStepUp: a caller who signed in too weakly or too long ago for a request is told what is required (RFC 9470), and where to find the issuers
// (RFC 9728); with such a sign-in the same request is answered.
func TestStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, _ := w.start("break_glass: { per_hour: 50 }", `break_glass: { per_hour: 50 }
sign_in:
  sources: { patient: { assurance: high }, provider: { max_age: 1h } }
  break_glass: { provider: { assurance: high, max_age: 5m } }`)
	old := func(c demo.Caller, by time.Duration) demo.Caller {
		c.Claims.AuthenticatedAt = time.Now().Add(-by)
		return c
	}
	level := func(c demo.Caller, acr string) demo.Caller {
		c.Claims.ACR = acr
		return c
	}
	patient := demo.Patient("patient", demo.Karena())
	const substantial, high = "http://eidas.europa.eu/LoA/substantial", "http://eidas.europa.eu/LoA/high"
	for _, tt := range []struct {
		name   string
		by     demo.Caller
		ask    question
		status int
		reason string
		told   string
	}{
		{"a patient with a level that is high enough", level(patient, high), get("/fhir/demo/Condition"), http.StatusOK, "ok-self", ""},
		{"a patient with a lower one", level(patient, substantial), get("/fhir/demo/Condition"), http.StatusUnauthorized, "insufficient-assurance", high},
		{"a patient with a lower one, who asks for something else", level(patient, substantial), get("/gateway/AuditEvent"), http.StatusOK, "ok-self", ""},
		{"a professional who signed in long ago", old(demo.GP(), 61*time.Minute), searchID("Condition", demo.Karena()), http.StatusUnauthorized, "sign-in-too-old", `max_age="3600"`},
		{"a professional who did not", old(demo.GP(), 50*time.Minute), searchID("Condition", demo.Karena()), http.StatusOK, "ok-consent", ""},
		{"a declaration after a sign-in of this morning", old(demo.EmergencyDoctor(), 6*time.Minute), declare(demo.Milan()), http.StatusUnauthorized, "sign-in-too-old", `max_age="300"`},
		{"a declaration at a lower level", level(demo.EmergencyDoctor(), substantial), declare(demo.Milan()), http.StatusUnauthorized, "insufficient-assurance", high},
	} {
		r := g.ask(tt.by, tt.ask).wantStatus(t, tt.status, tt.name)
		challenge := r.header.Get("WWW-Authenticate")
		if !strings.Contains(challenge, tt.told) || (tt.told != "") != strings.Contains(challenge, "insufficient_user_authentication") {
			t.Errorf("%s: got challenge %q, want %q in it", tt.name, challenge, tt.told)
		}
		if tt.told == high && strings.Contains(challenge, substantial) {
			t.Errorf("%s: the challenge names a level that would not do: %q", tt.name, challenge)
		}
		events := w.eventsOf(r.id)
		if len(events) != 1 || string(events[0].Reason) != tt.reason {
			t.Errorf("%s: got events %+v, want one, for %s", tt.name, events, tt.reason)
		}
	}
}

// TestCallersFindOutWhoMayVouchForThem: from nothing but a refusal, a client finds the metadata of the source and its provider.
func TestCallersFindOutWhoMayVouchForThem(t *testing.T) {
	t.Parallel()
	w, p := newWorld(t), newOpenID(t)
	p.register(demo.GP(), gpClaims())
	p.run(newSigningKey(t, "only"))
	g := w.startWith(p, gatewayAudience, "{ refresh: 1s, cool_down: 1s, keep: 6s }", "    required_scope: zorgsluis\n")
	nobody := demo.Caller{}
	challenge := g.ask(nobody, get("/fhir/demo/Condition")).wantStatus(t, http.StatusUnauthorized, "without a token").header.Get("WWW-Authenticate")
	bearer, dpop, two := strings.Cut(challenge, `, DPoP algs="ES256 ES384 PS256 EdDSA", `)
	if parameter, is := strings.CutPrefix(bearer, "Bearer "); !two || !is || parameter != dpop {
		t.Errorf("got challenge %q, want the metadata for those who speak either scheme", challenge)
	}
	_, after, _ := strings.Cut(challenge, `resource_metadata="`+g.base)
	path, _, found := strings.Cut(after, `"`)
	if !found {
		t.Fatalf("the challenge leads nowhere: %q", challenge)
	}
	var resource struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Scopes   []string `json:"scopes_supported"`
	}
	read := func(path string, into any) {
		t.Helper()
		r := g.ask(nobody, get(path)).wantStatus(t, http.StatusOK, path)
		if err := json.Unmarshal([]byte(r.body), into); err != nil || r.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s is %s: %s", path, r.header.Get("Content-Type"), r.body)
		}
	}
	read(path, &resource)
	if resource.Resource != g.base+"/fhir/demo" || !slices.Equal(resource.Servers, []string{p.url()}) || !slices.Equal(resource.Scopes, []string{"zorgsluis"}) {
		t.Errorf("got metadata %+v, want those of the source", resource)
	}
	var smart struct {
		Issuer       string   `json:"issuer"`
		Token        string   `json:"token_endpoint"`
		GrantTypes   []string `json:"grant_types_supported"`
		Challenges   []string `json:"code_challenge_methods_supported"`
		Capabilities []string `json:"capabilities"`
	}
	read("/fhir/demo/.well-known/smart-configuration", &smart)
	if smart.Issuer != p.url() || smart.Token != p.url()+"/token" || !slices.Contains(smart.GrantTypes, "client_credentials") ||
		!slices.Equal(smart.Challenges, []string{"S256"}) || !slices.Equal(smart.Capabilities, []string{"client-confidential-asymmetric"}) {
		t.Errorf("got SMART configuration %+v, want what the provider says", smart)
	}
	p.stop()
	read("/fhir/demo/.well-known/smart-configuration", &smart) // it is cached as long as the keys
}
