package authn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// oracle is an introspection endpoint. It answers with the claims of active tokens, or as it is told.
type oracle struct {
	url   string
	asked atomic.Int64
	mu    sync.Mutex
	known map[string]members
	reply http.HandlerFunc
	last  *http.Request // with its form
}

func newOracle(t testing.TB) *oracle {
	o := &oracle{known: map[string]members{}}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	o.url = server.URL + "/introspect"
	return o
}

func (o *oracle) set(token string, claims members) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[token] = claims
}

func (o *oracle) answer(h http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reply = h
}

func (o *oracle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.asked.Add(1)
	_ = r.ParseForm()
	o.mu.Lock()
	o.last = r
	reply, claims := o.reply, o.known[r.PostForm.Get("token")]
	o.mu.Unlock()
	switch {
	case reply != nil:
		reply(w, r)
	case r.Method != http.MethodPost || r.PostForm.Get("token_type_hint") != "access_token":
		http.Error(w, "no", http.StatusBadRequest)
	case claims == nil:
		writeJSON(w, members{"active": false})
	default:
		writeJSON(w, with(claims, "active", true))
	}
}

// asking configures the provider for introspection of opaque tokens.
func asking(o *oracle, change ...func(*authn.Introspection)) func(*authn.Config) {
	return func(c *authn.Config) {
		n := &authn.Introspection{Endpoint: o.url, ClientID: "gate way", Secret: "s:ecret", CacheFor: 30 * time.Second}
		for _, f := range change {
			f(n)
		}
		c.Issuers[0].Introspection = n
		c.Replays = &usedProofs{}
	}
}

// opaque are an issuer's claims about a good opaque token.
func (p *provider) opaque(now time.Time) members {
	c := p.claims(now)
	delete(c, "iat")
	delete(c, "jti")
	c["token_type"] = "Bearer"
	return c
}

// withoutTokenID is for tokens without jti.
func withoutTokenID(c *authn.Config) { c.Issuers[0].RequireTokenID = false }

func TestOpaqueTokens(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	a := authenticator(t, p, c, asking(o), withoutTokenID)
	o.set("good", p.opaque(c.now()))
	for range 3 {
		s, err := a.Authenticate(t.Context(), asked("Bearer", "good"))
		if err != nil || s.ID != "user-1" || s.ClientID != "gp-app" || s.Issuer != p.url || s.Kind != policy.KindProvider {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
	if n := o.asked.Load(); n != 1 {
		t.Errorf("asked %d times within the time, want 1", n)
	}
	if id, secret, ok := o.last.BasicAuth(); !ok || id != "gate+way" || secret != "s%3Aecret" {
		t.Errorf("asked as %q, %q", id, secret)
	}
	// Revoked: it works no longer than configured.
	o.set("good", nil)
	c.advance(30 * time.Second)
	checkReason(t, a, asked("Bearer", "good"), authn.ReasonInactive)
	checkReason(t, a, asked("Bearer", "good"), authn.ReasonInactive)
	if n := o.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2: a refusal is kept for a moment", n)
	}
	o.set("good", p.opaque(c.now()))
	c.advance(6 * time.Second)
	if _, err := a.Authenticate(t.Context(), asked("Bearer", "good")); err != nil {
		t.Errorf("after the moment: %v", err)
	}
}

func TestOpaqueTokenIsKeptUntilItEndsAtMost(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	a := authenticator(t, p, c, asking(o), withoutTokenID)
	o.set("short", with(p.opaque(c.now()), "exp", c.now().Add(10*time.Second).Unix()))
	if _, err := a.Authenticate(t.Context(), asked("Bearer", "short")); err != nil {
		t.Fatal(err)
	}
	c.advance(10 * time.Second)
	checkReason(t, a, asked("Bearer", "short"), authn.ReasonExpired)
	o.set("asked-every-time", p.opaque(c.now()))
	uncached := authenticator(t, p, c, asking(o, func(n *authn.Introspection) { n.CacheFor = 0 }), withoutTokenID)
	before := o.asked.Load()
	for range 3 {
		if _, err := uncached.Authenticate(t.Context(), asked("Bearer", "asked-every-time")); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.asked.Load() - before; n != 3 {
		t.Errorf("asked %d times for three requests, want 3 without a cache", n)
	}
}

func checkReason(t *testing.T, a *authn.Authenticator, r authn.Request, want policy.Reason) {
	t.Helper()
	_, err := a.Authenticate(t.Context(), r)
	var refusal *authn.Error
	if !errors.As(err, &refusal) || refusal.Reason != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestBadAnswers: the claims in an answer are checked like those of a JWT.
func TestBadAnswers(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	now := c.now()
	tests := []struct {
		claim string
		value any
		want  policy.Reason
	}{
		{"iss", p.url + "/", authn.ReasonIssuer}, {"iss", nil, authn.ReasonIssuer}, {"iss", []any{p.url}, authn.ReasonIssuer},
		{"aud", drop, authn.ReasonAudience}, {"aud", "other", authn.ReasonAudience}, {"aud", []any{}, authn.ReasonAudience}, {"aud", []any{audience, 1}, authn.ReasonAudience},
		{"exp", drop, authn.ReasonTime}, {"exp", "soon", authn.ReasonTime}, {"exp", now.Add(-time.Second).Unix(), authn.ReasonExpired}, {"exp", now.Add(61 * time.Minute).Unix(), authn.ReasonLifetime},
		{"iat", now.Add(time.Minute).Unix(), authn.ReasonTime}, {"nbf", now.Add(time.Minute).Unix(), authn.ReasonTime},
		{"client_id", drop, authn.ReasonClient}, {"client_id", "stranger", authn.ReasonClient}, {"client_id", 1, authn.ReasonClaim},
		{"scope", drop, authn.ReasonScope}, {"scope", "other", authn.ReasonScope}, {"scope", []any{"zorgsluis"}, authn.ReasonScope}, {"scope", "zorgsluis user/Observation.rs", authn.ReasonScope},
		{"sub", drop, authn.ReasonSubject}, {"sub", 1, authn.ReasonSubject},
		{"token_type", "refresh_token", authn.ReasonType}, {"token_type", "N_A", authn.ReasonType}, {"token_type", 1, authn.ReasonType}, {"typ", "Refresh", authn.ReasonType}, {"typ", "ID", authn.ReasonType},
		{"token_use", "refresh_token", authn.ReasonType}, {"nonce", "x", authn.ReasonType},
		{"token_type", "DPoP", authn.ReasonBinding}, {"cnf", members{"jkt": digestOf("x")}, authn.ReasonProofScheme}, {"cnf", members{"x5t#S256": digestOf("x")}, authn.ReasonCertificate}, {"cnf", nil, authn.ReasonBinding},
		{"act", members{"sub": "other"}, authn.ReasonUnprocessed}, {"authorization_details", []any{}, authn.ReasonUnprocessed}, {"patient", "A", authn.ReasonUnprocessed}, {"acr", 1, authn.ReasonClaim},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%s is %v", test.claim, test.value), func(t *testing.T) {
			token := fmt.Sprintf("opaque-%d", i)
			o.set(token, with(p.opaque(now), test.claim, test.value))
			a := authenticator(t, p, c, asking(o), withoutTokenID)
			checkReason(t, a, asked("Bearer", token), test.want)
			checkReason(t, a, asked("Bearer", token), test.want)
		})
	}
}

// TestUnusableAnswersSayNothing is TK-9: an unusable answer is neither yes nor no, and lets nobody in.
func TestUnusableAnswersSayNothing(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	text := func(status int, media, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	good := string(toJSON(with(p.opaque(c.now()), "active", true)))
	tests := map[string]http.HandlerFunc{
		"active is a text":     text(200, "application/json", strings.Replace(good, `"active":true`, `"active":"true"`, 1)),
		"active is a number":   text(200, "application/json", strings.Replace(good, `"active":true`, `"active":1`, 1)),
		"active is null":       text(200, "application/json", strings.Replace(good, `"active":true`, `"active":null`, 1)),
		"active is missing":    text(200, "application/json", strings.Replace(good, `"active":true,`, ``, 1)),
		"active twice":         text(200, "application/json", `{"active":false,`+good[1:]),
		"ACTIVE beside active": text(200, "application/json", `{"ACTIVE":false,`+good[1:]),
		"HTML":                 text(200, "text/html", "<html>"),
		"JSON that says HTML":  text(200, "text/html", good),
		"no type":              text(200, "", good),
		"a signed answer":      text(200, "application/token-introspection+jwt", sign(goodHeader(), members{"token_introspection": members{"active": true}})),
		"a list":               text(200, "application/json", "["+good+"]"),
		"two objects":          text(200, "application/json", good+good),
		"cut":                  text(200, "application/json", good[:len(good)-1]),
		"empty":                text(200, "application/json", ""),
		"nested too deep":      text(200, "application/json", `{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+","+good[1:]),
		"too large":            text(200, "application/json", `{"x":"`+strings.Repeat("x", 70<<10)+`",`+good[1:]),
		"201":                  text(201, "application/json", good),
		"401":                  text(401, "application/json", `{"active":false}`),
		"500":                  text(500, "application/json", good),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"broken off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, reply := range tests {
		t.Run(name, func(t *testing.T) {
			o.answer(reply)
			a := authenticator(t, p, c, asking(o), withoutTokenID)
			before := o.asked.Load()
			for range 2 {
				s, err := a.Authenticate(t.Context(), asked("Bearer", "good"))
				if !errors.Is(err, authn.ErrIntrospectionUnavailable) || s.ID != "" {
					t.Errorf("got %q, %v, want ErrIntrospectionUnavailable", s.ID, err)
				}
				if err != nil && strings.Contains(err.Error(), "good") {
					t.Errorf("the error holds the token: %v", err)
				}
			}
			if n := o.asked.Load() - before; n != 2 {
				t.Errorf("asked %d times, want 2: a failure is not kept", n)
			}
		})
	}
}

func TestIntrospectionIsSlow(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	arrived, release := make(chan struct{}, 64), make(chan struct{})
	o.answer(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	a := authenticator(t, p, c, asking(o, func(n *authn.Introspection) { n.Timeout, n.InFlight = 5*time.Second, 2 }), withoutTokenID)
	ask := func(ctx context.Context, token string) {
		if _, err := a.Authenticate(ctx, asked("Bearer", token)); !errors.Is(err, authn.ErrIntrospectionUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	var patient, hasty sync.WaitGroup
	for i := range 2 {
		patient.Go(func() { ask(t.Context(), fmt.Sprint("first-", i)) })
		<-arrived
	}
	for i := range 20 {
		hasty.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			ask(ctx, fmt.Sprint("token-", i))
		})
	}
	hasty.Wait() // they get an answer although nobody can be asked
	if n := o.asked.Load(); n != 2 {
		t.Errorf("%d questions reached the issuer at once, want 2", n)
	}
	close(release)
	patient.Wait()

	silent := newOracle(t)
	end := make(chan struct{})
	silent.answer(func(http.ResponseWriter, *http.Request) { <-end })
	defer close(end)
	a = authenticator(t, p, c, asking(silent, func(n *authn.Introspection) { n.Timeout = 100 * time.Millisecond }), withoutTokenID)
	ask(t.Context(), "token")
}

// TestOneQuestionForManyCallers: callers with one token share its answer, and never get another token's.
func TestOneQuestionForManyCallers(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	for i := range 4 {
		o.set(fmt.Sprint("token-", i), with(p.opaque(c.now()), "sub", fmt.Sprint("user-", i)))
	}
	o.answer(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		o.mu.Lock()
		claims := o.known[r.PostForm.Get("token")]
		o.mu.Unlock()
		writeJSON(w, with(claims, "active", true))
	})
	a := authenticator(t, p, c, asking(o), withoutTokenID)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			s, err := a.Authenticate(t.Context(), asked("Bearer", fmt.Sprint("token-", i%4)))
			if err != nil || s.ID != fmt.Sprint("user-", i%4) {
				t.Errorf("caller of token %d is taken for %q, %v", i%4, s.ID, err)
			}
		})
	}
	for range 4 {
		<-arrived
	}
	close(release)
	all.Wait()
	if n := o.asked.Load(); n < 4 || n > 40 {
		t.Errorf("asked %d times", n)
	}
}

// TestSameTokenOfTwoIssuers is CVE-2026-33496: an answer is cached only for the issuer that gave it.
func TestSameTokenOfTwoIssuers(t *testing.T) {
	c := newClock()
	p, q := newProvider(t), newProvider(t)
	o, oq := newOracle(t), newOracle(t)
	a := authenticator(t, p, c, asking(o, func(n *authn.Introspection) { n.TokenPrefix = "p_" }), withoutTokenID, func(c *authn.Config) {
		other := issuerConfig(q)
		other.Channel, other.RequireTokenID = "lsp", false
		other.Introspection = &authn.Introspection{Endpoint: oq.url, TokenPrefix: "q_", ClientID: "gateway", Secret: "secret", CacheFor: time.Minute}
		c.Issuers = append(c.Issuers, other)
		c.Clients["q-app"] = authn.Client{Issuer: q.url}
	})
	o.set("p_1", p.opaque(c.now()))
	oq.set("q_1", with(q.opaque(c.now()), "client_id", "q-app"))
	for range 2 {
		if s, err := a.Authenticate(t.Context(), asked("Bearer", "p_1")); err != nil || s.Channel != "regional" {
			t.Errorf("got %q, %v", s.Channel, err)
		}
		if s, err := a.Authenticate(t.Context(), asked("Bearer", "q_1")); err != nil || s.Channel != "lsp" {
			t.Errorf("got %q, %v", s.Channel, err)
		}
		checkReason(t, a, asked("Bearer", "r_1"), authn.ReasonMalformed)
	}
	if o.asked.Load() != 1 || oq.asked.Load() != 1 {
		t.Errorf("asked %d and %d times, want each once: no token is shown to the wrong issuer", o.asked.Load(), oq.asked.Load())
	}
}

func TestBoundOpaqueToken(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	a := authenticator(t, p, c, asking(o), withoutTokenID)
	o.set("bound", with(with(p.opaque(c.now()), "cnf", members{"jkt": thumbprint(p256Key().Public())}), "token_type", "DPoP"))
	for range 2 {
		if _, err := a.Authenticate(t.Context(), asked("DPoP", "bound", sealProof(proofHeader(), proofClaims("bound", c.now())))); err != nil {
			t.Errorf("with a proof: %v", err)
		}
		checkReason(t, a, asked("Bearer", "bound"), authn.ReasonProofScheme)
		checkReason(t, a, asked("DPoP", "bound"), authn.ReasonProofMissing)
	}
}

func TestJWTIsNotIntrospected(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	a := authenticator(t, p, c, asking(o))
	if _, err := a.Authenticate(t.Context(), asked("Bearer", sign(goodHeader(), p.claims(c.now())))); err != nil {
		t.Error(err)
	}
	only := authenticator(t, p, c, asking(o), func(c *authn.Config) { c.Issuers[0].Algorithms = nil })
	checkReason(t, only, asked("Bearer", sign(goodHeader(), p.claims(c.now()))), authn.ReasonAlgorithm)
	if n := o.asked.Load(); n != 0 {
		t.Errorf("asked %d times about JWTs", n)
	}
	if err := only.Ready()[p.url]; err != nil {
		t.Errorf("an issuer that is only asked needs no keys: %v", err)
	}
}

func TestIntrospectionEndpointIsDiscovered(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	p.setDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, members{"issuer": p.url, "introspection_endpoint": o.url})
	})
	unset := func(n *authn.Introspection) { n.Endpoint = "" }
	a := authenticator(t, p, c, asking(o, unset), withoutTokenID)
	o.set("good", p.opaque(c.now()))
	for range 2 {
		// An origin other than the issuer's is not believed, and not asked for again at once.
		if _, err := a.Authenticate(t.Context(), asked("Bearer", "good")); !errors.Is(err, authn.ErrIntrospectionUnavailable) {
			t.Errorf("an endpoint elsewhere: got %v", err)
		}
	}
	if n := p.discovery.Load(); n != 1 || o.asked.Load() != 0 {
		t.Errorf("%d discoveries, %d questions", n, o.asked.Load())
	}
	if err := a.Ready()[p.url]; err == nil {
		t.Error("ready, without an endpoint")
	}
	p.setDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, members{"issuer": p.url, "introspection_endpoint": p.url + "/introspect"})
	})
	c.advance(31 * time.Second)
	if _, err := a.Authenticate(t.Context(), asked("Bearer", "good")); !errors.Is(err, authn.ErrIntrospectionUnavailable) || !strings.Contains(err.Error(), "404") {
		t.Errorf("the endpoint that was found, which is not there: got %v", err)
	}
	// After a failed request the endpoint is looked up again, as rarely as before; the known one stays while discovery fails.
	p.setDiscovery(gone)
	c.advance(31 * time.Second)
	for range 2 {
		if _, err := a.Authenticate(t.Context(), asked("Bearer", "good")); !errors.Is(err, authn.ErrIntrospectionUnavailable) || !strings.Contains(err.Error(), "404") {
			t.Errorf("discovery is away: got %v", err)
		}
	}
	p.setDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, members{"issuer": p.url, "introspection_endpoint": p.url + "/moved"})
	})
	c.advance(31 * time.Second)
	if _, err := a.Authenticate(t.Context(), asked("Bearer", "good")); !errors.Is(err, authn.ErrIntrospectionUnavailable) || !strings.Contains(err.Error(), "/moved") {
		t.Errorf("an endpoint that was moved: got %v", err)
	}
	if n := p.discovery.Load(); n != 4 {
		t.Errorf("%d discoveries, want 4", n)
	}
}

func TestAssertion(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	private := jose.JSONWebKey{Key: p256Key(), KeyID: "own", Algorithm: "ES256"}
	key, err := authn.ParseAssertionKey(toJSON(private))
	if err != nil {
		t.Fatal(err)
	}
	a := authenticator(t, p, c, asking(o, func(n *authn.Introspection) { n.Secret, n.Key = "", func() *authn.AssertionKey { return key } }), withoutTokenID)
	o.set("good", p.opaque(c.now()))
	if _, err := a.Authenticate(t.Context(), asked("Bearer", "good")); err != nil {
		t.Fatal(err)
	}
	form := o.last.PostForm
	jws, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(p256Key().Public())
	if err != nil || !strings.Contains(string(payload), `"aud":"`+p.url+`"`) || !strings.Contains(string(payload), `"iss":"gate way"`) || jws.Signatures[0].Protected.KeyID != "own" {
		t.Errorf("got %s, %v", payload, err)
	}
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || o.last.Header.Get("Authorization") != "" {
		t.Errorf("got %v", form)
	}
	public := private.Public()
	for name, text := range map[string][]byte{"public": toJSON(public), "without alg": toJSON(jose.JSONWebKey{Key: p256Key()}), "of another alg": toJSON(jose.JSONWebKey{Key: p256Key(), Algorithm: "ES384"}), "symmetric": toJSON(jose.JSONWebKey{Key: []byte("secret"), Algorithm: "HS256"}), "none": []byte("x")} {
		if _, err := authn.ParseAssertionKey(text); err == nil {
			t.Errorf("a key that is %s is taken", name)
		}
	}
}

func TestSignedAnswers(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	outer := func() members {
		return members{"iss": p.url, "aud": "gate way", "iat": c.now().Unix(), "token_introspection": with(p.opaque(c.now()), "active", true)}
	}
	header := with(goodHeader(), "typ", "token-introspection+jwt")
	reply := func(token string) {
		o.answer(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.Header.Get("Accept"))
			_, _ = io.WriteString(w, token)
		})
	}
	signed := asking(o, func(n *authn.Introspection) { n.Signed = true })
	reply(sign(header, outer()))
	if _, err := authenticator(t, p, c, signed, withoutTokenID).Authenticate(t.Context(), asked("Bearer", "good")); err != nil {
		t.Errorf("a good answer: %v", err)
	}
	for name, answer := range map[string]string{
		"not signed":             string(toJSON(with(p.opaque(c.now()), "active", true))),
		"of another key":         seal("RS256", otherRSAKey(), toJSON(header), toJSON(outer())),
		"of another type":        sign(goodHeader(), outer()),
		"without a type":         sign(with(header, "typ", drop), outer()),
		"for another":            sign(header, with(outer(), "aud", "other")),
		"of another issuer":      sign(header, with(outer(), "iss", "https://other.example")),
		"of an hour ago":         sign(header, with(outer(), "iat", c.now().Add(-time.Hour).Unix())),
		"without a time":         sign(header, with(outer(), "iat", drop)),
		"without an answer":      sign(header, with(outer(), "token_introspection", drop)),
		"with the claims beside": sign(header, with(with(outer(), "token_introspection", members{}), "active", true)),
		"alg none":               encode(toJSON(with(header, "alg", "none"))) + "." + encode(toJSON(outer())) + ".",
	} {
		reply(answer)
		if _, err := authenticator(t, p, c, signed, withoutTokenID).Authenticate(t.Context(), asked("Bearer", "good")); !errors.Is(err, authn.ErrIntrospectionUnavailable) {
			t.Errorf("an answer %s: got %v", name, err)
		}
	}
}

// TestWhoWaitsKeepsNoPlaceOfOthers: callers with unknown opaque tokens occupy only a few of the requests in flight, even if the issuer is
// slow, or if they hang up and leave the question running. Known callers are served, and so are those from elsewhere.
func TestWhoWaitsKeepsNoPlaceOfOthers(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	o := newOracle(t)
	o.set("known", p.opaque(c.now()))
	a := authenticator(t, p, c, asking(o, func(n *authn.Introspection) { n.CacheFor, n.Timeout = time.Minute, 5*time.Second }), withoutTokenID, func(c *authn.Config) { c.Waiting = 4 })
	ask := func(ctx context.Context, from, token string) error {
		r := asked("Bearer", token)
		r.From = from
		_, err := a.Authenticate(ctx, r)
		return err
	}
	if err := ask(t.Context(), "here", "known"); err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	o.answer(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	var waiting sync.WaitGroup
	wait := func(ctx context.Context, from, token string) {
		waiting.Go(func() {
			if err := ask(ctx, from, token); err == nil {
				t.Errorf("%s: nobody knows it", token)
			}
		})
		<-arrived
	}
	hasty, hangUp := context.WithCancel(t.Context())
	wait(t.Context(), "here", "unknown-1")
	wait(hasty, "here", "unknown-2")
	hangUp()
	before := o.asked.Load()
	if err := ask(t.Context(), "here", "unknown-3"); !errors.Is(err, authn.ErrIntrospectionUnavailable) || o.asked.Load() != before {
		t.Errorf("the third of one place: got %v after %d questions, want none", err, o.asked.Load()-before)
	}
	if err := ask(t.Context(), "here", "known"); err != nil {
		t.Errorf("whoever is known: got %v", err)
	}
	wait(t.Context(), "there", "unknown-4")
	wait(t.Context(), "there", "unknown-5")
	if err := ask(t.Context(), "elsewhere", "unknown-6"); !errors.Is(err, authn.ErrIntrospectionUnavailable) || o.asked.Load() != before+2 {
		t.Errorf("one more than may wait: got %v", err)
	}
	close(release)
	waiting.Wait()
	o.answer(nil)
	for n := 0; errors.Is(ask(t.Context(), "here", fmt.Sprint("later-", n)), authn.ErrIntrospectionUnavailable); n++ {
		runtime.Gosched() // the abandoned question may take a moment to return
	}
}
