package authn_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

const target = "https://gateway.example/fhir/demo/Observation"

// usedProofs is authn.Replays in memory; away makes it fail.
type usedProofs struct {
	mu   sync.Mutex
	used map[string]time.Duration
	away bool
}

func (u *usedProofs) FirstUse(_ context.Context, digest string, kept time.Duration) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.away {
		return false, errors.New("store is away")
	}
	_, known := u.used[digest]
	if u.used == nil {
		u.used = map[string]time.Duration{}
	}
	u.used[digest] = kept
	return !known, nil
}

func thumbprint(key crypto.PublicKey) string {
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return encode(sum)
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:])
}

// bareJWK is a public key as a proof carries it.
func bareJWK(key crypto.PublicKey) members {
	jwk := publicJWK("", key)
	delete(jwk, "kid")
	delete(jwk, "use")
	return jwk
}

var proofHeader = func() members { return members{"typ": "dpop+jwt", "alg": "ES256", "jwk": bareJWK(p256Key().Public())} }

var proofCount int

// proofClaims are the claims of a good proof for a token; each has its own jti.
func proofClaims(token string, now time.Time) members {
	proofCount++
	return members{"jti": fmt.Sprintf("proof-%d", proofCount), "htm": "GET", "htu": target, "iat": now.Unix(), "ath": digestOf(token)}
}

func sealProof(header, claims members) string {
	return seal("ES256", p256Key(), toJSON(header), toJSON(claims))
}

// asked is a request with these credentials.
func asked(scheme, token string, proofs ...string) authn.Request {
	return authn.Request{Method: "GET", Target: target, Header: http.Header{"Authorization": {scheme + " " + token}, "Dpop": proofs}}
}

// bound is a good token bound to the key of the proofs.
func bound(p *provider, now time.Time) string {
	return sign(goodHeader(), with(p.claims(now), "cnf", members{"jkt": thumbprint(p256Key().Public())}))
}

// certificates makes two certificates of two keys.
var certificates = sync.OnceValue(func() (made [2]*x509.Certificate) {
	for i, key := range []*ecdsa.PrivateKey{p256Key(), otherP256()} {
		der, err := x509.CreateCertificate(rand.Reader, certificateTemplate(), certificateTemplate(), key.Public(), key)
		if err == nil {
			made[i], err = x509.ParseCertificate(der)
		}
		if err != nil {
			panic(err)
		}
	}
	return made
})

func certificateTemplate() *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4_000_000_000, 0)}
}

// badRequest are credentials that must be refused for their own reason.
type badRequest struct {
	name    string
	request authn.Request
	want    policy.Reason
}

// badProofs are requests with a bound token, each with another fault.
func badProofs(t *testing.T, p *provider, now time.Time) (list []badRequest) {
	t.Helper()
	private, err := p256Key().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	token := bound(p, now)
	add := func(name string, r authn.Request, want policy.Reason) { list = append(list, badRequest{name, r, want}) }
	header := func(name, parameter string, value any, want policy.Reason) {
		add("TK-12 "+name, asked("DPoP", token, sealProof(with(proofHeader(), parameter, value), proofClaims(token, now))), want)
	}
	claim := func(name, claim string, value any, want policy.Reason) {
		add("TK-12 "+name, asked("DPoP", token, sealProof(proofHeader(), with(proofClaims(token, now), claim, value))), want)
	}
	raw := func(name, proof string, want policy.Reason) { add("TK-12 "+name, asked("DPoP", token, proof), want) }
	good := func() string { return sealProof(proofHeader(), proofClaims(token, now)) }

	add("TK-12 no proof", asked("DPoP", token), authn.ReasonProofMissing)
	add("TK-12 two proofs", asked("DPoP", token, good(), good()), authn.ReasonProofRepeated)
	second := asked("DPoP", token, good())
	second.Header["DPOP"] = []string{good()}
	add("TK-12 two proofs under two spellings", second, authn.ReasonProofRepeated)
	add("TK-11 a bound token as Bearer", asked("Bearer", token), authn.ReasonProofScheme)
	add("TK-11 a bound token as Bearer with a proof", asked("Bearer", token, good()), authn.ReasonProofScheme)
	free := sign(goodHeader(), p.claims(now))
	add("TK-12 a token that is not bound under DPoP", asked("DPoP", free, sealProof(proofHeader(), proofClaims(free, now))), authn.ReasonProofScheme)

	for _, typ := range []any{"JWT", "DPoP+jwt", "at+jwt", "application/dpop+jwt", "", nil, 1, drop} {
		header(fmt.Sprintf("typ is %v", typ), "typ", typ, authn.ReasonProofType)
	}
	for _, alg := range []any{"none", "HS256", "RS256", "es256", "ES256 ", "ES256K", "ES512", "", nil, []any{"ES256"}, drop} {
		header(fmt.Sprintf("alg is %v", alg), "alg", alg, authn.ReasonProofAlgorithm)
	}
	for _, alg := range []string{"ES384", "PS256", "EdDSA"} {
		header("alg is of another key: "+alg, "alg", alg, authn.ReasonProofKey)
	}
	jwk := bareJWK(p256Key().Public())
	for name, value := range map[string]any{
		"missing": drop, "null": nil, "a text": "jwk", "a list": []any{jwk}, "empty": members{}, "symmetric": members{"kty": "oct", "k": encode([]byte("secret"))},
		"private": jwkWith(jwk, members{"d": encode(private)}), "off the curve": jwkWith(jwk, members{"x": encode(make([]byte, 32))}),
		"for encryption": jwkWith(jwk, members{"use": "enc"}), "of another algorithm": jwkWith(jwk, members{"alg": "ES384"}), "not for verification": jwkWith(jwk, members{"key_ops": []any{"sign"}}),
	} {
		header("the key is "+name, "jwk", value, authn.ReasonProofKey)
	}
	header("another's key in the header", "jwk", bareJWK(otherP256().Public()), authn.ReasonProofBinding)
	raw("another's key, rightly signed", seal("ES256", otherP256(), toJSON(members{"typ": "dpop+jwt", "alg": "ES256", "jwk": bareJWK(otherP256().Public())}), toJSON(proofClaims(token, now))), authn.ReasonProofBinding)
	raw("our key, signed by another", seal("ES256", otherP256(), toJSON(proofHeader()), toJSON(proofClaims(token, now))), authn.ReasonProofSignature)
	raw("an HMAC with the public key", seal("HS256", toJSON(jwk), toJSON(proofHeader()), toJSON(proofClaims(token, now))), authn.ReasonProofSignature)
	raw("a signature in DER", seal("ES256-DER", p256Key(), toJSON(proofHeader()), toJSON(proofClaims(token, now))), authn.ReasonProofSignature)
	part := strings.Split(good(), ".")
	raw("a signature of zeros", part[0]+"."+part[1]+"."+encode(make([]byte, 64)), authn.ReasonProofSignature)
	raw("the claims of another proof", part[0]+"."+strings.Split(good(), ".")[1]+"."+part[2], authn.ReasonProofSignature)
	for _, name := range []string{"jku", "x5u", "x5c", "crit", "b64", "zip", "cty", "enc", "p2s"} {
		header("header "+name, name, "x", authn.ReasonProofHeader)
	}

	const malformed = authn.ReasonProofMalformed
	raw("empty", "", malformed)
	raw("two segments", part[0]+"."+part[1], malformed)
	raw("five segments", strings.Join([]string{part[0], part[1], part[2], part[1], part[2]}, "."), malformed)
	raw("no signature", part[0]+"."+part[1]+".", malformed)
	raw("padding", part[0]+"=."+part[1]+"."+part[2], malformed)
	raw("two in one header", good()+", "+good(), malformed)
	raw("over 8 KiB", sealProof(proofHeader(), with(proofClaims(token, now), "x", strings.Repeat("x", 8<<10))), malformed)
	raw("a megabyte of dots", strings.Repeat(".", 1<<20), malformed)
	raw("a claim twice", seal("ES256", p256Key(), toJSON(proofHeader()), append([]byte(`{"htm":"POST",`), toJSON(proofClaims(token, now))[1:]...)), malformed)
	raw("nested too deep", sealProof(proofHeader(), with(proofClaims(token, now), "x", rawNumber(strings.Repeat("[", 40)+strings.Repeat("]", 40)))), malformed)

	for _, method := range []any{"POST", "get", "HEAD", "GET ", "", nil, drop, []any{"GET"}} {
		claim(fmt.Sprintf("htm is %v", method), "htm", method, authn.ReasonProofMethod)
	}
	for _, uri := range []any{
		"https://evil.example/fhir/demo/Observation", "http://gateway.example/fhir/demo/Observation", target + "?patient=1", target + "#", target + "/", target + "/1",
		"/fhir/demo/Observation", "https://gateway.example:443/fhir/demo/Observation", "https://GATEWAY.example/fhir/demo/Observation", "", nil, drop, []any{target},
	} {
		claim(fmt.Sprintf("htu is %v", uri), "htu", uri, authn.ReasonProofTarget)
	}
	claim("ath is missing", "ath", drop, authn.ReasonProofToken)
	claim("ath is of another token", "ath", digestOf(free), authn.ReasonProofToken)
	claim("ath is padded", "ath", digestOf(token)+"=", authn.ReasonProofToken)
	claim("ath is null", "ath", nil, authn.ReasonProofToken)
	for _, id := range []any{drop, nil, "", 1, strings.Repeat("x", 300), "a\nb", []any{"x"}} {
		claim(fmt.Sprintf("jti is %.20v", id), "jti", id, authn.ReasonProofID)
	}
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, iat := range []any{drop, nil, "1800000000", true, rawNumber("1e300"), -1, at(-91 * time.Second), at(31 * time.Second), at(-24 * time.Hour)} {
		claim(fmt.Sprintf("iat is %v", iat), "iat", iat, authn.ReasonProofTime)
	}
	claim("exp is past", "exp", at(-time.Second), authn.ReasonProofTime)
	claim("exp is a text", "exp", "soon", authn.ReasonProofTime)
	claim("nbf is in the future", "nbf", at(time.Minute), authn.ReasonProofTime)
	return append(list, badCertificates(p, now)...)
}

// badCertificates are requests with a token bound to a certificate, or to both.
func badCertificates(p *provider, now time.Time) (list []badRequest) {
	mine, other := certificates()[0], certificates()[1]
	x5t := digestOf(string(mine.Raw))
	add := func(name string, cnf members, request func(token string) authn.Request, want policy.Reason) {
		list = append(list, badRequest{"TK-11 " + name, request(sign(goodHeader(), with(p.claims(now), "cnf", cnf))), want})
	}
	bearer := func(certificate *x509.Certificate) func(string) authn.Request {
		return func(token string) authn.Request {
			r := asked("Bearer", token)
			r.Certificate = certificate
			r.Header.Set("Client-Cert", ":"+encode(mine.Raw)+":") // a header that the caller sets proves nothing
			return r
		}
	}
	both := members{"x5t#S256": x5t, "jkt": thumbprint(p256Key().Public())}
	withProof := func(certificate *x509.Certificate, claims func(token string) members) func(string) authn.Request {
		return func(token string) authn.Request {
			r := asked("DPoP", token, sealProof(proofHeader(), claims(token)))
			r.Certificate = certificate
			return r
		}
	}
	goodClaims := func(token string) members { return proofClaims(token, now) }
	add("no certificate", members{"x5t#S256": x5t}, bearer(nil), authn.ReasonCertificate)
	add("another's certificate", members{"x5t#S256": x5t}, bearer(other), authn.ReasonCertificate)
	add("the digest of the key, not of the certificate", members{"x5t#S256": digestOf(string(mine.RawSubjectPublicKeyInfo))}, bearer(mine), authn.ReasonCertificate)
	add("bound to a certificate, sent under DPoP", members{"x5t#S256": x5t}, withProof(mine, goodClaims), authn.ReasonProofScheme)
	add("bound to both, with the proof only", both, withProof(nil, goodClaims), authn.ReasonCertificate)
	add("bound to both, with the proof and another's certificate", both, withProof(other, goodClaims), authn.ReasonCertificate)
	add("bound to both, with the certificate only", both, bearer(mine), authn.ReasonProofScheme)
	add("bound to both, with a proof that is bad", both, withProof(mine, func(token string) members { return with(goodClaims(token), "htm", "POST") }), authn.ReasonProofMethod)
	return list
}

func TestBadProofsAreRefusedEachForItsReason(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	replays := &usedProofs{}
	a := authenticator(t, p, c, func(c *authn.Config) { c.Replays = replays })
	bad := badProofs(t, p, c.now())
	if len(bad) < 100 {
		t.Fatalf("%d bad proofs, want at least 100", len(bad))
	}
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			for range 2 { // the second time the token is cached, but never the proof
				s, err := a.Authenticate(t.Context(), test.request)
				var refusal *authn.Error
				if !errors.As(err, &refusal) {
					t.Fatalf("error is %v, want an *authn.Error", err)
				}
				if refusal.Reason != test.want {
					t.Errorf("reason is %s (%s), want %s", refusal.Reason, refusal.Element, test.want)
				}
				if s.ID != "" || s.Categories != nil {
					t.Error("a subject came with the refusal")
				}
			}
		})
	}
	if len(replays.used) != 0 {
		t.Errorf("%d bad proofs are remembered as used", len(replays.used))
	}
}

func TestProofs(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	replays := &usedProofs{}
	a := authenticator(t, p, c, func(c *authn.Config) { c.Replays = replays })
	token := bound(p, c.now())
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: p256Key(), jose.ES384: newEC(elliptic.P384()), jose.PS256: otherRSAKey(), jose.EdDSA: ed}
	for algorithm, key := range keys {
		t.Run(string(algorithm), func(t *testing.T) {
			token := sign(goodHeader(), with(p.claims(c.now()), "cnf", members{"jkt": thumbprint(key.Public())}))
			options := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
			if err != nil {
				t.Fatal(err)
			}
			jws, err := signer.Sign(toJSON(proofClaims(token, c.now())))
			if err != nil {
				t.Fatal(err)
			}
			proof, _ := jws.CompactSerialize()
			if s, err := a.Authenticate(t.Context(), asked("DPoP", token, proof)); err != nil || s.ID != "user-1" {
				t.Errorf("got %q, %v", s.ID, err)
			}
		})
	}
	for _, fine := range []members{{"nonce": "of somebody"}, {"exp": c.now().Add(time.Minute).Unix()}, {"iat": c.now().Add(-80 * time.Second).Unix()}, {"iat": c.now().Add(20 * time.Second).Unix()}, {"x": 1}} {
		claims := proofClaims(token, c.now())
		for name, value := range fine {
			claims[name] = value
		}
		if _, err := a.Authenticate(t.Context(), asked("dpop", token, sealProof(proofHeader(), claims))); err != nil {
			t.Errorf("%v: %v", fine, err)
		}
	}
	for _, kept := range replays.used {
		if kept < 2*time.Minute {
			t.Errorf("a proof is remembered for %v: a clock may differ by a minute, and a proof is taken for a minute more", kept)
		}
	}
}

func TestProofIsGoodForOneRequest(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	replays := &usedProofs{}
	shared := func(c *authn.Config) { c.Replays = replays }
	a, b := authenticator(t, p, c, shared), authenticator(t, p, c, shared)
	token := bound(p, c.now())
	request := asked("DPoP", token, sealProof(proofHeader(), proofClaims(token, c.now())))
	var mu sync.Mutex
	counts := map[string]int{}
	var all sync.WaitGroup
	for i := range 32 {
		instance := []*authn.Authenticator{a, b}[i%2]
		all.Go(func() {
			_, err := instance.Authenticate(t.Context(), request)
			mu.Lock()
			defer mu.Unlock()
			var refusal *authn.Error
			switch {
			case err == nil:
				counts["taken"]++
			case errors.As(err, &refusal):
				counts[string(refusal.Reason)]++
			default:
				counts[err.Error()]++
			}
		})
	}
	all.Wait()
	if counts["taken"] != 1 || counts[string(authn.ReasonProofReplayed)] != 31 {
		t.Errorf("got %v, want one that is taken and 31 replays", counts)
	}
	// With another key, the same jti is another proof.
	other := otherP256()
	otherToken := sign(goodHeader(), with(p.claims(c.now()), "cnf", members{"jkt": thumbprint(other.Public())}))
	claims := with(proofClaims(otherToken, c.now()), "jti", fmt.Sprintf("proof-%d", proofCount-1))
	proof := seal("ES256", other, toJSON(members{"typ": "dpop+jwt", "alg": "ES256", "jwk": bareJWK(other.Public())}), toJSON(claims))
	if _, err := a.Authenticate(t.Context(), asked("DPoP", otherToken, proof)); err != nil {
		t.Errorf("another's proof: %v", err)
	}
}

func TestReplaysAwayIsNoAnswer(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	token := bound(p, c.now())
	for name, replays := range map[string]authn.Replays{"away": &usedProofs{away: true}, "not there": nil} {
		a := authenticator(t, p, c, func(c *authn.Config) { c.Replays = replays })
		_, err := a.Authenticate(t.Context(), asked("DPoP", token, sealProof(proofHeader(), proofClaims(token, c.now()))))
		if !errors.Is(err, authn.ErrReplaysUnavailable) {
			t.Errorf("%s: got %v, want ErrReplaysUnavailable", name, err)
		}
		if authn.Challenge(err) != "" {
			t.Errorf("%s: a challenge that no better proof would meet", name)
		}
	}
}

func TestProofChallenges(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, func(c *authn.Config) { c.Replays = &usedProofs{} })
	token := bound(p, c.now())
	for want, r := range map[string]authn.Request{
		`DPoP error="invalid_dpop_proof", error_description="The DPoP proof is not valid here", algs="ES256 ES384 PS256 EdDSA"`: asked("DPoP", token),
		`DPoP error="invalid_token", error_description="The access token is not valid here", algs="ES256 ES384 PS256 EdDSA"`:    asked("DPoP", token+"x"),
		`Bearer error="invalid_token", error_description="The access token is not valid here"`:                                  asked("Bearer", token),
	} {
		_, err := a.Authenticate(t.Context(), r)
		if got := authn.Challenge(err); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCertificateBoundToken(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, func(c *authn.Config) { c.Replays = &usedProofs{} })
	mine := certificates()[0]
	cnf := members{"x5t#S256": digestOf(string(mine.Raw))}
	r := asked("Bearer", sign(goodHeader(), with(p.claims(c.now()), "cnf", cnf)))
	r.Certificate = mine
	for range 2 {
		if _, err := a.Authenticate(t.Context(), r); err != nil {
			t.Errorf("with the certificate: %v", err)
		}
		stolen := r
		stolen.Certificate = certificates()[1]
		if _, err := a.Authenticate(t.Context(), stolen); err == nil {
			t.Error("with another's certificate, while the token is kept: taken")
		}
	}
	both := sign(goodHeader(), with(p.claims(c.now()), "cnf", with(cnf, "jkt", thumbprint(p256Key().Public()))))
	r = asked("DPoP", both, sealProof(proofHeader(), proofClaims(both, c.now())))
	r.Certificate = mine
	if _, err := a.Authenticate(t.Context(), r); err != nil {
		t.Errorf("with both: %v", err)
	}
}

func TestSenderConstrainedIssuerHasNoBearerTokens(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, func(c *authn.Config) { c.Issuers[0].SenderConstrained, c.Replays = true, &usedProofs{} })
	checkRefused(t, a, badToken{"", sign(goodHeader(), p.claims(c.now())), authn.ReasonBinding})
	token := bound(p, c.now())
	if _, err := a.Authenticate(t.Context(), asked("DPoP", token, sealProof(proofHeader(), proofClaims(token, c.now())))); err != nil {
		t.Errorf("with a proof: %v", err)
	}
}

func FuzzProof(f *testing.F) {
	now := newClock().now()
	p := &provider{url: "https://idp.example"}
	p.setKeys(publicJWK("rsa", rsaKey().Public()))
	c := config(p, newClock())
	c.Issuers[0].Transport = inProcess{p}
	c.Replays = &usedProofs{}
	a, err := authn.New(c)
	if err != nil {
		f.Fatal(err)
	}
	other := otherP256()
	token := sign(goodHeader(), with(p.claims(now), "cnf", members{"jkt": thumbprint(p384Key().Public())}))
	f.Add(seal("ES256", other, toJSON(members{"typ": "dpop+jwt", "alg": "ES256", "jwk": bareJWK(other.Public())}), toJSON(proofClaims(token, now))))
	f.Add(sealProof(proofHeader(), proofClaims(token, now)))
	f.Add("..")
	f.Fuzz(func(t *testing.T, proof string) {
		// Nobody has signed with the key of this token, so no proof is valid.
		if _, err := a.Authenticate(context.Background(), asked("DPoP", token, proof)); err == nil {
			t.Errorf("%q is taken", proof)
		}
	})
}
