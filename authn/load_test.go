package authn_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSubjectsNeverCross(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, func(c *authn.Config) { c.CacheEntries = 64 }) // small, so that tokens are evicted
	a.Start(t.Context())
	const callers = 200
	tokens := make([]string, callers)
	for i := range tokens {
		claims := p.claims(c.now())
		if i%3 == 0 {
			claims = p.patientClaims(c.now())
		}
		claims["sub"], claims["jti"] = fmt.Sprintf("user-%d", i), fmt.Sprintf("token-%d", i)
		if i%2 == 0 {
			tokens[i] = sign(goodHeader(), claims)
		} else {
			tokens[i] = joseToken(t, "ES256", p256Key(), "ec", claims)
		}
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 400 {
				i := random.IntN(callers)
				s, err := authn.ByToken(t.Context(), a, tokens[i])
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				wantKind := policy.KindProvider
				if i%3 == 0 {
					wantKind = policy.KindPatient
				}
				if s.ID != fmt.Sprintf("user-%d", i) || s.TokenID != fmt.Sprintf("token-%d", i) || s.Kind != wantKind {
					t.Errorf("caller %d is taken for %s with %s", i, s.ID, s.TokenID)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			p.setKeys(publicJWK("rsa", rsaKey().Public()), publicJWK("ec", p256Key().Public()), publicJWK(fmt.Sprint("new-", i), otherP256().Public()))
			c.advance(31 * time.Second / 10)
			_, _ = authn.ByToken(t.Context(), a, sign(with(goodHeader(), "kid", fmt.Sprint("unknown-", i)), p.claims(c.now())))
			a.Ready()
		}
	})
	wg.Wait()
}

func TestTwoIssuersWithTheSameKeyIDDoNotMix(t *testing.T) {
	c := newClock()
	p, q := newProvider(t), newProvider(t)
	q.setKeys(publicJWK("rsa", otherRSAKey().Public()))
	a := authenticator(t, p, c, func(c *authn.Config) {
		other := issuerConfig(q)
		other.Channel = "lsp"
		c.Issuers = append(c.Issuers, other)
		c.Clients["q-app"] = authn.Client{Issuer: q.url}
	})
	header := goodHeader()
	claims := with(q.claims(c.now()), "client_id", "q-app")
	right := seal("RS256", otherRSAKey(), toJSON(header), toJSON(claims))
	wrong := seal("RS256", rsaKey(), toJSON(header), toJSON(claims))
	for range 2 {
		if s := authenticate(t, a, right); s.Channel != "lsp" || s.Issuer != q.url {
			t.Errorf("issuer %s, channel %s", s.Issuer, s.Channel)
		}
		if s := authenticate(t, a, sign(header, p.claims(c.now()))); s.Channel != "regional" || s.Issuer != p.url {
			t.Errorf("issuer %s, channel %s", s.Issuer, s.Channel)
		}
		checkRefused(t, a, badToken{"", wrong, authn.ReasonSignature})
		checkRefused(t, a, badToken{"", sign(header, with(p.claims(c.now()), "client_id", "q-app")), authn.ReasonClient})
	}
}

// TestCredentialsNeverCross is TestSubjectsNeverCross for all kinds of tokens together, from the header on: signed, encrypted, opaque,
// bound to a key. Callers sometimes use another caller's credentials that do not fit, and are refused while the right ones are accepted. It
// runs with a cache that is far too small, and with one that holds everything.
func TestCredentialsNeverCross(t *testing.T) {
	for name, entries := range map[string]int{"cold": 8, "warm": 10_000} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t)
			o := newOracle(t)
			a := authenticator(t, p, c, asking(o), withoutTokenID, decrypting, func(c *authn.Config) { c.CacheEntries = entries })
			const callers = 60
			tokens := make([]string, callers)
			for i := range tokens {
				tokens[i] = tokenOfKind(t, p, o, i, with(p.claims(c.now()), "sub", fmt.Sprintf("user-%d", i)))
			}
			cross(t, a, tokens, c.now())
		})
	}
}

// tokenOfKind makes the token of caller i, of one of four kinds in turn.
func tokenOfKind(t *testing.T, p *provider, o *oracle, i int, claims members) string {
	switch i % 4 {
	case 0:
		return joseToken(t, "ES256", p256Key(), "ec", claims)
	case 1:
		return encrypted(t, jose.ECDH_ES, jose.A256GCM, recipient().Public(), "ours", sign(goodHeader(), claims))
	case 2:
		o.set(fmt.Sprintf("opaque-%d", i), claims)
		return fmt.Sprintf("opaque-%d", i)
	default:
		return sign(goodHeader(), with(claims, "cnf", members{"jkt": thumbprint(p256Key().Public())}))
	}
}

func cross(t *testing.T, a *authn.Authenticator, tokens []string, now time.Time) {
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(worker)))
			for round := range 150 {
				i := random.IntN(len(tokens))
				r := asked("Bearer", tokens[i])
				if i%4 == 3 {
					claims := members{"jti": fmt.Sprint(worker, "-", round), "htm": "GET", "htu": target, "iat": now.Unix(), "ath": digestOf(tokens[i])}
					r = asked("DPoP", tokens[i], sealProof(proofHeader(), claims))
				}
				s, err := a.Authenticate(t.Context(), r)
				if err != nil || s.ID != fmt.Sprintf("user-%d", i) {
					t.Errorf("caller %d is taken for %q, %v", i, s.ID, err)
					return
				}
				// The proof was used, another token has no proof, and one with a suffix is no token.
				r.Header.Set("Authorization", "DPoP "+tokens[(i+1)%len(tokens)])
				if s, err := a.Authenticate(t.Context(), r); err == nil {
					t.Errorf("caller %d passes as %q", i, s.ID)
					return
				}
				if s, err := a.Authenticate(t.Context(), asked("Bearer", tokens[i]+"x")); err == nil {
					t.Errorf("a token and a letter pass as %q", s.ID)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkVerified is the cost of a request whose ES256 token was seen before, from the Authorization header to the subject, on one core.
// Issue 5 asks for 20,000 a second.
func BenchmarkVerified(b *testing.B) {
	c := newClock()
	p := newProvider(b)
	a := authenticator(b, p, c)
	r := asked("Bearer", joseToken(b, "ES256", p256Key(), "ec", p.claims(c.now())))
	r.Header = http.Header{"Authorization": r.Header["Authorization"], "Accept": {"application/fhir+json"}, "User-Agent": {"x"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// BenchmarkVerifiedProof is the same for a token bound to a key: the proof is verified every time.
func BenchmarkVerifiedProof(b *testing.B) {
	c := newClock()
	p := newProvider(b)
	a := authenticator(b, p, c, func(c *authn.Config) { c.Replays = always{} })
	token := bound(p, c.now())
	r := asked("DPoP", token, sealProof(proofHeader(), proofClaims(token, c.now())))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// always accepts every proof as new.
type always struct{}

func (always) FirstUse(context.Context, string, time.Duration) (bool, error) { return true, nil }

func BenchmarkAuthenticateNew(b *testing.B) {
	c := newClock()
	p := newProvider(b)
	a := authenticator(b, p, c, func(c *authn.Config) { c.CacheAge = 1 }) // a nanosecond: never kept
	token := joseToken(b, "ES256", p256Key(), "ec", p.claims(c.now()))
	for b.Loop() {
		if _, err := authn.ByToken(b.Context(), a, token); err != nil {
			b.Fatal(err)
		}
		c.advance(1)
	}
}
