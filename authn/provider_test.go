package authn_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// testBSN is a published test number. No error may ever contain it.
const testBSN = "999991346"

const audience = "https://gateway.example/fhir"

// Keys are made once: RSA keys are slow to make.
var (
	rsaKey      = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	otherRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	smallRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
	p256Key     = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	otherP256   = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })
	p384Key     = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P384()) })
)

func newRSA(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// clock is a time that moves only when told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// provider is an identity provider on a loopback address. What it answers can be changed at any time.
type provider struct {
	url       string
	fetches   atomic.Int64 // of the key set
	discovery atomic.Int64
	mu        sync.Mutex
	keys      []any // JWKs
	answer    http.HandlerFunc
	configure http.HandlerFunc
}

func newProvider(t testing.TB) *provider {
	p := &provider{}
	p.setKeys(publicJWK("rsa", rsaKey().Public()), publicJWK("ec", p256Key().Public()))
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *provider) setKeys(keys ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append([]any{}, keys...)
}

// setAnswer replaces the answer to requests for the key set; nil restores it.
func (p *provider) setAnswer(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = h
}

func (p *provider) setDiscovery(h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.configure = h
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	keys, answer, configure := p.keys, p.answer, p.configure
	p.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.discovery.Add(1)
		if configure != nil {
			configure(w, r)
			return
		}
		writeJSON(w, map[string]any{"issuer": p.url, "jwks_uri": p.url + "/keys"})
	case "/moved-keys":
		writeJSON(w, map[string]any{"keys": keys})
	case "/keys":
		p.fetches.Add(1)
		if answer != nil {
			answer(w, r)
			return
		}
		writeJSON(w, map[string]any{"keys": keys})
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// publicJWK renders a public key as the members of a JWK.
func publicJWK(kid string, key crypto.PublicKey) map[string]any {
	b, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid, Use: "sig"})
	if err != nil {
		panic(err)
	}
	var members map[string]any
	if err := json.Unmarshal(b, &members); err != nil {
		panic(err)
	}
	return members
}

// jwkWith is a JWK with some members changed.
func jwkWith(jwk, members map[string]any) map[string]any {
	jwk = maps.Clone(jwk)
	maps.Copy(jwk, members)
	return jwk
}

type members = map[string]any

// claims are those of a general practitioner's good token.
func (p *provider) claims(now time.Time) members {
	return members{
		"iss": p.url, "sub": "user-1", "aud": []any{"https://other.example", audience}, "client_id": "gp-app", "jti": "token-1",
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(), "auth_time": now.Add(-time.Minute).Unix(),
		"scope": "openid zorgsluis", "user_kind": "care", "acr": "http://eidas.europa.eu/LoA/high",
		"extensions": members{"ihe_iua": members{
			"subject_name":            "A. de Vries",
			"subject_organization_id": "00001111",
			"subject_role":            []any{members{"system": "http://fhir.nl/fhir/NamingSystem/uzi-rolcode", "code": "01.015"}},
			"purpose_of_use":          []any{members{"code": "TREAT"}},
		}},
		"relation": "treating", "organization_type": "Z3", "uzi": "900000001",
	}
}

// patientClaims are those of a patient's good token.
func (p *provider) patientClaims(now time.Time) members {
	c := p.claims(now)
	for _, name := range []string{"extensions", "relation", "organization_type", "uzi"} {
		delete(c, name)
	}
	maps.Copy(c, members{"user_kind": "person", "client_id": "pgo-app", "bsn": testBSN})
	return c
}

func goodHeader() members { return members{"alg": "RS256", "typ": "at+jwt", "kid": "rsa"} }

// with is a copy of an object with one member set; the value drop leaves the member out.
func with(object members, name string, value any) members {
	object = maps.Clone(object)
	if value == drop {
		delete(object, name)
		return object
	}
	object[name] = value
	return object
}

type dropped struct{}

var drop any = dropped{}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func toJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// seal signs header and payload unchanged, in the way alg says, whatever the header says.
func seal(alg string, key any, header, payload []byte) string {
	input := encode(header) + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	var signature []byte
	var err error
	switch alg {
	case "RS256":
		signature, err = rsa.SignPKCS1v15(nil, key.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	case "PS256":
		signature, err = rsa.SignPSS(rand.Reader, key.(*rsa.PrivateKey), crypto.SHA256, digest[:],
			&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES256":
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), digest[:])
		if err == nil {
			signature = slices.Concat(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32)))
		}
	case "ES256-DER":
		signature, err = ecdsa.SignASN1(rand.Reader, key.(*ecdsa.PrivateKey), digest[:])
	case "HS256":
		mac := hmac.New(sha256.New, key.([]byte))
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	default:
		panic("no such algorithm in the tests: " + alg)
	}
	if err != nil {
		panic(err)
	}
	return input + "." + encode(signature)
}

// sign makes a token with a valid signature of the provider's RSA key.
func sign(header, payload members) string {
	return seal("RS256", rsaKey(), toJSON(header), toJSON(payload))
}

// joseToken makes a token with go-jose, as an issuer would.
func joseToken(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, payload members) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(toJSON(payload))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// config is a complete configuration for the provider.
func config(p *provider, c *clock) authn.Config {
	return authn.Config{
		Issuers:   []authn.Issuer{issuerConfig(p)},
		Tables:    testTables(),
		Assurance: testAssurance(),
		Clients: map[string]authn.Client{
			"gp-app":    {Issuer: p.url},
			"pgo-app":   {Issuer: p.url, Channel: "medmij"},
			"batch-app": {Issuer: p.url, Relationship: policy.RelationSubstitute, Purpose: policy.PurposeTreatment},
		},
		Skew: 30 * time.Second,
		Now:  c.now,
	}
}

func issuerConfig(p *provider) authn.Issuer {
	return authn.Issuer{
		URL: p.url, Audience: audience, Algorithms: []string{"RS256", "PS256", "ES256"}, Channel: "regional",
		Kind: authn.KindRule{Claim: "user_kind", Values: map[string]policy.SubjectKind{
			"care": policy.KindProvider, "person": policy.KindPatient, "proxy": policy.KindRepresentative,
		}},
		RequiredScope: "zorgsluis", RequireTokenID: true, MaxLifetime: time.Hour,
		Claims: authn.ClaimMap{
			Assurance:        "acr",
			Person:           authn.IdentifierClaim{Path: "bsn", System: "http://fhir.nl/fhir/NamingSystem/bsn"},
			Organization:     authn.PrefixedClaim{Path: "extensions.ihe_iua.subject_organization_id", Prefix: "ura:"},
			OrganizationType: "organization_type",
			AGB:              "agb",
			Roles:            "extensions.ihe_iua.subject_role[].code",
			Identifiers:      []authn.IdentifierClaim{{Path: "organization_ids[]"}, {Path: "uzovi", System: "http://fhir.nl/fhir/NamingSystem/uzovi"}},
			Practitioner:     authn.PrefixedClaim{Path: "uzi", Prefix: "uzi:"},
			Relationship:     "relation",
			Purpose:          "extensions.ihe_iua.purpose_of_use[].code",
			Name:             "extensions.ihe_iua.subject_name",
			Representative:   authn.IdentifierClaim{Path: "representative", System: "http://fhir.nl/fhir/NamingSystem/bsn"},
			Authority:        "authority",
		},
	}
}

// authenticator makes one for the provider; change may alter the configuration.
func authenticator(t testing.TB, p *provider, c *clock, change ...func(*authn.Config)) *authn.Authenticator {
	t.Helper()
	configuration := config(p, c)
	for _, f := range change {
		f(&configuration)
	}
	a, err := authn.New(configuration)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
