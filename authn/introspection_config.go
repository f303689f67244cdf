package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Introspection says how to ask an issuer about its opaque tokens (RFC 7662). The gateway authenticates in exactly one way: with Secret,
// Key, or the certificate of the connection.
type Introspection struct {
	Endpoint    string // default: by discovery
	TokenPrefix string // what this issuer's opaque tokens begin with; required if several issuers are asked
	ClientID    string
	Secret      string               // client_secret_basic
	Key         func() *AssertionKey // private_key_jwt; called for each assertion, so that the key can be replaced
	Certified   bool                 // tls_client_auth, self_signed_tls_client_auth: Transport presents a certificate
	Signed      bool                 // answers are JWTs (RFC 9701), under a key and an algorithm of the issuer
	CacheFor    time.Duration        // how long an answer counts, at most 60 s; 0: every request asks
	Timeout     time.Duration        // of one request, default 2 s, at most 5 s
	InFlight    int                  // requests at once, default 32

	// Transport reaches the endpoint; nil: one that only speaks plain HTTP, on this machine.
	Transport http.RoundTripper
}

// AssertionKey is a private key with which the gateway authenticates.
type AssertionKey struct {
	Algorithm string
	key       jose.JSONWebKey
}

var errNoDecryptionKey = errors.New("must hold one private RSA or EC key as a JWK, with a kid")

const (
	maxCacheFor              = time.Minute
	maxIntrospectionTimeout  = 5 * time.Second
	maxIntrospectionInFlight = 1024
)

// ParseAssertionKey reads a private JWK (RFC 7517) that has an alg.
func ParseAssertionKey(text []byte) (*AssertionKey, error) {
	problem := errors.New("must hold one private key as a JWK, with an alg for signatures that fits it")
	if _, err := parseObject(text); err != nil {
		return nil, problem
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(text, &jwk); err != nil || !jwk.Valid() || jwk.IsPublic() {
		return nil, problem
	}
	fits, known := algorithms[jwk.Algorithm]
	if !known || !fits(publicOf(jwk.Key)) {
		return nil, problem
	}
	return &AssertionKey{jwk.Algorithm, jwk}, nil
}

func publicOf(key crypto.PrivateKey) any {
	switch private := key.(type) {
	case *rsa.PrivateKey:
		return &private.PublicKey
	case *ecdsa.PrivateKey:
		return &private.PublicKey
	case ed25519.PrivateKey:
		return private.Public()
	}
	return nil
}

// withDefaults fills in what is not set.
func (n *Introspection) withDefaults() *Introspection {
	if n == nil {
		return nil
	}
	filled := *n
	if filled.Timeout == 0 {
		filled.Timeout = 2 * time.Second
	}
	if filled.InFlight == 0 {
		filled.InFlight = 32
	}
	return &filled
}

func (i Issuer) checkIntrospection(key string, f *faults) {
	n := i.Introspection
	if n == nil {
		return
	}
	n.checkQuestions(key, f)
	if n.ClientID == "" {
		f.add(key+".client_id", "is missing")
	}
	if ways := []bool{n.Secret != "", n.Key != nil, n.Certified}; countTrue(ways) != 1 {
		f.add(key, "needs exactly one of a secret, an assertion key and a certificate: who asks must be known")
	}
	if n.Signed && len(i.Algorithms) == 0 {
		f.add(key+".signed", "needs algorithms of the issuer beside it")
	}
}

// checkQuestions checks where requests about tokens go, for which tokens, and how many.
func (n *Introspection) checkQuestions(key string, f *faults) {
	if n.Endpoint != "" {
		if _, err := parseEndpoint(n.Endpoint); err != nil {
			f.add(key+".endpoint", "%v", err)
		}
	}
	if n.TokenPrefix != "" && !isToken68(n.TokenPrefix) {
		f.add(key+".token_prefix", "has characters that no token has")
	}
	f.within(key+".cache", n.CacheFor, 0, maxCacheFor)
	f.within(key+".timeout", n.Timeout, 100*time.Millisecond, maxIntrospectionTimeout)
	if n.InFlight < 1 || n.InFlight > maxIntrospectionInFlight {
		f.add(key+".in_flight", "must be between 1 and %d", maxIntrospectionInFlight)
	}
}

func countTrue(list []bool) int {
	n := 0
	for _, b := range list {
		if b {
			n++
		}
	}
	return n
}

// checkTokenForms checks across issuers: an opaque token, and a key that tokens are encrypted to, must identify one issuer.
func (c Config) checkTokenForms(f *faults) {
	keys := make(map[string]crypto.PrivateKey)
	for i, issuer := range c.Issuers {
		at := fmt.Sprintf("issuers[%d]", i)
		issuer.checkEncryption(at+".encryption", keys, f)
		key, one := issuer.opaque()
		for _, other := range c.Issuers[:i] {
			otherKey, two := other.opaque()
			if key != "" && otherKey != "" && (strings.HasPrefix(one, two) || strings.HasPrefix(two, one)) {
				f.add(at+"."+key+".token_prefix", "does not tell the tokens of this issuer from those of another: a token would be shown to the wrong one")
			}
		}
	}
}

// opaque returns the configuration key of how the issuer's opaque tokens are recognised, and their prefix; no key if it has none.
func (i Issuer) opaque() (key, prefix string) {
	switch {
	case i.Introspection != nil:
		return "introspection", i.Introspection.TokenPrefix
	case i.Userinfo != nil:
		return "userinfo", i.Userinfo.TokenPrefix
	}
	return "", ""
}

func (i Issuer) checkEncryption(key string, keys map[string]crypto.PrivateKey, f *faults) {
	e := i.Encryption
	if e == nil {
		return
	}
	if len(e.Keys) == 0 {
		f.add(key+".keys", "at least one is needed")
	}
	if len(e.Algorithms) == 0 {
		f.add(key+".algorithms", "at least one is needed")
	}
	if len(i.Algorithms) == 0 {
		f.add(key, "needs algorithms of the issuer beside it: what is encrypted must be signed")
	}
	for _, algorithm := range e.Algorithms {
		if _, known := encryptionAlgorithms[algorithm]; !known {
			f.add(key+".algorithms", "%q is not one of %q", algorithm, slices.Sorted(maps.Keys(encryptionAlgorithms)))
		}
	}
	for _, k := range e.Keys {
		private, ok := k.Private.(interface{ Equal(crypto.PrivateKey) bool })
		other, known := keys[k.ID]
		switch {
		case k.ID == "" || len(k.ID) > maxKeyID || !ok:
			f.add(key+".keys", "%v", errNoDecryptionKey)
		case known && !private.Equal(other):
			f.add(key+".keys", "two keys have the same kid")
		default:
			keys[k.ID] = k.Private
		}
	}
}
