package proxy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"zorgsluis/policy"
	"zorgsluis/proxy"
)

func TestRoutesAskForMoreThanThePolicy(t *testing.T) {
	const patients = "/fhir/demo/Observation"
	const events = "/gateway/AuditEvent"
	tests := []struct {
		name   string
		route  proxy.Route
		kind   policy.SubjectKind
		rule   proxy.SignIn
		later  time.Duration // after the sign-in
		caller string
		target string
		status int
		reason policy.Reason
		told   string // in the challenge
	}{
		{"nothing is asked", proxy.RouteSources, policy.KindProvider, proxy.SignIn{}, 30 * time.Minute, "gp", searchA, 200, "ok-consent", ""},
		{"a level that is there", proxy.RouteSources, policy.KindProvider, proxy.SignIn{Least: policy.AssuranceSubstantial}, 0, "gp", searchA, 200, "ok-consent", ""},
		{"a level that is not", proxy.RouteSources, policy.KindProvider, proxy.SignIn{Least: policy.AssuranceHigh}, 0, "gp", searchA, 401, "insufficient-assurance", `acr_values="urn:level:high"`},
		{"of others", proxy.RouteSources, policy.KindPatient, proxy.SignIn{Least: policy.AssuranceHigh}, 0, "gp", searchA, 200, "ok-consent", ""},
		{"elsewhere", proxy.RouteOwn, policy.KindProvider, proxy.SignIn{Least: policy.AssuranceHigh}, 0, "gp", searchA, 200, "ok-consent", ""},
		{"a patient's own events", proxy.RouteOwn, policy.KindPatient, proxy.SignIn{Least: policy.AssuranceHigh}, 0, "patient-a", events, 401, "insufficient-assurance", `acr_values="urn:level:high"`},
		{"a sign-in at its last moment", proxy.RouteSources, policy.KindProvider, proxy.SignIn{MaxAge: time.Minute}, time.Minute, "gp", searchA, 200, "ok-consent", ""},
		{"a sign-in that is too old", proxy.RouteSources, policy.KindProvider, proxy.SignIn{MaxAge: time.Minute}, time.Minute + 1, "gp", searchA, 401, "sign-in-too-old", `acr_values="urn:level:substantial", max_age="60"`},
		{"a token that does not say when", proxy.RouteSources, policy.KindPatient, proxy.SignIn{MaxAge: time.Hour}, 0, "patient-a", patients, 401, "sign-in-too-old", `max_age="3600"`},
		{"blocked comes first", proxy.RouteSources, policy.KindProvider, proxy.SignIn{Least: policy.AssuranceHigh}, 0, "insurer", searchA, 403, "blocked-insurer", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) {
				if p.SignIn[tt.route] == nil {
					p.SignIn[tt.route] = map[policy.SubjectKind]proxy.SignIn{}
				}
				p.SignIn[tt.route][tt.kind] = tt.rule
			})
			w.story()
			w.clock = w.clock.Add(tt.later)
			got := w.get(tt.caller, tt.target)
			if e := w.store.last(t); got.status != tt.status || e.Reason != tt.reason {
				t.Errorf("status %d, reason %s, want %d, %s", got.status, e.Reason, tt.status, tt.reason)
			}
			challenge := got.header.Get("WWW-Authenticate")
			if !strings.Contains(challenge, tt.told) || (tt.told != "") != strings.Contains(challenge, "insufficient_user_authentication") {
				t.Errorf("challenge is %q, want one with %q", challenge, tt.told)
			}
			if tt.status != 200 && len(w.source.requests()) != 0 {
				t.Errorf("the source was asked: %v", w.source.requests())
			}
		})
	}
}

func TestADeclarationAsksForAFreshSignIn(t *testing.T) {
	w := newWorld(t)
	w.clock = epoch.Add(15*time.Minute + 1)
	got := w.declare("hospital", declaration(bsnA, reasonText, true))
	if challenge := got.header.Get("WWW-Authenticate"); got.status != 401 || !strings.Contains(challenge, `max_age="900"`) {
		t.Errorf("status %d, challenge %q, want 401 and max_age 900", got.status, challenge)
	}
	if e := w.store.last(t); e.Reason != "sign-in-too-old" || e.Declaration != "" {
		t.Errorf("event is %+v, want a refusal", e)
	}
	if _, err := proxy.NewGate(func() proxy.Parts { p := w.parts(); p.SignIn = nil; return p }()); !errors.Is(err, proxy.ErrMissingPart) {
		t.Errorf("error is %v, want a missing part: there is no gate that takes declarations of old sign-ins", err)
	}
}

func TestProtectedResourceMetadata(t *testing.T) {
	w := newWorld(t, func(p *proxy.Parts) {
		p.PublicURL = "https://gw.example/care"
		p.Authorization.Scopes, p.Authorization.CertificateBound = []string{"zorgsluis"}, true
	})
	for path, resource := range map[string]string{
		"": "https://gw.example/care", "/fhir/demo": "https://gw.example/care/fhir/demo", "/care/fhir/demo": "https://gw.example/care/fhir/demo",
		"/care": "https://gw.example/care", "/gateway": "https://gw.example/care/gateway",
	} {
		got := w.get("", "/.well-known/oauth-protected-resource"+path)
		var document map[string]any
		if err := json.Unmarshal([]byte(got.body), &document); err != nil || got.status != 200 || got.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %d %s: %s", path, got.status, got.header.Get("Content-Type"), got.body)
		}
		want := map[string]any{
			"resource": resource, "authorization_servers": []any{"https://idp"}, "scopes_supported": []any{"zorgsluis"}, "bearer_methods_supported": []any{"header"},
			"dpop_signing_alg_values_supported": []any{"ES256"}, "tls_client_certificate_bound_access_tokens": true,
		}
		if !reflect.DeepEqual(document, want) {
			t.Errorf("%s: got %v, want %v", path, document, want)
		}
	}
	for _, path := range []string{"/fhir/other", "/fhir", "x"} {
		if got := w.get("gp", "/.well-known/oauth-protected-resource"+path); got.status != 404 {
			t.Errorf("%s: status %d, want 404", path, got.status)
		}
	}
	for target, metadata := range map[string]string{
		searchA: "/care/fhir/demo", "/gateway/AuditEvent": "/care",
	} {
		for _, caller := range []string{"", "gp-low"} {
			if target != searchA && caller != "" {
				continue
			}
			want := `resource_metadata="https://gw.example/.well-known/oauth-protected-resource` + metadata + `"`
			if got := w.get(caller, target).header.Get("WWW-Authenticate"); !strings.HasSuffix(got, want) {
				t.Errorf("%s: challenge is %q, want one that ends in %s", target, got, want)
			}
		}
	}
}

func TestSMARTConfiguration(t *testing.T) {
	for name, tt := range map[string]struct {
		smart  proxy.SMART
		status int
	}{
		"of an authorization server": {func(_ context.Context, source string) ([]byte, bool, error) {
			return []byte(`{"for":"` + source + `"}`), true, nil
		}, http.StatusOK},
		"of none":             {func(context.Context, string) ([]byte, bool, error) { return nil, false, nil }, http.StatusNotFound},
		"of one that is away": {func(context.Context, string) ([]byte, bool, error) { return nil, true, errors.New("away") }, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(p *proxy.Parts) { p.SMART = tt.smart })
			got := w.get("gp", "/fhir/demo/.well-known/smart-configuration")
			if got.status != tt.status {
				t.Errorf("status is %d, want %d", got.status, tt.status)
			}
			if tt.status == http.StatusOK && (got.body != `{"for":"demo"}` || got.header.Get("Content-Type") != "application/json") {
				t.Errorf("got %s: %s", got.header.Get("Content-Type"), got.body)
			}
		})
	}
}

// TestChallengesAreInTheSchemeOfTheRequest: a caller with a proof is challenged in its scheme, with the algorithms (RFC 9449 §7.1),
// whatever is required.
func TestChallengesAreInTheSchemeOfTheRequest(t *testing.T) {
	for scheme, want := range map[string]string{"Bearer": `Bearer error="%s"`, "DPoP": `DPoP error="%s"`, "dpop": `DPoP error="%s"`} {
		w := newWorld(t, func(p *proxy.Parts) {
			p.SignIn[proxy.RouteOwn] = map[policy.SubjectKind]proxy.SignIn{policy.KindPatient: {Least: policy.AssuranceHigh}}
		})
		w.story()
		told := func(caller, target, code string) {
			t.Helper()
			r := w.send("", "GET", target, "", "", "Authorization", scheme+" "+caller)
			got := r.header.Get("WWW-Authenticate")
			if r.status != 401 || !strings.HasPrefix(got, fmt.Sprintf(want, code)) || strings.Contains(got, `algs="ES256"`) != strings.HasPrefix(want, "DPoP") {
				t.Errorf("%s, %s: got %d with challenge %q", scheme, code, r.status, got)
			}
		}
		told("patient-a", "/gateway/AuditEvent", "insufficient_user_authentication")
		w.clock = w.clock.Add(2 * time.Hour) // the token expired before the commit
		told("gp", searchA, "invalid_token")
	}
}
