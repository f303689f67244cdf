package e2e_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/internal/demo"
)

// badCredentials is one row of the table: the credentials of a request, and why they are refused.
type badCredentials struct {
	name   string
	header http.Header
	reason string
}

// credentialTable makes requests with bad credentials, and good ones to show that nothing else is wrong with them.
type credentialTable struct {
	target        string // of the request, absolute
	key           *ecdsa.PrivateKey
	certificate   *x509.Certificate
	recipient     *ecdsa.PrivateKey // the key to which tokens are encrypted
	opaque        map[string]m      // what the issuer says about opaque tokens
	header, claim m                 // of a good token
	rows          []badCredentials
	proofs        int
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func sum(b []byte) string {
	digest := sha256.Sum256(b)
	return b64(digest[:])
}

// replaced returns a copy with one member changed; gone removes it.
func replaced(object m, name string, value any) m {
	object = maps.Clone(object)
	if object[name] = value; value == gone {
		delete(object, name)
	}
	return object
}

type nothing struct{}

var gone any = nothing{}

// es256 signs header and payload (RFC 7518 §3.4), whatever the header says. Texts are used unchanged.
func es256(key *ecdsa.PrivateKey, header, payload any) string {
	written := func(part any) string {
		if text, ok := part.(string); ok {
			return text
		}
		return inJSON(part)
	}
	input := b64([]byte(written(header))) + "." + b64([]byte(written(payload)))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func newCredentialTable() *credentialTable { return newCredentialTableOf(demo.GP()) }

// newCredentialTableOf is newCredentialTable for the tokens of another caller.
func newCredentialTableOf(caller demo.Caller) *credentialTable {
	t := &credentialTable{opaque: map[string]m{}}
	t.key, t.recipient = ecKey(), ecKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, t.key.Public(), t.key)
	if err == nil {
		t.certificate, err = x509.ParseCertificate(der)
	}
	if err != nil {
		panic(err)
	}
	token, err := issuer.Token(caller.Claims)
	if err != nil {
		panic(err)
	}
	part := strings.Split(token, ".")
	for i, into := range []*m{&t.header, &t.claim} {
		raw, _ := base64.RawURLEncoding.DecodeString(part[i])
		if err := json.Unmarshal(raw, into); err != nil {
			panic(err)
		}
	}
	for _, name := range []string{"iat", "exp", "auth_time"} { // float64 would be written with an exponent
		t.claim[name] = int64(t.claim[name].(float64))
	}
	t.opaque["opaque-good"] = t.claim
	return t
}

func (t *credentialTable) sign(header, claims m) string {
	return es256(issuer.SigningKey().Key.(*ecdsa.PrivateKey), header, claims)
}

func (t *credentialTable) jwk() m {
	b, _ := json.Marshal(jose.JSONWebKey{Key: t.key.Public()})
	var jwk m
	_ = json.Unmarshal(b, &jwk)
	return jwk
}

func (t *credentialTable) bound(cnf m) string { return t.sign(t.header, replaced(t.claim, "cnf", cnf)) }

func (t *credentialTable) jkt() m {
	b, err := (&jose.JSONWebKey{Key: t.key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return m{"jkt": b64(b)}
}

func (t *credentialTable) x5t() m { return m{"x5t#S256": sum(t.certificate.Raw)} }

func (t *credentialTable) proof(token string, header, claims m) string {
	t.proofs++
	h := m{"typ": "dpop+jwt", "alg": "ES256", "jwk": t.jwk()}
	c := m{"jti": fmt.Sprint("proof-", t.proofs), "htm": "GET", "htu": t.target, "iat": time.Now().Unix(), "ath": sum([]byte(token))}
	for object, changes := range map[*m]m{&h: header, &c: claims} {
		for name, value := range changes {
			*object = replaced(*object, name, value)
		}
	}
	return es256(t.key, h, c)
}

func (t *credentialTable) shown() string {
	return ":" + base64.StdEncoding.EncodeToString(t.certificate.Raw) + ":"
}

func (t *credentialTable) encrypt(signed string, change ...func(*jose.EncrypterOptions)) string {
	options := (&jose.EncrypterOptions{}).WithContentType("JWT")
	for _, f := range change {
		f(options)
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES, Key: t.recipient.Public(), KeyID: "ours"}, options)
	if err != nil {
		panic(err)
	}
	jwe, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		panic(err)
	}
	raw, err := jwe.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return raw
}

// good returns valid credentials of every kind, new ones each time.
func (t *credentialTable) good() map[string]http.Header {
	free, key, certificate := t.sign(t.header, t.claim), t.bound(t.jkt()), t.bound(t.x5t())
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	return map[string]http.Header{
		"a JWT":                          bearer(free),
		"an encrypted JWT":               bearer(t.encrypt(free)),
		"an opaque token":                bearer("opaque-good"),
		"a token bound to a key":         {"Authorization": {"DPoP " + key}, "Dpop": {t.proof(key, nil, nil)}},
		"a token bound to a certificate": {"Authorization": {"Bearer " + certificate}, "Client-Cert": {t.shown()}},
	}
}

// fill makes all rows. The name of a row begins with its class.
func (t *credentialTable) fill() {
	t.headers()
	t.claims()
	t.forms()
	t.credentials()
	t.boundTokens()
	t.badProofs()
	t.opaqueTokens()
	t.encrypted()
	t.attacks()
}

func (t *credentialTable) row(name, reason string, h http.Header) {
	t.rows = append(t.rows, badCredentials{name: name, header: h, reason: reason})
}

func (t *credentialTable) token(name, reason, token string) {
	t.row(name, reason, http.Header{"Authorization": {"Bearer " + token}})
}

func (t *credentialTable) headers() {
	for _, tt := range []struct {
		name   string
		reason string
		values []any
	}{
		{"alg", "token-algorithm", []any{"none", "None", "nOnE", "es256", "ES384", "RS256", "PS256", "HS256", "EdDSA", " ES256", "", nil, 1, []string{"ES256"}, gone}},
		{"typ", "token-type", []any{"JWT", "at+JWT", "id_token", "logout+jwt", "refresh+jwt", "dpop+jwt", "", nil, gone}},
		{"kid", "token-key", []any{"../../etc/passwd", "' OR '1'='1", "http://evil.example/keys", strings.Repeat("k", 300), "", 1, []string{"a"}}},
	} {
		for _, value := range tt.values {
			t.token(fmt.Sprintf("header %s is %.30v", tt.name, value), tt.reason, t.sign(replaced(t.header, tt.name, value), t.claim))
		}
	}
	for name, value := range map[string]any{
		"jku": "http://evil.example/keys", "x5u": "http://evil.example", "jwk": t.jwk(), "JWK": t.jwk(), "x5c": []string{"MIIB"}, "cty": "JWT", "zip": "DEF", "enc": "A256GCM",
		"crit": []string{"exp"}, "b64": false, "epk": m{}, "p2s": "x",
	} {
		t.token("header "+name, "token-header", t.sign(replaced(t.header, name, value), t.claim))
	}
	t.token("key of a stranger under a known kid", "token-signature", es256(t.key, t.header, t.claim))
	t.token("key of a stranger without a kid", "token-signature", es256(t.key, replaced(t.header, "kid", gone), t.claim))
	t.token("key of a stranger under a new kid", "token-key", es256(t.key, replaced(t.header, "kid", "new"), t.claim))
}

func (t *credentialTable) claims() {
	now := time.Now().Unix()
	for _, tt := range []struct {
		name   string
		reason string
		values []any
	}{
		{"iss", "token-issuer", []any{issuer.URL() + "/", strings.Replace(issuer.URL(), "http:", "https:", 1), issuer.URL() + "/realms/x", strings.ToUpper(issuer.URL()), "", nil, []string{issuer.URL()}, gone}},
		{"aud", "token-audience", []any{"other", []string{"other"}, []string{}, issuer.Audience() + "/", []any{issuer.Audience(), 1}, m{"0": issuer.Audience()}, 1, nil, gone}},
		{"exp", "token-time", []any{fmt.Sprint(now + 60), true, nil, []int64{now}, -1, 1e300, gone}},
		{"exp", "token-lifetime", []any{now + 7*24*3600, int64(253402300799)}},
		{"iat", "token-time", []any{"0", nil, gone}},
		{"nbf", "token-time", []any{now + 3600, "0", nil}},
		{"auth_time", "token-time", []any{now + 3600, "0", nil}},
		{"sub", "token-subject", []any{"", nil, 1, "a\nb", gone}},
		{"jti", "token-subject", []any{1, "", nil}},
		{"client_id", "token-client", []any{"stranger", "GP", gone}},
		{"client_id", "token-claim", []any{1, []string{"gp"}, nil}},
		{"azp", "token-client", []any{"pharmacist", []string{"gp"}, nil}},
		{"acr", "token-claim", []any{1, []any{1}, nil, ""}},
		{"relationship", "token-claim", []any{1, "", m{}}},
		{"uzi_roles", "token-claim", []any{"01.015", []any{1}, m{"code": "01.015"}}},
		{"scope", "token-scope", []any{[]string{"user/*.rs"}, "user/Observation.rs", "user/*.sr", "user/*.rs  x", "patient/*.rs", "user/*.rs?category=laboratory", 1, nil}},
	} {
		for _, value := range tt.values {
			t.token(fmt.Sprintf("claim %s is %.40v", tt.name, value), tt.reason, t.sign(t.header, replaced(t.claim, tt.name, value)))
		}
	}
	t.token("claim iat in the future", "token-time", t.sign(t.header, replaced(replaced(t.claim, "iat", now+3600), "exp", now+3900)))
	t.token("claim exp of yesterday", "token-expired", t.sign(t.header, replaced(replaced(t.claim, "iat", now-90000), "exp", now-86400)))
	for _, mark := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		t.token("claim "+mark+" of another kind of token", "token-type", t.sign(t.header, replaced(t.claim, mark, "x")))
	}
	for _, name := range []string{"act", "may_act", "represents", "represented", "mandate", "on_behalf_of", "onbehalfofchild", "delegation", "authorization_details", "_claim_names", "_claim_sources", "vp", "patient", "launch"} {
		t.token("claim "+name+" that is not processed", "token-claim-unprocessed", t.sign(t.header, replaced(t.claim, name, m{"sub": "x"})))
	}
}

func (t *credentialTable) forms() {
	const malformed = "token-malformed"
	good := t.sign(t.header, t.claim)
	part := strings.Split(good, ".")
	payload, _ := json.Marshal(t.claim)
	key := issuer.SigningKey().Key.(*ecdsa.PrivateKey)
	for name, token := range map[string]string{
		"no signature": part[0] + "." + part[1] + ".", "no payload": part[0] + ".." + part[2], "only dots": "..",
		"garbage bits": good[:len(good)-1] + garbage(good), "a plus": part[0] + ".+" + part[1][1:] + "." + part[2], "a slash": part[0] + "./" + part[1][1:] + "." + part[2], "padding": good + "=",
		"sub twice": es256(key, t.header, `{"sub":"other",`+string(payload[1:])), "SUB beside sub": es256(key, t.header, `{"SUB":"other",`+string(payload[1:])),
		"an escaped name twice": es256(key, t.header, `{"s\u0075b":"other",`+string(payload[1:])), "two objects": es256(key, t.header, string(payload)+string(payload)), "a list": es256(key, t.header, "["+string(payload)+"]"),
		"nested too deep": es256(key, t.header, `{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+","+string(payload[1:])), "a lone surrogate": es256(key, t.header, `{"x":"\ud800",`+string(payload[1:])),
		"a NUL": es256(key, t.header, `{"x":"\u0000",`+string(payload[1:])), "over 16 KiB": t.sign(t.header, replaced(t.claim, "x", strings.Repeat("x", 14<<10))),
	} {
		t.token("form: "+name, malformed, token)
	}
	other := strings.Split(t.sign(t.header, replaced(t.claim, "sub", "other")), ".")
	t.token("form: the signature of another token", "token-signature", part[0]+"."+part[1]+"."+other[2])
	t.token("form: the claims of another token", "token-signature", part[0]+"."+other[1]+"."+part[2])
	t.token("form: a signature of zeros", "token-signature", part[0]+"."+part[1]+"."+b64(make([]byte, 64)))
	t.token("form: a signature cut short", "token-signature", part[0]+"."+part[1]+"."+b64(make([]byte, 63)))
}

func (t *credentialTable) credentials() {
	good := t.sign(t.header, t.claim)
	for reason, values := range map[string][][]string{
		"token-missing":           {nil},
		"authorization-scheme":    {{"Basic " + good}, {good}, {""}, {"Bearer\t" + good}, {"Token " + good}, {"BearerX " + good}},
		"authorization-malformed": {{"Bearer"}, {"Bearer  " + good}, {"Bearer " + good + " x"}, {`Bearer "` + good + `"`}, {"Bearer =="}, {"DPoP"}, {"DPoP  " + good}},
		"authorization-repeated":  {{"Bearer " + good, "Bearer " + good}, {"Bearer " + good, ""}, {"Bearer " + good, "DPoP " + good}, {"Bearer " + good + ", Bearer " + good}, {"DPoP " + good + ",x"}},
	} {
		for _, v := range values {
			t.row(fmt.Sprintf("header Authorization: %.20q", v), reason, http.Header{"Authorization": v})
		}
	}
	t.row("a cookie", "token-missing", http.Header{"Cookie": {"access_token=" + good}})
	t.row("headers of a proxy that ends authentication", "token-missing", http.Header{"X-Forwarded-User": {"gp"}, "X-Forwarded-Access-Token": {good}, "X-Auth-Request-User": {"gp"}})
	t.row("a health check's user agent", "token-missing", http.Header{"User-Agent": {"kube-probe/1.30"}})
	t.row("a certificate only", "token-missing", http.Header{"Client-Cert": {t.shown()}})
	t.row("a proof only", "token-missing", http.Header{"Dpop": {t.proof(good, nil, nil)}})
}

func (t *credentialTable) boundTokens() {
	key, certificate := t.bound(t.jkt()), t.bound(t.x5t())
	for name, cnf := range map[string]any{
		"empty": m{}, "null": nil, "a text": "x", "a short digest": m{"jkt": "abc"}, "a padded digest": m{"jkt": sum(nil) + "="}, "jwk": m{"jwk": t.jwk()}, "kid": m{"kid": "x"},
		"SHA-1": m{"x5t": sum(nil)}, "jkt and what is not processed": m{"jkt": t.jkt()["jkt"], "jwe": "x"},
	} {
		t.token("cnf is "+name, "token-binding", t.sign(t.header, replaced(t.claim, "cnf", cnf)))
	}
	t.token("Cnf in capitals", "token-binding", t.sign(t.header, replaced(t.claim, "Cnf", t.jkt())))
	t.token("bound to a key, as Bearer", "token-proof-scheme", key)
	t.row("bound to a key, as Bearer with its proof", "token-proof-scheme", http.Header{"Authorization": {"Bearer " + key}, "Dpop": {t.proof(key, nil, nil)}})
	free := t.sign(t.header, t.claim)
	t.row("not bound, as DPoP", "token-proof-scheme", http.Header{"Authorization": {"DPoP " + free}, "Dpop": {t.proof(free, nil, nil)}})
	t.token("bound to a certificate, without one", "token-certificate", certificate)
	other := ":" + base64.StdEncoding.EncodeToString(t.certificate.RawTBSCertificate) + ":"
	for name, values := range map[string][]string{"garbage": {"x"}, "another": {other}, "empty": {""}, "cut": {t.shown()[:40] + ":"}, "twice": {t.shown(), t.shown()}, "without its end": {t.shown()[:len(t.shown())-1]}} {
		t.row("bound to a certificate, and one that is "+name, "token-certificate", http.Header{"Authorization": {"Bearer " + certificate}, "Client-Cert": values})
	}
	for _, name := range []string{"X-Client-Cert", "X-Forwarded-Client-Cert", "X-Ssl-Client-Cert", "Ssl-Client-Cert"} {
		t.row("bound to a certificate that stands in "+name, "token-certificate", http.Header{"Authorization": {"Bearer " + certificate}, name: {t.shown()}})
	}
	both := t.x5t()
	maps.Copy(both, t.jkt())
	token := t.bound(both)
	t.row("bound to both, with a proof only", "token-certificate", http.Header{"Authorization": {"DPoP " + token}, "Dpop": {t.proof(token, nil, nil)}})
	t.row("bound to both, with a certificate only", "token-proof-scheme", http.Header{"Authorization": {"Bearer " + token}, "Client-Cert": {t.shown()}})
}

func (t *credentialTable) badProofs() {
	token := t.bound(t.jkt())
	proofs := func(name, reason string, proofs ...string) {
		t.row("proof: "+name, reason, http.Header{"Authorization": {"DPoP " + token}, "Dpop": proofs})
	}
	proofs("missing", "proof-missing")
	proofs("two", "proof-repeated", t.proof(token, nil, nil), t.proof(token, nil, nil))
	stranger := ecKey()
	strangers, _ := json.Marshal(jose.JSONWebKey{Key: stranger.Public()})
	now := time.Now().Unix()
	for reason, changes := range map[string][]m{
		"proof-type":      {{"typ": "JWT"}, {"typ": "at+jwt"}, {"typ": gone}},
		"proof-algorithm": {{"alg": "none"}, {"alg": "HS256"}, {"alg": "RS256"}, {"alg": gone}},
		"proof-key":       {{"jwk": gone}, {"jwk": m{"kty": "oct", "k": "c2VjcmV0"}}, {"jwk": replaced(t.jwk(), "d", "AAAA")}, {"alg": "PS256"}},
		"proof-header":    {{"jku": "http://evil.example"}, {"x5c": []string{"MIIB"}}, {"crit": []string{"exp"}}, {"b64": false}},
		"proof-binding":   {{"jwk": json.RawMessage(strangers)}},
	} {
		for _, change := range changes {
			proofs(fmt.Sprintf("%.60v in the header", change), reason, t.proof(token, change, nil))
		}
	}
	for reason, changes := range map[string][]m{
		"proof-method": {{"htm": "POST"}, {"htm": "get"}, {"htm": gone}},
		"proof-target": {{"htu": "http://evil.example/fhir/demo/Observation/obs-lab-d"}, {"htu": t.target + "?x=1"}, {"htu": t.target + "/"}, {"htu": strings.Replace(t.target, "http:", "https:", 1)}, {"htu": strings.TrimSuffix(t.target, "-d")}, {"htu": gone}},
		"proof-token":  {{"ath": gone}, {"ath": sum([]byte("other"))}},
		"proof-time":   {{"iat": gone}, {"iat": now - 600}, {"iat": now + 600}, {"iat": "now"}, {"exp": now - 1}, {"nbf": now + 600}},
		"proof-id":     {{"jti": gone}, {"jti": ""}, {"jti": 1}, {"jti": strings.Repeat("x", 300)}},
	} {
		for _, change := range changes {
			proofs(fmt.Sprintf("%.60v", change), reason, t.proof(token, nil, change))
		}
	}
	good := strings.Split(t.proof(token, nil, nil), ".")
	proofs("the signature of another", "proof-signature", good[0]+"."+good[1]+"."+strings.Split(t.proof(token, nil, nil), ".")[2])
	proofs("two segments", "proof-malformed", good[0]+"."+good[1])
	proofs("a JWE", "proof-malformed", strings.Join([]string{good[0], good[1], good[2], good[1], good[2]}, "."))
	proofs("over 8 KiB", "proof-malformed", t.proof(token, nil, m{"x": strings.Repeat("x", 8<<10)}))
	proofs("of another token", "proof-token", t.proof(t.bound(t.jkt()), nil, nil))
}

func (t *credentialTable) opaqueTokens() {
	now := time.Now().Unix()
	t.token("opaque: unknown to its issuer", "token-inactive", "opaque-reference")
	t.token("opaque: no token of this issuer", "token-malformed", "reference")
	for _, tt := range []struct {
		claim, reason string
		value         any
	}{
		{"iss", "token-issuer", "http://evil.example"}, {"aud", "token-audience", "other"}, {"aud", "token-audience", gone}, {"exp", "token-expired", now - 10}, {"exp", "token-time", gone}, {"exp", "token-lifetime", now + 86400},
		{"nbf", "token-time", now + 3600}, {"client_id", "token-client", "stranger"}, {"client_id", "token-client", gone}, {"sub", "token-subject", gone}, {"scope", "token-scope", "user/Observation.rs"},
		{"token_type", "token-type", "refresh_token"}, {"typ", "token-type", "Refresh"}, {"token_use", "token-type", "id_token"}, {"nonce", "token-type", "x"}, {"act", "token-claim-unprocessed", m{}},
		{"cnf", "token-proof-scheme", t.jkt()}, {"cnf", "token-certificate", t.x5t()}, {"cnf", "token-binding", m{}}, {"token_type", "token-binding", "DPoP"},
	} {
		token := fmt.Sprintf("opaque-%d", len(t.rows))
		t.opaque[token] = replaced(replaced(t.claim, "iat", gone), tt.claim, tt.value)
		t.token(fmt.Sprintf("opaque: %s is %v", tt.claim, tt.value), tt.reason, token)
	}
}

func (t *credentialTable) encrypted() {
	good := t.sign(t.header, t.claim)
	part := strings.Split(t.encrypt(good), ".")
	header := func(name string, value any) string {
		raw, _ := base64.RawURLEncoding.DecodeString(part[0])
		var h m
		_ = json.Unmarshal(raw, &h)
		b, _ := json.Marshal(replaced(h, name, value))
		return strings.Join(append([]string{b64(b)}, part[1:]...), ".")
	}
	for _, tt := range []struct{ name, reason, token string }{
		{"an unknown kid", "token-encryption", header("kid", "stranger")}, {"no kid", "token-encryption", header("kid", gone)}, {"RSA1_5", "token-encryption", header("alg", "RSA1_5")},
		{"a password", "token-encryption", header("alg", "PBES2-HS256+A128KW")}, {"dir", "token-encryption", header("alg", "dir")}, {"A128CBC-HS256", "token-encryption", header("enc", "A128CBC-HS256")},
		{"a bomb", "token-header", t.encrypt(good, func(o *jose.EncrypterOptions) { o.Compression = jose.DEFLATE })}, {"rounds", "token-header", header("p2c", 1<<30)}, {"crit", "token-header", header("crit", []string{"x"})}, {"no cty", "token-header", header("cty", gone)},
		{"a changed header", "token-encryption", header("typ", "x")}, {"a changed tag", "token-encryption", strings.Join(append(part[:4:4], b64(make([]byte, 16))), ".")}, {"an encrypted key", "token-encryption", strings.Join([]string{part[0], "AAAA", part[2], part[3], part[4]}, ".")},
		{"no token inside", "token-malformed", t.encrypt("hello")}, {"nested twice", "token-malformed", t.encrypt(t.encrypt(good))}, {"unsigned claims inside", "token-malformed", t.encrypt(part[0])},
		{"a stranger's token inside", "token-signature", t.encrypt(es256(t.key, t.header, t.claim))}, {"an expired token inside", "token-lifetime", t.encrypt(t.sign(t.header, replaced(t.claim, "exp", 1)))},
	} {
		t.token("encrypted: "+tt.name, tt.reason, tt.token)
	}
}
