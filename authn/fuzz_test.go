package authn_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// fuzzKey is the same in every process and its signatures are deterministic, so that found inputs stay useful.
var fuzzKey = ed25519.NewKeyFromSeed([]byte("zorgsluis: a seed for tests only"))

var fuzzHeader = members{"alg": "EdDSA", "typ": "at+jwt", "kid": "ed"}

func fuzzSeal(header, payload []byte) string {
	input := encode(header) + "." + encode(payload)
	return input + "." + encode(ed25519.Sign(fuzzKey, []byte(input)))
}

// fuzzed is an Authenticator without a network, with a clock that advances at every reading, so that no token is found in the cache.
func fuzzed(f *testing.F) (*provider, *authn.Authenticator, time.Time) {
	start := newClock().now()
	p := &provider{url: "https://idp.example"}
	p.setKeys(publicJWK("ed", fuzzKey.Public()))
	c := config(p, newClock())
	c.Issuers[0].Algorithms = []string{"EdDSA"}
	c.Issuers[0].Transport = inProcess{p}
	c.CacheAge = 1
	var looks atomic.Int64
	c.Now = func() time.Time { return start.Add(time.Duration(looks.Add(1))) }
	a, err := authn.New(c)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := authn.ByToken(f.Context(), a, fuzzSeal(toJSON(fuzzHeader), toJSON(p.claims(start)))); err != nil {
		f.Fatal(err)
	}
	return p, a, start
}

// FuzzToken: whatever the bytes, there is a subject only for what the provider's key signed.
func FuzzToken(f *testing.F) {
	p, a, start := fuzzed(f)
	good := fuzzSeal(toJSON(fuzzHeader), toJSON(p.claims(start)))
	f.Add(good)
	f.Add(fuzzSeal(toJSON(fuzzHeader), toJSON(p.patientClaims(start))))
	f.Add(fuzzSeal(toJSON(with(fuzzHeader, "alg", "none")), toJSON(p.claims(start))))
	f.Add(fuzzSeal([]byte(`{"alg":"EdDSA","ALG":"none"}`), []byte(`{"iss":"https://idp.example","iss":"x"}`)))
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		s, err := authn.ByToken(context.Background(), a, token)
		if err == nil && !signedByFuzzKey(token) {
			t.Error("a subject without a signature")
		}
		var refusal *authn.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("error is %v, want an *authn.Error", err)
		}
		if err != nil && (s.ID != "" || s.Kind != policy.KindOther) {
			t.Error("a subject with an error")
		}
	})
}

// signedByFuzzKey is a second, simple check of the signature.
func signedByFuzzKey(token string) bool {
	last := strings.LastIndexByte(token, '.')
	if last < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[last+1:])
	return err == nil && ed25519.Verify(fuzzKey.Public().(ed25519.PublicKey), []byte(token[:last]), signature)
}

// FuzzClaims signs any payload: no panic, and every subject has all that a subject must have.
func FuzzClaims(f *testing.F) {
	p, a, start := fuzzed(f)
	f.Add(toJSON(p.claims(start)))
	f.Add(toJSON(p.patientClaims(start)))
	f.Add(toJSON(with(p.patientClaims(start), "representative", "000009830")))
	header := toJSON(fuzzHeader)
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := authn.ByToken(context.Background(), a, fuzzSeal(header, payload))
		if err != nil {
			if strings.Contains(err.Error(), testBSN) {
				t.Error("a BSN in an error")
			}
			return
		}
		if s.ID == "" || s.Issuer != p.url || s.ClientID == "" || s.Channel == "" || s.Expires.IsZero() {
			t.Errorf("subject lacks what every subject has: %+v", s)
		}
		if (s.Kind == policy.KindPatient || s.Kind == policy.KindRepresentative) == (s.Person.Value == "") {
			t.Error("patients have a person, and nobody else has")
		}
		if (s.Kind == policy.KindRepresentative) == (s.Representative+s.Pseudonym == "") {
			t.Error("representatives have an id, and nobody else has")
		}
		if s.Pseudonym != "" && (s.ID != s.Pseudonym || s.Representative != "" && strings.Contains(s.Pseudonym, s.Representative)) {
			t.Error("a pseudonym is a number again, or not what a representative is known by")
		}
	})
}
