package authn_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSubjectsNeverCross(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, func(c *authn.Config) { c.CacheEntries = 64 }) // small, so that tokens come and go
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

func BenchmarkAuthenticateRepeated(b *testing.B) {
	c := newClock()
	p := newProvider(b)
	a := authenticator(b, p, c)
	token := joseToken(b, "ES256", p256Key(), "ec", p.claims(c.now()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := authn.ByToken(b.Context(), a, token); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

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
