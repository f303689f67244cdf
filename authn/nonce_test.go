package authn_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"zorgsluis/authn"
)

// nonced is an issuer whose proofs need a nonce, for instances with these secrets.
func nonced(secrets ...byte) func(*authn.Config) {
	return func(c *authn.Config) {
		c.Replays = &usedProofs{}
		c.Issuers[0].ProofNonce = true
		for _, b := range secrets {
			c.NonceSecrets = append(c.NonceSecrets, bytes.Repeat([]byte{b}, 32))
		}
	}
}

func TestProofNonces(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	here, there := authenticator(t, p, c, nonced('a', 'b')), authenticator(t, p, c, nonced('a'))
	before, stranger := authenticator(t, p, c, nonced('b')), authenticator(t, p, c, nonced('x'))
	token := bound(p, c.now())
	ask := func(a *authn.Authenticator, nonce any) error {
		claims := proofClaims(token, c.now())
		if nonce != nil {
			claims["nonce"] = nonce
		}
		_, err := a.Authenticate(t.Context(), asked("DPoP", token, sealProof(proofHeader(), claims)))
		return err
	}
	challenged := func(err error, when string) string {
		t.Helper()
		var e *authn.Error
		if !errors.As(err, &e) || e.Code != "use_dpop_nonce" || e.Reason != authn.ReasonProofNonce || e.Nonce == "" {
			t.Errorf("%s: got %v, want a nonce to be asked for", when, err)
			return ""
		}
		const want = `DPoP error="use_dpop_nonce", error_description="The DPoP proof must hold a nonce of this resource server", algs="ES256 ES384 PS256 EdDSA"`
		if got := authn.Challenge(err); got != want {
			t.Errorf("%s: got challenge %s, want %s", when, got, want)
		}
		return e.Nonce
	}
	good := challenged(ask(here, nil), "no nonce")
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	altered := func(i int) string {
		b := bytes.Clone(raw)
		b[i] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for name, nonce := range map[string]any{
		"of another time": altered(7), "of another key": altered(len(raw) - 1), "cut": good[:len(good)-4], "padded": good + "=", "longer": good + "AAAA",
		"no text": 1, "a list": []string{good}, "empty": "", "zeros": base64.RawURLEncoding.EncodeToString(make([]byte, len(raw))),
		"of the time only": base64.RawURLEncoding.EncodeToString(raw[:8]),
	} {
		challenged(ask(here, nonce), name)
	}
	for name, a := range map[string]*authn.Authenticator{"the instance that made it": here, "another, with the same secret": there} {
		for range 2 {
			if err := ask(a, good); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	challenged(ask(stranger, good), "another gateway")
	if err := ask(here, challenged(ask(before, nil), "an instance with the secret before")); err != nil {
		t.Errorf("a nonce under the secret before: %v", err)
	}

	c.advance(5*time.Minute + 30*time.Second)
	token = bound(p, c.now())
	if err := ask(here, good); err != nil {
		t.Errorf("a nonce at its last moment: %v", err)
	}
	c.advance(time.Second)
	if next := challenged(ask(here, good), "a nonce that is too old"); next == good || ask(here, next) != nil {
		t.Error("the next nonce is the one before, or not good")
	}
	late := challenged(ask(here, nil), "once more")
	c.advance(-31 * time.Second)
	challenged(ask(here, late), "a nonce of the future, further than clocks may differ")
}

func TestNoncesAreTheLastQuestion(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	used := &usedProofs{}
	a := authenticator(t, p, c, nonced('a'), func(c *authn.Config) { c.Replays = used })
	token := bound(p, c.now())
	// Without the key, or for another request, no nonce is revealed.
	for name, claims := range map[string]members{"another target": {"htu": target + "/x"}, "another method": {"htm": "POST"}, "another token": {"ath": digestOf("x")}} {
		made := proofClaims(token, c.now())
		for k, v := range claims {
			made[k] = v
		}
		_, err := a.Authenticate(t.Context(), asked("DPoP", token, sealProof(proofHeader(), made)))
		if e, ok := errors.AsType[*authn.Error](err); !ok || e.Code != authn.CodeInvalidProof || e.Nonce != "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A proof without a nonce was not used up; an issuer that requires none accepts a nonce.
	made := proofClaims(token, c.now())
	if _, err := a.Authenticate(t.Context(), asked("DPoP", token, sealProof(proofHeader(), made))); err == nil {
		t.Fatal("a proof without a nonce is taken")
	}
	if n := len(used.used); n != 0 {
		t.Errorf("%d proofs are remembered, want none", n)
	}
	made = proofClaims(token, c.now())
	made["nonce"] = "of somebody else"
	other := authenticator(t, p, c, func(c *authn.Config) { c.Replays = used })
	if _, err := other.Authenticate(t.Context(), asked("DPoP", token, sealProof(proofHeader(), made))); err != nil {
		t.Errorf("an issuer that wants no nonce: %v", err)
	}
}
