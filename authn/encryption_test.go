package authn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
)

// encrypted puts a token into a JWE.
func encrypted(t testing.TB, alg jose.KeyAlgorithm, enc jose.ContentEncryption, key any, kid, signed string, change ...func(*jose.EncrypterOptions)) string {
	t.Helper()
	options := (&jose.EncrypterOptions{}).WithContentType("JWT")
	for _, f := range change {
		f(options)
	}
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: key, KeyID: kid}, options)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var recipient = sync.OnceValue(func() *ecdsa.PrivateKey { return newEC(elliptic.P256()) })

func decrypting(c *authn.Config) {
	c.Issuers[0].Encryption = &authn.Encryption{
		Keys:       []authn.DecryptionKey{{ID: "ours", Private: recipient()}, {ID: "ours-rsa", Private: otherRSAKey()}},
		Algorithms: []string{"ECDH-ES", "RSA-OAEP-256"},
	}
}

func TestEncryptedTokens(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, decrypting)
	good := sign(goodHeader(), p.claims(c.now()))
	ours := recipient().Public()
	for name, token := range map[string]string{
		"ECDH-ES":      encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "ours", good),
		"RSA-OAEP-256": encrypted(t, jose.RSA_OAEP_256, jose.A256GCM, otherRSAKey().Public(), "ours-rsa", good),
		"only signed":  good,
	} {
		for range 2 {
			if s, err := a.Authenticate(t.Context(), asked("Bearer", token)); err != nil || s.ID != "user-1" {
				t.Errorf("%s: got %q, %v", name, s.ID, err)
			}
		}
	}
	strict := authenticator(t, p, c, decrypting, func(c *authn.Config) { c.Issuers[0].Encryption.Required = true })
	checkRefused(t, strict, badToken{"", good, authn.ReasonIssuer})
	for _, test := range badEncrypted(t, p, c.now()) {
		t.Run(test.name, func(t *testing.T) {
			checkRefused(t, a, test)
			checkRefused(t, a, test)
			checkRefused(t, authenticator(t, p, c, decrypting), test)
		})
	}
	checkRefused(t, authenticator(t, p, c), badToken{"", encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "ours", good), authn.ReasonEncryption})
}

// TestEncryptedForAnotherIssuer: a token encrypted to one issuer's key is no token of another, even if it would be accepted unencrypted.
func TestEncryptedForAnotherIssuer(t *testing.T) {
	c := newClock()
	p, q := newProvider(t), newProvider(t)
	a := authenticator(t, p, c, decrypting, func(c *authn.Config) {
		c.Issuers = append(c.Issuers, issuerConfig(q))
		c.Clients["q-app"] = authn.Client{Issuer: q.url}
	})
	signed := sign(goodHeader(), with(q.claims(c.now()), "client_id", "q-app"))
	if _, err := a.Authenticate(t.Context(), asked("Bearer", signed)); err != nil {
		t.Errorf("without an envelope: %v", err)
	}
	checkRefused(t, a, badToken{"", encrypted(t, jose.ECDH_ES, jose.A256GCM, recipient().Public(), "ours", signed), authn.ReasonIssuer})
}

func badEncrypted(t *testing.T, p *provider, now time.Time) []badToken {
	const bad, header, malformed = authn.ReasonEncryption, authn.ReasonHeader, authn.ReasonMalformed
	good := sign(goodHeader(), p.claims(now))
	ours := recipient().Public()
	jwe := func(signed string) string { return encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "ours", signed) }
	token := jwe(good)
	part := strings.Split(token, ".")
	with := func(i int, segment string) string {
		changed := slices.Clone(part)
		changed[i] = segment
		return strings.Join(changed, ".")
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	withHeader := func(name string, value any) string {
		var raw members
		text, _ := base64.RawURLEncoding.DecodeString(part[0])
		_ = json.Unmarshal(text, &raw)
		raw[name] = value
		if value == drop {
			delete(raw, name)
		}
		return with(0, encode(toJSON(raw)))
	}
	return []badToken{
		{"TK-10 to another's key under our kid", encrypted(t, jose.ECDH_ES, jose.A256GCM, otherP256().Public(), "ours", good), bad},
		{"TK-10 under an unknown kid", encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "stranger", good), bad},
		{"TK-10 without a kid", encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "", good), bad},
		{"TK-10 the kid of the RSA key", encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "ours-rsa", good), bad},
		{"TK-10 RSA-OAEP with SHA-1", encrypted(t, jose.RSA_OAEP, jose.A256GCM, otherRSAKey().Public(), "ours-rsa", good), bad},
		{"TK-10 RSA1_5", encrypted(t, jose.RSA1_5, jose.A256GCM, otherRSAKey().Public(), "ours-rsa", good), bad},
		{"TK-10 ECDH-ES+A256KW", encrypted(t, jose.ECDH_ES_A256KW, jose.A256GCM, ours, "ours", good), bad},
		{"TK-10 dir", encrypted(t, jose.DIRECT, jose.A256GCM, secret, "ours", good), bad},
		{"TK-10 a password", encrypted(t, jose.PBES2_HS256_A128KW, jose.A256GCM, "password", "ours", good), header},
		{"TK-10 A128GCM", encrypted(t, jose.ECDH_ES, jose.A128GCM, ours, "ours", good), bad},
		{"TK-10 A256CBC-HS512", encrypted(t, jose.ECDH_ES, jose.A256CBC_HS512, ours, "ours", good), bad},
		{"TK-10 compressed", encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "ours", good, func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE }), header},
		{"TK-10 without cty", encrypted(t, jose.ECDH_ES, jose.A256GCM, ours, "ours", good, func(o *jose.EncrypterOptions) { delete(o.ExtraHeaders, jose.HeaderContentType) }), header},
		{"TK-10 crit", withHeader("crit", []any{"exp"}), header},
		{"TK-10 jku", withHeader("jku", "https://evil.example"), header},
		{"TK-10 iss in the header", withHeader("iss", "https://evil.example"), header},
		{"TK-10 epk off the curve", withHeader("epk", members{"kty": "EC", "crv": "P-256", "x": encode(make([]byte, 32)), "y": encode(make([]byte, 32))}), bad},
		{"TK-10 no epk", withHeader("epk", drop), bad},
		{"TK-10 a header that was changed", withHeader("typ", "JWT"), bad},
		{"TK-10 a content that was changed", with(3, "A"+part[3][1:]+"AAAA"), bad},
		{"TK-10 a tag of zeros", with(4, encode(make([]byte, 16))), bad},
		{"TK-10 a short tag", with(4, part[4][:12]), malformed},
		{"TK-10 no tag", with(4, ""), malformed},
		{"TK-10 padding", with(3, part[3]+"="), malformed},
		{"TK-10 a key where none belongs", with(1, encode(secret)), bad},
		{"TK-10 content that is no token", jwe("hello"), malformed},
		{"TK-10 content that is only claims", jwe(string(toJSON(p.claims(now)))), malformed},
		{"TK-10 nested twice", jwe(jwe(good)), malformed},
		{"TK-10 an unsigned token inside", jwe(encode(toJSON(members{"alg": "none", "typ": "at+jwt"})) + "." + encode(toJSON(p.claims(now))) + "."), malformed},
		{"TK-10 another's signature inside", jwe(seal("RS256", otherRSAKey(), toJSON(goodHeader()), toJSON(p.claims(now)))), authn.ReasonSignature},
		{"TK-10 another issuer's token inside", jwe(sign(goodHeader(), members{"iss": "https://elsewhere.example"})), authn.ReasonIssuer},
		{"TK-10 over 16 KiB", jwe(sign(goodHeader(), members{"x": strings.Repeat("x", 16<<10)})), malformed},
	}
}
