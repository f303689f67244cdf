package authn_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// desk is a userinfo endpoint like MAX's: it answers by token with what was stored, sealed.
type desk struct {
	url   string
	asked atomic.Int64
	mu    sync.Mutex
	known map[string]string
	reply http.HandlerFunc
}

func newDesk(t testing.TB) *desk {
	d := &desk{known: map[string]string{}}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	d.url = server.URL + "/userinfo"
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.asked.Add(1)
	d.mu.Lock()
	reply, body := d.reply, d.known[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	d.mu.Unlock()
	switch {
	case reply != nil:
		reply(w, r)
	case r.Method != http.MethodGet || r.URL.RawQuery != "":
		http.Error(w, "no", http.StatusBadRequest)
	case body == "":
		http.Error(w, "no", http.StatusUnauthorized)
	default:
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = w.Write([]byte(body))
	}
}

func (d *desk) set(token, sealed string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[token] = sealed
}

func (d *desk) does(reply http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reply = reply
}

// sealedAsMAX signs and encrypts claims as MAX does: no typ, a thumbprint for a key id, RSA-OAEP and A128CBC-HS256.
func sealedAsMAX(t testing.TB, claims members) string {
	t.Helper()
	return encrypted(t, jose.RSA_OAEP, jose.A128CBC_HS256, otherRSAKey().Public(), "", sign(members{"alg": "RS256", "kid": "rsa", "x5t": "zc0"}, claims),
		func(o *jose.EncrypterOptions) { o.WithType("JWT").WithHeader("x5t", "y2k") })
}

func asksDesk(d *desk, change ...func(*authn.Userinfo)) func(*authn.Config) {
	return func(c *authn.Config) {
		u := &authn.Userinfo{
			Endpoint: d.url, Audience: "max-client", Keys: []authn.DecryptionKey{{ID: "ec", Private: recipient()}, {ID: "ours", Private: otherRSAKey()}},
			Algorithms: []string{"RSA-OAEP"}, Content: []string{"A128CBC-HS256"}, CacheFor: 30 * time.Second, Timeout: 5 * time.Second,
		}
		for _, f := range change {
			f(u)
		}
		c.Issuers[0].Userinfo, c.Issuers[0].RequireTokenID = u, false
	}
}

// told are the desk's claims about the user of p.claims: the facts missing from the token.
func (p *provider) told(now time.Time) members {
	return members{
		"iss": p.url, "aud": "max-client", "sub": "user-1", "nbf": now.Unix() - 10, "exp": now.Unix() + 300, "x5c": "MII…", "organization_type": "Z3",
	}
}

// TestUserinfo: the issuer's claims about a token's user become part of the token; they count for the configured time, for that token.
func TestUserinfo(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	d := newDesk(t)
	a := authenticator(t, p, c, asksDesk(d), func(c *authn.Config) { c.Issuers[0].Claims.Name = "nickname" })
	token := sign(goodHeader(), p.claims(c.now()))
	d.set(token, sealedAsMAX(t, with(p.told(c.now()), "nickname", "Vos")))
	for range 3 {
		s, err := authn.ByToken(t.Context(), a, token)
		if err != nil || s.Name != "Vos" || s.ID != "user-1" || s.TokenID != "token-1" || s.Organization != "ura:00001111" {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
	d.set(token, sealedAsMAX(t, with(p.told(c.now()), "nickname", "Wolf")))
	c.advance(30 * time.Second)
	if s, err := authn.ByToken(t.Context(), a, token); err != nil || s.Name != "Wolf" {
		t.Errorf("after the time: got %+v, %v", s, err)
	}
	c.advance(29 * time.Second)
	d.set(token, "")
	c.advance(time.Second)
	checkReason(t, a, asked("Bearer", token), authn.ReasonInactive)
	// A token of another issuer is not shown to it.
	before := d.asked.Load()
	if _, err := authn.ByToken(t.Context(), a, token[:len(token)-8]+"AAAAAAAA"); err == nil || d.asked.Load() != before {
		t.Errorf("a bad token: got error %v, asked %d times", err, d.asked.Load()-before)
	}
}

// TestOpaqueTokensOfMAX: the claims about its user replace a token that says nothing itself.
func TestOpaqueTokensOfMAX(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	d := newDesk(t)
	a := authenticator(t, p, c, asksDesk(d, func(u *authn.Userinfo) { u.Audience = "" }), func(c *authn.Config) {
		c.Issuers[0].Claims.Client = "aud"
		c.Clients = map[string]authn.Client{issuerConfig(p).Audience: {Issuer: p.url}}
	})
	claims := with(with(p.opaque(c.now()), "client_id", nil), "aud", issuerConfig(p).Audience)
	delete(claims, "client_id")
	delete(claims, "token_type")
	d.set("0123456789abcdef", sealedAsMAX(t, claims))
	for range 2 {
		s, err := a.Authenticate(t.Context(), asked("Bearer", "0123456789abcdef"))
		if err != nil || s.ID != "user-1" || s.ClientID != issuerConfig(p).Audience || s.Kind != policy.KindProvider {
			t.Fatalf("got %+v, %v", s, err)
		}
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
	checkReason(t, a, asked("Bearer", "another"), authn.ReasonInactive)
	checkReason(t, a, asked("DPoP", "0123456789abcdef"), authn.ReasonProofScheme)
}

// TestUserinfoThatDoesNotCount: each fault refuses the token, or leaves the caller unknown; none lets anybody in.
func TestUserinfoThatDoesNotCount(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	d := newDesk(t)
	a := authenticator(t, p, c, asksDesk(d, func(u *authn.Userinfo) { u.CacheFor = 0 }))
	token := sign(goodHeader(), p.claims(c.now()))
	told := func(name string, value any) string { return sealedAsMAX(t, with(p.told(c.now()), name, value)) }
	signed := sign(members{"alg": "RS256", "kid": "rsa"}, p.told(c.now()))
	seal := func(alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, kid, content string, change ...func(*jose.EncrypterOptions)) string {
		return encrypted(t, alg, enc, key, kid, content, change...)
	}
	ours := otherRSAKey().Public()
	tests := []struct {
		name, body string
		want       policy.Reason // "": the caller cannot be judged
	}{
		{"of another user", told("sub", "user-2"), authn.ReasonSubject},
		{"of nobody", told("sub", ""), authn.ReasonSubject},
		{"one of long ago", told("exp", c.now().Unix()), authn.ReasonExpired},
		{"one without an end", told("exp", nil), authn.ReasonExpired},
		{"one of tomorrow", told("nbf", c.now().Unix()+3600), authn.ReasonTime},
		{"against what the token says", told("organization_type", "J8"), authn.ReasonClaim},
		{"with a claim that is not processed", told("represents", members{"sub": "x"}), authn.ReasonUnprocessed},
		{"of another issuer", told("iss", "https://elsewhere.example"), ""},
		{"for another client", told("aud", "somebody"), ""},
		{"for nobody", told("aud", nil), ""},
		{"signed by another", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", sign(members{"alg": "ES256", "kid": "ec"}, p.told(c.now()))[:40]), ""},
		{"not signed", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", encode([]byte(`{"alg":"none"}`))+"."+encode(toJSON(p.told(c.now())))+"."), ""},
		{"with a shared secret", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", strings.Replace(signed, strings.Split(signed, ".")[0], encode([]byte(`{"alg":"HS256","kid":"rsa"}`)), 1)), ""},
		{"with a signature that is not right", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", signed[:len(signed)-8]+"AAAAAAAA"), ""},
		{"with a key in the header", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", sign(members{"alg": "RS256", "kid": "rsa", "jku": "https://evil.example"}, p.told(c.now()))), ""},
		{"only signed", signed, ""},
		{"encrypted twice", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", sealedAsMAX(t, p.told(c.now()))), ""},
		{"encrypted to somebody else", seal(jose.RSA_OAEP, jose.A128CBC_HS256, rsaKey().Public(), "", signed), ""},
		{"for a key that is not named so", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "theirs", signed), ""},
		{"by an algorithm that is not configured", seal(jose.RSA_OAEP_256, jose.A128CBC_HS256, ours, "", signed), ""},
		{"by RSA1_5", seal(jose.RSA1_5, jose.A128CBC_HS256, ours, "", signed), ""},
		{"to a key of another kind", seal(jose.ECDH_ES, jose.A128CBC_HS256, recipient().Public(), "", signed), ""},
		{"under a cipher that is not configured", seal(jose.RSA_OAEP, jose.A256GCM, ours, "", signed), ""},
		{"compressed", encryptedCompressed(t, ours, signed), ""},
		{"with a header that changes how it is read", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", signed, func(o *jose.EncrypterOptions) { o.WithHeader("b64", false) }), ""},
		{"without saying what it holds", seal(jose.RSA_OAEP, jose.A128CBC_HS256, ours, "", signed, func(o *jose.EncrypterOptions) { o.WithContentType("text") }), ""},
		{"cut off", sealedAsMAX(t, p.told(c.now()))[:400], ""},
		{"too large", told("more", strings.Repeat("x", 64<<10)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d.set(token, tt.body)
			checkUserinfo(t, a, token, tt.want)
		})
	}
	for name, reply := range map[string]http.HandlerFunc{
		"out of order":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"gone":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"moved":           func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, d.url+"/there", http.StatusFound) },
		"hung up":         func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"in another form": func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, p.told(c.now())) },
	} {
		d.does(reply)
		t.Run(name, func(t *testing.T) { checkUserinfo(t, a, token, "") })
	}
	d.does(nil)
	d.set(token, sealedAsMAX(t, p.told(c.now())))
	if _, err := authn.ByToken(t.Context(), a, token); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func checkUserinfo(t *testing.T, a *authn.Authenticator, token string, want policy.Reason) {
	t.Helper()
	s, err := authn.ByToken(t.Context(), a, token)
	refusal, refused := errors.AsType[*authn.Error](err)
	switch {
	case err == nil || s.ID != "":
		t.Fatalf("somebody was let in: %+v", s)
	case want == "" && !errors.Is(err, authn.ErrIntrospectionUnavailable):
		t.Errorf("got %v, want that nothing can be said", err)
	case want != "" && (!refused || refusal.Reason != want):
		t.Errorf("got %v, want %s", err, want)
	}
	if strings.Contains(err.Error(), "user-") || strings.Contains(err.Error(), token) {
		t.Errorf("the error tells of the user or of the token: %v", err)
	}
}

func encryptedCompressed(t testing.TB, key any, signed string) string {
	t.Helper()
	return encrypted(t, jose.RSA_OAEP, jose.A128CBC_HS256, key, "", signed, func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE })
}
