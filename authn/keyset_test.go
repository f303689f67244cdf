package authn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zorgsluis/authn"
)

// inProcess answers requests with a handler in the caller's goroutine, so that synctest can move the time.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// bubbleProvider is a provider without a network, with a configuration that uses the clock of the bubble.
func bubbleProvider() (*provider, authn.Config) {
	p := &provider{url: "https://idp.example"}
	p.setKeys(publicJWK("rsa", rsaKey().Public()), publicJWK("ec", p256Key().Public()))
	c := config(p, newClock())
	c.Now = time.Now
	c.Issuers[0].Transport = inProcess{p}
	return p, c
}

func started(t *testing.T, c authn.Config) *authn.Authenticator {
	t.Helper()
	a, err := authn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	a.Start(t.Context())
	synctest.Wait()
	return a
}

func wantUnavailable(t *testing.T, a *authn.Authenticator, token string) {
	t.Helper()
	_, err := authn.ByToken(t.Context(), a, token)
	if !errors.Is(err, authn.ErrKeysUnavailable) {
		t.Errorf("error is %v, want ErrKeysUnavailable", err)
	}
	if challenge := authn.Challenge(err); challenge != "" {
		t.Errorf("challenge is %s, want none: another token would not help", challenge)
	}
}

func gone(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }

func TestARemovedKeyStopsWithinTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		a := started(t, c)
		time.Sleep(10 * time.Second) // out of step with the refreshes
		token := sign(goodHeader(), with(p.claims(time.Now()), "exp", time.Now().Add(time.Hour).Unix()))
		authenticate(t, a, token)
		p.setKeys(publicJWK("ec", p256Key().Public()))
		for start := time.Now(); time.Since(start) <= 10*time.Minute; time.Sleep(20 * time.Second) {
			if _, err := authn.ByToken(t.Context(), a, token); err != nil {
				checkRefused(t, a, badToken{"", token, authn.ReasonKey})
				return
			}
		}
		t.Error("a kept token still passes ten minutes after its key was removed")
	})
}

func TestAKeyThatChangesUnderItsIDOrUseEndsKeptTokens(t *testing.T) {
	for name, replacement := range map[string]any{
		"another key":    publicJWK("rsa", otherRSAKey().Public()),
		"for encryption": jwkWith(publicJWK("rsa", rsaKey().Public()), members{"use": "enc"}),
		"for PS256 only": jwkWith(publicJWK("rsa", rsaKey().Public()), members{"alg": "PS256"}),
		"no key at all":  "nothing",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := bubbleProvider()
				c.CacheAge = time.Minute
				a := started(t, c)
				time.Sleep(5*time.Minute - time.Second)
				token := sign(goodHeader(), p.claims(time.Now()))
				authenticate(t, a, token)
				p.setKeys(replacement)
				time.Sleep(2 * time.Second) // the refresh; the cached token is two seconds old
				if _, err := authn.ByToken(t.Context(), a, token); err == nil {
					t.Error("a kept token passes although its key is gone")
				}
			})
		})
	}
}

func TestANewKeyIsFoundAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		a := started(t, c)
		time.Sleep(time.Minute)
		p.setKeys(publicJWK("rsa", rsaKey().Public()), publicJWK("next", otherRSAKey().Public()))
		header := toJSON(with(goodHeader(), "kid", "next"))
		authenticate(t, a, seal("RS256", otherRSAKey(), header, toJSON(p.claims(time.Now()))))
		authenticate(t, a, sign(goodHeader(), p.claims(time.Now())))
	})
}

func TestKeysOutliveTheProviderForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		c.MaxStale = time.Hour
		a := started(t, c)
		p.setAnswer(gone)
		p.setDiscovery(gone)
		token := func() string { return sign(goodHeader(), p.claims(time.Now())) }
		time.Sleep(59 * time.Minute)
		authenticate(t, a, token())
		if err := a.Ready()[p.url]; err != nil {
			t.Errorf("not ready although keys are known: %v", err)
		}
		wantUnavailable(t, a, sign(with(goodHeader(), "kid", "perhaps-new"), p.claims(time.Now())))

		kept := token()
		authenticate(t, a, kept)
		time.Sleep(70 * time.Second)
		wantUnavailable(t, a, token())
		wantUnavailable(t, a, kept)
		if err := a.Ready()[p.url]; err == nil || !strings.Contains(err.Error(), p.url) {
			t.Errorf("readiness is %v, want an error that names the issuer", err)
		}

		p.setAnswer(nil)
		p.setDiscovery(nil)
		time.Sleep(31 * time.Second)
		authenticate(t, a, token())
	})
}

func TestKeptTokensEndWhenKeysAreTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		c.MaxStale = 10 * time.Minute
		a := started(t, c)
		p.setAnswer(gone)
		time.Sleep(10*time.Minute - time.Second)
		token := sign(goodHeader(), p.claims(time.Now()))
		authenticate(t, a, token)
		time.Sleep(2 * time.Second)
		wantUnavailable(t, a, token)
	})
}

func TestStartsWithoutTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		other := c.Issuers[0]
		other.URL = "https://other.example"
		other.JWKSURL = "https://other.example/keys"
		c.Issuers = append(c.Issuers, other)
		p.setDiscovery(gone)
		a := started(t, c)
		ready := a.Ready()
		if ready[other.URL] != nil || ready[p.url] == nil || !strings.Contains(ready[p.url].Error(), p.url) {
			t.Errorf("ready is %v, want one issuer missing, by name", ready)
		}
		wantUnavailable(t, a, sign(goodHeader(), p.claims(time.Now())))
		p.setDiscovery(nil)
		time.Sleep(2 * time.Second) // not the whole interval: it never answered yet
		if err := a.Ready()[p.url]; err != nil {
			t.Errorf("not ready after the provider came: %v", err)
		}
		authenticate(t, a, sign(goodHeader(), p.claims(time.Now())))
	})
}

func TestASlowProviderHoldsNobodyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		p.setAnswer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		a := started(t, c)
		begin := time.Now()
		wantUnavailable(t, a, sign(goodHeader(), p.claims(time.Now())))
		if waited := time.Since(begin); waited > time.Second {
			t.Errorf("a caller waited %v for a fetch", waited)
		}
		time.Sleep(4500 * time.Millisecond) // the fetch ends by itself, after five seconds
		if err := a.Ready()[p.url]; err == nil || !strings.Contains(err.Error(), "deadline") && !strings.Contains(err.Error(), "Timeout") {
			t.Errorf("readiness is %v, want a timeout", err)
		}
	})
}

func TestACallerWhoHangsUpDoesNotEndTheFetchForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		p.setAnswer(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(500 * time.Millisecond):
				writeJSON(w, members{"keys": []any{publicJWK("rsa", rsaKey().Public())}})
			}
		})
		a, err := authn.New(c)
		if err != nil {
			t.Fatal(err)
		}
		token := sign(goodHeader(), p.claims(time.Now()))
		ctx, hangUp := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer hangUp()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := authn.ByToken(ctx, a, token); !errors.Is(err, authn.ErrKeysUnavailable) {
				t.Errorf("error is %v, want ErrKeysUnavailable", err)
			}
		})
		wg.Go(func() {
			time.Sleep(time.Millisecond)
			if _, err := authn.ByToken(t.Context(), a, token); err != nil {
				t.Errorf("the second caller: %v", err)
			}
		})
		wg.Wait()
		if got := p.fetches.Load(); got != 1 {
			t.Errorf("%d fetches, want 1 for both", got)
		}
	})
}

func TestNoFetchStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		c.Waiting = 2000 // all of them may wait at once, from one place
		a := started(t, c)
		time.Sleep(31 * time.Second)
		before := p.fetches.Load()
		strangers := func() {
			var wg sync.WaitGroup
			for i := range 1000 {
				header := with(goodHeader(), "kid", fmt.Sprintf("stranger-%d", i))
				token := encode(toJSON(header)) + "." + encode(toJSON(p.claims(time.Now()))) + "." + encode(make([]byte, 256))
				wg.Go(func() { checkRefused(t, a, badToken{"", token, authn.ReasonKey}) })
			}
			wg.Wait()
		}
		strangers()
		if got := p.fetches.Load() - before; got != 1 {
			t.Errorf("%d fetches for 1000 tokens of unknown keys, want 1", got)
		}
		strangers()
		time.Sleep(29 * time.Second)
		strangers()
		if got := p.fetches.Load() - before; got != 1 {
			t.Errorf("%d fetches within the interval, want 1", got)
		}
		time.Sleep(2 * time.Second)
		strangers()
		if got := p.fetches.Load() - before; got != 2 {
			t.Errorf("%d fetches in two intervals, want 2", got)
		}

		time.Sleep(31 * time.Second)
		before = p.fetches.Load()
		for range 1000 {
			token := encode(toJSON(goodHeader())) + "." + encode(toJSON(p.claims(time.Now()))) + "." + encode(make([]byte, 256))
			checkRefused(t, a, badToken{"", token, authn.ReasonSignature})
		}
		if got := p.fetches.Load() - before; got != 0 {
			t.Errorf("%d fetches for 1000 bad signatures, want 0", got)
		}
	})
}

func TestAProviderThatIsAwayIsAskedAtMostOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		p.setAnswer(gone)
		a := started(t, c)
		for start := time.Now(); time.Since(start) < 10*time.Minute; time.Sleep(time.Second) {
			wantUnavailable(t, a, sign(goodHeader(), p.claims(time.Now())))
		}
		// At 0, 1, 3, 7, 15 and 31 s, and then every 30.
		if got := p.fetches.Load() + p.discovery.Load(); got > 2*(6+19) {
			t.Errorf("%d requests in ten minutes, want at most two every 30 s, and a few more at the beginning", got)
		}
	})
}

func TestAProviderThatFailedIsAskedAgainSoonAndThenLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := bubbleProvider()
		var asked []time.Duration
		start := time.Now()
		p.setDiscovery(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, time.Since(start))
			gone(w, r)
		})
		started(t, c)
		time.Sleep(65 * time.Second)
		synctest.Wait() // what was asked is written down by then
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second, 61 * time.Second}
		if !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	c := newClock()
	p, evil := newProvider(t), newProvider(t)
	p.setAnswer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.url+"/keys", http.StatusFound) })
	a := authenticator(t, p, c)
	wantUnavailable(t, a, sign(goodHeader(), p.claims(c.now())))
	p.setDiscovery(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, evil.url+"/.well-known/openid-configuration", http.StatusMovedPermanently)
	})
	c.advance(31 * time.Second)
	wantUnavailable(t, a, sign(goodHeader(), p.claims(c.now())))
	if evil.fetches.Load()+evil.discovery.Load() != 0 {
		t.Error("a redirect led to another host")
	}
}

func TestAnswersThatAreNoKeySet(t *testing.T) {
	keys := func(members ...any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{"keys": members}) }
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	evil := httptest.NewServer(keys(publicJWK("rsa", rsaKey().Public())))
	defer evil.Close()
	endless := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"keys":[`)
		for {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
				return
			}
		}
	}
	many := make([]any, 101)
	for i := range many {
		many[i] = publicJWK("rsa", rsaKey().Public())
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"TK-9 HTML with status 200", text("<!DOCTYPE html><title>Sign in</title>")},
		{"TK-9 an empty body", text("")},
		{"TK-9 a JSON list", text("[]")},
		{"TK-9 no list of keys", text(`{"keys":{}}`)},
		{"TK-9 no keys member", text(`{}`)},
		{"TK-9 keys twice", text(`{"keys":[],"keys":[]}`)},
		{"TK-9 something after it", text(`{"keys":[]}x`)},
		{"TK-9 an endless body", endless},
		{"TK-9 too many keys", keys(many...)},
		{"TK-9 a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, http.StatusFound) }},
		{"TK-9 status 404 with keys", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			writeJSON(w, members{"keys": []any{publicJWK("rsa", rsaKey().Public())}})
		}},
		{"TK-9 a cut body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[]}`)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t)
			a := authenticator(t, p, c)
			token := sign(goodHeader(), p.claims(c.now()))
			p.setAnswer(test.answer)
			wantUnavailable(t, a, token)
			p.setAnswer(nil)
			c.advance(31 * time.Second)
			authenticate(t, a, token)
			// A later bad answer does not remove known keys.
			p.setAnswer(test.answer)
			c.advance(31 * time.Second)
			wantUnavailable(t, a, sign(with(goodHeader(), "kid", "unknown"), p.claims(c.now())))
			authenticate(t, a, sign(goodHeader(), p.claims(c.now())))
		})
	}
}

func TestAnEmptyKeySetEndsEverything(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	token := sign(goodHeader(), p.claims(c.now()))
	authenticate(t, a, token)
	p.setKeys()
	c.advance(31 * time.Second)
	checkRefused(t, a, badToken{"", sign(with(goodHeader(), "kid", "unknown"), p.claims(c.now())), authn.ReasonKey})
	checkRefused(t, a, badToken{"", token, authn.ReasonKey})
	if err := a.Ready()[p.url]; err == nil || !strings.Contains(err.Error(), p.url) {
		t.Errorf("readiness is %v, want an error that names the issuer", err)
	}
}

func TestDiscoveryIsBelievedOnlyAboutItsOwnIssuer(t *testing.T) {
	evil := newProvider(t)
	for _, test := range []struct {
		name string
		does func(p *provider) map[string]any
	}{
		{"TK-4 another issuer", func(p *provider) map[string]any {
			return map[string]any{"issuer": p.url + "/", "jwks_uri": p.url + "/keys"}
		}},
		{"TK-4 no issuer", func(p *provider) map[string]any { return map[string]any{"jwks_uri": p.url + "/keys"} }},
		{"SSRF: keys on another host", func(p *provider) map[string]any {
			return map[string]any{"issuer": p.url, "jwks_uri": evil.url + "/keys"}
		}},
		{"SSRF: keys under a look-alike host", func(p *provider) map[string]any {
			return map[string]any{"issuer": p.url, "jwks_uri": p.url + ".evil.example/keys"}
		}},
		{"SSRF: keys behind a user name", func(p *provider) map[string]any {
			return map[string]any{"issuer": p.url, "jwks_uri": strings.Replace(p.url, "http://", "http://x@", 1) + "/keys"}
		}},
		{"SSRF: keys in a file", func(p *provider) map[string]any {
			return map[string]any{"issuer": p.url, "jwks_uri": "file:///etc/keys"}
		}},
		{"no keys", func(p *provider) map[string]any { return map[string]any{"issuer": p.url} }},
		{"keys address is a list", func(p *provider) map[string]any {
			return map[string]any{"issuer": p.url, "jwks_uri": []string{p.url + "/keys"}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			p := newProvider(t)
			p.setDiscovery(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, test.does(p)) })
			a := authenticator(t, p, c)
			wantUnavailable(t, a, sign(goodHeader(), p.claims(c.now())))
			if p.fetches.Load() != 0 || evil.fetches.Load() != 0 {
				t.Error("keys were fetched all the same")
			}
		})
	}
	t.Run("an address of the operator's may be anywhere", func(t *testing.T) {
		c := newClock()
		p := newProvider(t)
		p.setDiscovery(gone)
		a := authenticator(t, p, c, func(c *authn.Config) { c.Issuers[0].JWKSURL = evil.url + "/keys" })
		authenticate(t, a, sign(goodHeader(), p.claims(c.now())))
		if p.discovery.Load() != 0 {
			t.Error("discovery was asked although the address is configured")
		}
	})
}

func TestNobodyIsAskedOverTLSThatNobodyConfigured(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	c := newClock()
	p := &provider{url: server.URL}
	a := authenticator(t, p, c)
	_, err := a.Authenticate(t.Context(), asked("Bearer", sign(goodHeader(), p.claims(c.now()))))
	if !errors.Is(err, authn.ErrKeysUnavailable) || !strings.Contains(err.Error(), "no transport with TLS") {
		t.Errorf("got %v", err)
	}
}

// TestKeysAreWhereDiscoverySaysNow: if a provider moves its keys, the next fetch follows, although the old address still answers; a key
// that is only there no longer counts.
func TestKeysAreWhereDiscoverySaysNow(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	old := sign(goodHeader(), p.claims(c.now()))
	authenticate(t, a, old)
	p.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"keys": []any{publicJWK("rsa", rsaKey().Public())}})
	})
	p.setKeys(publicJWK("next", otherRSAKey().Public()))
	p.setDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"issuer": p.url, "jwks_uri": p.url + "/moved-keys"})
	})
	c.advance(31 * time.Second)
	authenticate(t, a, seal("RS256", otherRSAKey(), toJSON(with(goodHeader(), "kid", "next")), toJSON(p.claims(c.now()))))
	checkRefused(t, a, badToken{"a key at the old address", old, authn.ReasonKey})
}

func TestDiscoveryIsAskedAgainAfterAFailure(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	stranger := badToken{"", sign(with(goodHeader(), "kid", "unknown"), p.claims(c.now())), authn.ReasonKey}
	for range 3 {
		checkRefused(t, a, stranger)
		c.advance(31 * time.Second)
	}
	if fetches, asked := p.fetches.Load(), p.discovery.Load(); fetches != 3 || asked != 3 {
		t.Errorf("%d fetches and %d discoveries, want 3 of each: one fetch in an interval", fetches, asked)
	}
	p.setAnswer(gone)
	wantUnavailable(t, a, stranger.token)
	p.setDiscovery(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]any{"issuer": p.url, "jwks_uri": p.url + "/moved-keys"})
	})
	c.advance(31 * time.Second)
	checkRefused(t, a, stranger)
}

func TestAClockThatGoesBackDoesNotStopFetches(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	checkRefused(t, a, badToken{"", sign(with(goodHeader(), "kid", "unknown"), p.claims(c.now())), authn.ReasonKey})
	c.advance(-24 * time.Hour)
	p.setKeys(publicJWK("next", rsaKey().Public()))
	authenticate(t, a, sign(with(goodHeader(), "kid", "next"), p.claims(c.now())))
}

// TestKeysOfOneKid: if several keys have one kid, each that fits the algorithm is tried, and no other; without a kid nothing is guessed.
func TestKeysOfOneKid(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	p.setKeys(publicJWK("same", otherP256().Public()), publicJWK("same", rsaKey().Public()), publicJWK("same", p256Key().Public()), publicJWK("same", p384Key().Public()))
	a := authenticator(t, p, c)
	token := func(alg string, key any, kid string) string {
		header := members{"alg": alg, "typ": "at+jwt"}
		if kid != "" {
			header["kid"] = kid
		}
		return seal(alg, key, toJSON(header), toJSON(p.claims(c.now())))
	}
	for name, good := range map[string]string{
		"the first of a curve": token("ES256", otherP256(), "same"), "the second": token("ES256", p256Key(), "same"), "RSA": token("RS256", rsaKey(), "same"), "the only RSA key, without a kid": token("RS256", rsaKey(), ""),
	} {
		if s := authenticate(t, a, good); s.Issuer != p.url {
			t.Errorf("%s: got %+v", name, s)
		}
	}
	checkRefused(t, a, badToken{"a stranger's key", token("RS256", otherRSAKey(), "same"), authn.ReasonSignature})
	checkRefused(t, a, badToken{"two keys fit, and no kid says which", token("ES256", p256Key(), ""), authn.ReasonKey})
	p.setKeys(publicJWK("same", otherP256().Public()))
	c.advance(10 * time.Minute)
	a = authenticator(t, p, c)
	checkRefused(t, a, badToken{"one of them that is gone", token("ES256", p256Key(), "same"), authn.ReasonSignature})
}
