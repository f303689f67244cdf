package e2e_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// tokenEndpoint issues the tokens of a source to whoever authenticates as the gateway.
type tokenEndpoint struct {
	*httptest.Server
	mu       sync.Mutex
	lasts    int // seconds
	given    []string
	refused  []string // why
	instead  http.HandlerFunc
	identify func(r *http.Request) string // why a request is refused; "": it is not
}

func newTokenEndpoint(t *testing.T, config *tls.Config, identify func(*http.Request) string) *tokenEndpoint {
	e := &tokenEndpoint{lasts: 3600, identify: identify}
	e.Server = httptest.NewUnstartedServer(e)
	e.TLS = config
	e.StartTLS()
	t.Cleanup(e.Close)
	return e
}

func (e *tokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	instead := e.instead
	e.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	wrong := e.identify(r)
	if r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("client_id") != "zorgsluis" || r.PostFormValue("scope") != "system/*.read" {
		wrong = "the question is another"
	}
	if wrong != "" {
		e.refused = append(e.refused, wrong)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":"invalid_client","error_description":"`+marker+`"}`)
		return
	}
	token := fmt.Sprintf("%s-%d", marker, len(e.given)+1)
	e.given = append(e.given, token)
	fmt.Fprintf(w, `{"access_token":"%s","token_type":"Bearer","expires_in":%d}`, token, e.lasts)
}

// newest returns the last token that was issued.
func (e *tokenEndpoint) newest() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.given) == 0 {
		return ""
	}
	return e.given[len(e.given)-1]
}

func (e *tokenEndpoint) does(instead http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.instead = instead
}

func (e *tokenEndpoint) give(seconds int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lasts, e.instead = seconds, nil
}

// TestSourceBehindOAuth: the gateway's own token goes to the source and to nobody else, is renewed before it expires, and without one nothing is
// requested.
func TestSourceBehindOAuth(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t), newAuthority(t)
	key := curveKey(t)
	private, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "gateway", Algorithm: "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	w.write("assertion-key", string(private))
	w.write("login-ca.pem", a.pem)
	var seen sync.Map // jti
	endpoint := newTokenEndpoint(t, &tls.Config{Certificates: []tls.Certificate{a.issue(curveKey(t), "127.0.0.1", time.Hour).pair}}, func(r *http.Request) string {
		signed, err := jwt.ParseSigned(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			return "no assertion"
		}
		var claims jwt.Claims
		if signed.Claims(&key.PublicKey, &claims) != nil || claims.Issuer != "zorgsluis" || claims.Subject != "zorgsluis" || claims.ID == "" ||
			claims.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{"https://login.example"}, Time: time.Now()}, time.Second) != nil {
			return "the assertion is not good"
		}
		if _, again := seen.LoadOrStore(claims.ID, true); again || r.PostFormValue("resource") != "https://fhir.example" {
			return "the assertion was used before, or the resource is another"
		}
		return ""
	})
	var bare, other atomic.Int32 // requests without a token, and those to others
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Add(1) }))
	defer elsewhere.Close()
	guard := func(takes func(token string) bool) demo.Interceptor {
		return func(w http.ResponseWriter, r *http.Request) bool {
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok || token == "" {
				bare.Add(1)
			}
			if takes(token) {
				return false
			}
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	}
	newest := func(token string) bool { return token == endpoint.newest() }
	w.source.Intercept(guard(newest))
	configured := []string{"timeout: 8s", "timeout: 2s\n    oauth: { token_url: \"" + endpoint.URL + "/token\", client_id: zorgsluis, " +
		"assertion_key_file: assertion-key, assertion_audience: \"https://login.example\", tls: { ca_file: login-ca.pem }, " +
		"scopes: [\"system/*.read\"], resources: [\"https://fhir.example\"] }"}
	g, _ := w.start(configured...)
	gp, ask := demo.GP(), searchID("Condition", demo.Karena())
	wants := func(status int, reason, when string) {
		t.Helper()
		r := g.ask(gp, ask).wantStatus(t, status, when)
		if status == http.StatusOK {
			w.wantEvent(r, audit.OutcomePermit, "ok-consent")
			return
		}
		r.wantNothing(t, when)
		w.wantEvent(r, audit.OutcomeError, reason)
	}
	wants(200, "", "with a token")
	endpoint.mu.Lock()
	endpoint.given = append(endpoint.given, marker+"-in-between") // the source accepts another one now
	endpoint.mu.Unlock()
	wants(200, "", "the source refuses the token: another is got, and the question asked once more")
	w.source.Intercept(guard(func(string) bool { return false }))
	wants(502, "source-status", "the source refuses every token")
	w.source.Intercept(demo.Redirect(elsewhere.URL + "/" + marker))
	wants(502, "source-status", "the source sends us to somebody else")
	w.source.Intercept(guard(newest))

	g.hangUp()
	wants(200, "", "after the files were read again, with the token that is good")
	g.stop()
	endpoint.give(6)
	g, _ = w.start(configured...)
	wants(200, "", "a short token")
	first := endpoint.newest()
	until(t, endWithin, "the token to be renewed before it ends", func() bool { return endpoint.newest() != first })
	wants(200, "", "the renewed token")
	for name, away := range map[string]struct {
		does   http.HandlerFunc
		status int
		reason string
	}{
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			http.Error(w, marker, http.StatusTemporaryRedirect)
		}, 502, "source-unavailable"},
		"silence": {func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }, 504, "source-timeout"},
	} {
		endpoint.does(away.does)
		wants(200, "", name+": the token that is known serves")
		until(t, endWithin, name+": the token to end", func() bool {
			r := g.ask(gp, ask)
			return r.status == away.status
		})
		asked := len(w.source.Requests())
		until(t, endWithin, name+": the refusal to be of the kind that is wanted", func() bool {
			r := g.ask(gp, ask)
			e := w.eventsOf(r.id)
			return r.status == away.status && len(e) == 1 && string(e[0].Reason) == away.reason
		})
		if n := len(w.source.Requests()); n != asked {
			t.Errorf("%s: the source was asked %d times without a token", name, n-asked)
		}
		if status, _ := g.readiness(); status != http.StatusOK {
			t.Errorf("%s: got readiness %d, want 200: other sources are served", name, status)
		}
		endpoint.give(6)
		until(t, endWithin, name+": a token again", func() bool { return g.ask(gp, ask).status == 200 })
	}
	if bare.Load() > 0 || other.Load() > 0 || len(endpoint.refused) > 0 {
		t.Errorf("got %d requests without a token, %d to somebody else, refusals %v", bare.Load(), other.Load(), endpoint.refused)
	}
	_, metrics := g.admined("/metrics")
	_, ready := g.admined("/readyz")
	if !strings.Contains(metrics, "zorgsluis_source_token_failures_total{source=\"demo\"}") || !strings.Contains(ready, "token:demo") {
		t.Error("metrics and readiness do not tell of tokens")
	}
	if strings.Contains(g.out.String()+metrics+ready, marker) {
		t.Errorf("a token, or what the endpoint said, is in the log, the metrics or readiness")
	}
}

// TestSourceTLS: the gateway presents its certificate to source and token endpoint, checks theirs, and requests nothing from others.
func TestSourceTLS(t *testing.T) {
	t.Parallel()
	w, a, others := newWorld(t), newAuthority(t), newAuthority(t)
	own := a.issue(curveKey(t), "gateway.example", time.Hour)
	w.write("ca.pem", a.pem)
	w.write("own.pem", own.certificate)
	w.write("own.key", own.key)
	var shown atomic.Int64 // serial of the certificate that the source saw last
	server := func(i issued) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			shown.Store(r.TLS.PeerCertificates[0].SerialNumber.Int64())
			w.source.ServeHTTP(rw, r)
		}))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{i.pair}, ClientCAs: a.pool(), ClientAuth: tls.RequireAndVerifyClientCert}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	endpoint := newTokenEndpoint(t, &tls.Config{
		Certificates: []tls.Certificate{a.issue(curveKey(t), "127.0.0.1", time.Hour).pair}, ClientCAs: a.pool(), ClientAuth: tls.RequireAndVerifyClientCert,
	}, func(*http.Request) string { return "" })
	show := "tls: { ca_file: ca.pem, certificate_file: own.pem, key_file: own.key }"
	plain, _ := w.start()
	condition := plain.ask(demo.GP(), search("Condition", demo.Karena())).wantStatus(t, http.StatusOK, "in clear").entries()[0]
	plain.stop()
	for name, tt := range map[string]struct {
		of     issued
		status int
	}{
		"the source":                        {a.issue(curveKey(t), "127.0.0.1", time.Hour), 200},
		"a certificate of another host":     {a.issue(curveKey(t), "elsewhere.example", time.Hour), 502},
		"a certificate of somebody unknown": {others.issue(curveKey(t), "127.0.0.1", time.Hour), 502},
		"a certificate that has expired":    {a.issue(curveKey(t), "127.0.0.1", -time.Minute), 502},
	} {
		s := server(tt.of)
		base, err := url.JoinPath(s.URL, "fhir")
		if err != nil {
			t.Fatal(err)
		}
		w.source.Reset()
		g, _ := w.start(`base_url: "{source}"`, "base_url: \""+base+"\"\n    "+show+"\n    oauth: { token_url: \""+endpoint.URL+"/token\", client_id: zorgsluis, scopes: [\"system/*.read\"], "+show+" }")
		r := g.ask(demo.GP(), get("/fhir/demo/"+condition)).wantStatus(t, tt.status, name)
		if tt.status != http.StatusOK {
			w.wantEvent(r, audit.OutcomeError, "source-unavailable")
			if n := len(w.source.Requests()); n != 0 {
				t.Errorf("%s: got %d requests, want none", name, n)
			}
			g.stop()
			continue
		}
		next := a.issue(curveKey(t), "gateway.example", time.Hour)
		w.write("own.pem", next.certificate)
		w.write("own.key", next.key)
		g.hangUp()
		g.ask(demo.GP(), get("/fhir/demo/"+condition)).wantStatus(t, http.StatusOK, "with the next certificate")
		if got := shown.Load(); got != a.issued {
			t.Errorf("the source saw certificate %d, want %d", got, a.issued)
		}
		g.stop()
	}
}
