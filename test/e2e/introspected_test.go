package e2e_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"zorgsluis/audit"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// secureIssuer is a provider reached over TLS only, which answers about opaque tokens to whoever authenticates as the gateway.
type secureIssuer struct {
	*httptest.Server
	table *credentialTable

	mu       sync.Mutex
	pair     tls.Certificate
	identify func(r *http.Request) string // why a request is refused; "": it is not
	known    map[string]m                 // opaque tokens
	asked    map[string]int               // how often, by token
	refused  int
}

func newSecureIssuer(t *testing.T, a *authority) *secureIssuer {
	t.Helper()
	s := &secureIssuer{table: newCredentialTable(), known: map[string]m{}, asked: map[string]int{}}
	s.pair = a.issue(curveKey(t), "127.0.0.1", time.Hour).pair
	s.Server = httptest.NewUnstartedServer(s)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{s.pair}, ClientAuth: tls.RequestClientCert}, nil
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *secureIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	var body any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		body = m{"issuer": s.URL, "jwks_uri": s.URL + "/keys", "introspection_endpoint": s.URL + "/introspect"}
	case "/keys":
		key := issuer.SigningKey()
		body = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
	case "/introspect":
		if wrong := s.identify(r); wrong != "" || r.Header.Get("Authorization") != "" {
			s.refused++
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		token := r.PostFormValue("token")
		s.asked[token]++
		body = m{"active": false}
		if claims, active := s.known[token]; active {
			body = replaced(claims, "active", true)
		}
	}
	_ = json.NewEncoder(w).Encode(body)
}

// does changes something about the issuer.
func (s *secureIssuer) does(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// knows makes a token that is valid until it is revoked.
func (s *secureIssuer) knows(token string) { s.does(func() { s.known[token] = s.claims() }) }

func (s *secureIssuer) revoke(token string) { s.does(func() { delete(s.known, token) }) }

func (s *secureIssuer) claims() m { return replaced(s.table.claim, "iss", s.URL) }

// questions returns how often the issuer was asked about a token.
func (s *secureIssuer) questions(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[token]
}

// ways are the ways in which a gateway authenticates to an issuer, besides a secret: the configuration, what the issuer checks, how the
// credential is replaced, and what the issuer checks then.
var ways = map[string]struct {
	written string
	renew   func(w *world, a *authority) (identify func(*http.Request) string)
}{
	"by certificate (RFC 8705)": {"certificate_file: own.pem, key_file: own.key", func(w *world, a *authority) func(*http.Request) string {
		own := a.issue(curveKey(w.t), "gateway.example", time.Hour)
		w.write("own.pem", own.certificate)
		w.write("own.key", own.key)
		return func(r *http.Request) string {
			if len(r.TLS.PeerCertificates) != 1 || string(r.TLS.PeerCertificates[0].Raw) != string(own.pair.Certificate[0]) {
				return "another certificate"
			}
			if r.PostFormValue("client_id") != "zorgsluis" || r.PostFormValue("client_assertion") != "" {
				return "another client"
			}
			return ""
		}
	}},
	"by private_key_jwt (RFC 7523)": {"assertion_key_file: own.jwk", func(w *world, _ *authority) func(*http.Request) string {
		key := curveKey(w.t)
		private, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: uuid(), Algorithm: "ES256"})
		if err != nil {
			w.t.Fatal(err)
		}
		w.write("own.jwk", string(private))
		return asserts(&key.PublicKey)
	}},
}

// asserts checks that the sender has the key, and that the assertion is current, for this issuer, and used once.
func asserts(key *ecdsa.PublicKey) func(*http.Request) string {
	seen := map[string]bool{}
	return func(r *http.Request) string {
		signed, err := jwt.ParseSigned(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
		if err != nil || r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return "no assertion"
		}
		var c jwt.Claims
		if signed.Claims(key, &c) != nil || c.Issuer != "zorgsluis" || c.Subject != "zorgsluis" || c.ID == "" || seen[c.ID] ||
			c.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{"https://" + r.Host}, Time: time.Now()}, time.Second) != nil ||
			c.Expiry.Time().Sub(c.IssuedAt.Time()) > time.Minute {
			return "the assertion is not good"
		}
		seen[c.ID] = true
		return ""
	}
}

// TestIntrospection: the gateway authenticates to its issuer by a certificate or a signed assertion, on a connection that the configured
// authority secures. An answer counts as long as configured and never beyond the expiry of the token; a revoked token stops working. If
// authentication fails, or the connection is not trusted, opaque tokens get 503, and signed ones work as before.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, a, others := newWorldOf(t, fhir.R4, leakFixtures()...), newAuthority(t), newAuthority(t)
			w.mustPut(permit(partyGP), leakD)
			s := newSecureIssuer(t, a)
			w.write("issuer-ca.pem", a.pem)
			s.identify = way.renew(w, a)
			configured := func(cache string) []string {
				return []string{`  - url: "{issuer}"`, "  - url: \"" + s.URL + "\"\n    tls_ca_file: issuer-ca.pem\n" +
					"    introspection: { token_prefix: opaque-, client_id: zorgsluis, " + way.written + ", cache: " + cache + " }"}
			}
			bearer := func(token string) question { return credentialed(http.Header{"Authorization": {"Bearer " + token}}) }
			signed := bearer(s.table.sign(s.table.header, s.claims()))

			g, _ := w.start(configured("60s")...)
			wants := func(q question, status int, when string) reply {
				t.Helper()
				return g.ask(demo.Caller{}, q).wantStatus(t, status, when)
			}
			s.knows("opaque-kept")
			for range 3 {
				w.wantEvent(wants(bearer("opaque-kept"), http.StatusOK, "an opaque token"), audit.OutcomePermit, "ok-consent")
			}
			if n := s.questions("opaque-kept"); n != 1 {
				t.Errorf("the issuer was asked %d times about a token that is kept, want once", n)
			}
			s.does(func() { s.known["opaque-short"] = replaced(s.claims(), "exp", time.Now().Unix()+3) })
			wants(bearer("opaque-short"), http.StatusOK, "a token that ends soon")
			var ended reply
			until(t, endWithin, "a token to end although its answer is kept", func() bool {
				ended = g.ask(demo.Caller{}, bearer("opaque-short"))
				return ended.status == http.StatusUnauthorized
			})
			w.wantEvent(ended, audit.OutcomeDeny, "token-expired")

			// The credential, and the authority of the issuer, are replaced without a restart.
			renewed := way.renew(w, a)
			s.does(func() { s.identify = renewed })
			s.knows("opaque-next")
			w.source.Reset()
			wants(bearer("opaque-next"), http.StatusServiceUnavailable, "the issuer does not know the gateway any more")
			wants(signed, http.StatusOK, "a signed token meanwhile")
			g.hangUp()
			wants(bearer("opaque-next"), http.StatusOK, "with what the files hold now")
			s.does(func() { s.pair = others.issue(curveKey(t), "127.0.0.1", time.Hour).pair })
			g.hangUp() // connections are made anew
			s.knows("opaque-other")
			asked := s.questions("opaque-other")
			wants(bearer("opaque-other"), http.StatusServiceUnavailable, "an issuer for whom nobody vouches")
			if s.questions("opaque-other") != asked {
				t.Error("a token was shown to somebody for whom nobody vouches")
			}
			w.write("issuer-ca.pem", others.pem)
			g.hangUp()
			wants(bearer("opaque-other"), http.StatusOK, "an issuer for whom the file vouches now")
			g.stop()

			g, _ = w.start(configured("1s")...)
			s.knows("opaque-revoked")
			wants(bearer("opaque-revoked"), http.StatusOK, "before it is revoked")
			s.revoke("opaque-revoked")
			until(t, endWithin, "a token that was revoked to stop working", func() bool {
				ended = g.ask(demo.Caller{}, bearer("opaque-revoked"))
				return ended.status != http.StatusOK
			})
			w.wantEvent(ended.wantStatus(t, http.StatusUnauthorized, "after it was revoked"), audit.OutcomeDeny, "token-inactive")
			g.stop()

			g, _ = w.start(configured("0s")...)
			s.knows("opaque-asked")
			wants(bearer("opaque-asked"), http.StatusOK, "without a cache")
			wants(bearer("opaque-asked"), http.StatusOK, "again")
			if n := s.questions("opaque-asked"); n != 2 {
				t.Errorf("without a cache the issuer was asked %d times, want each time", n)
			}
			s.revoke("opaque-asked")
			w.wantEvent(wants(bearer("opaque-asked"), http.StatusUnauthorized, "revoked, without a cache"), audit.OutcomeDeny, "token-inactive")
			if log := g.logged(); strings.Contains(log, "opaque-") || s.refused == 0 {
				t.Errorf("the log holds a token, or the issuer never refused the gateway (%d)", s.refused)
			}
		})
	}
}
