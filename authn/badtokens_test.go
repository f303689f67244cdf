package authn_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// badToken is a token that must be refused for its own reason. name starts with its row in leaks.md.
type badToken struct {
	name  string
	token string
	want  policy.Reason
}

// tokens builds bad tokens from a good one.
type tokens struct {
	claims members
	list   []badToken
}

func (b *tokens) add(name, token string, want policy.Reason) {
	b.list = append(b.list, badToken{name, token, want})
}

// claim adds a token with one claim changed.
func (b *tokens) claim(name, claim string, value any, want policy.Reason) {
	b.add(name, sign(goodHeader(), with(b.claims, claim, value)), want)
}

// header adds a token with one header parameter changed.
func (b *tokens) header(name, parameter string, value any, want policy.Reason) {
	b.add(name, sign(with(goodHeader(), parameter, value), b.claims), want)
}

// splice adds a token with text inserted into the good payload after its brace.
func (b *tokens) splice(name, text string, want policy.Reason) {
	payload := append([]byte("{"+text+","), toJSON(b.claims)[1:]...)
	b.add(name, seal("RS256", rsaKey(), toJSON(goodHeader()), payload), want)
}

// extension adds a token with one member of extensions.ihe_iua changed.
func (b *tokens) extension(name, member string, value any, want policy.Reason) {
	iua := with(b.claims["extensions"].(members)["ihe_iua"].(members), member, value)
	b.claim(name, "extensions", members{"ihe_iua": iua}, want)
}

func badTokens(p *provider, now time.Time) []badToken {
	b := &tokens{claims: p.claims(now)}
	b.algorithms()
	b.keys()
	b.headers()
	b.issuerAndAudience(p)
	b.times(now)
	b.types()
	b.form()
	b.json()
	b.meaning()
	b.bound()
	b.mapped()
	b.scopes()
	patient := &tokens{claims: p.patientClaims(now)}
	patient.persons()
	return append(b.list, patient.list...)
}

func (b *tokens) algorithms() {
	const bad = authn.ReasonAlgorithm
	unsigned := func(alg string) string {
		return encode(toJSON(with(goodHeader(), "alg", alg))) + "." + encode(toJSON(b.claims)) + "."
	}
	b.add("TK-1 alg none without a signature", unsigned("none"), authn.ReasonMalformed)
	b.add("TK-1 alg RS256 without a signature", unsigned("RS256"), authn.ReasonMalformed)
	for _, alg := range []string{"none", "None", "nOnE", "NONE", " RS256", "RS256 ", "rs256", "RS256\n", "RS384", "HS256", "EdDSA", "ES256K", "RSA1_5", "dir"} {
		b.header("TK-1 alg is "+alg, "alg", alg, bad)
	}
	b.header("TK-1 alg is missing", "alg", drop, bad)
	b.header("TK-1 alg is null", "alg", nil, bad)
	b.header("TK-1 alg is a list", "alg", []any{"RS256"}, bad)
	b.header("TK-1 alg is empty", "alg", "", bad)
	public, _ := x509.MarshalPKIXPublicKey(rsaKey().Public())
	hmacHeader := toJSON(with(goodHeader(), "alg", "HS256"))
	b.add("TK-2 HS256 with the public key as secret", seal("HS256", public, hmacHeader, toJSON(b.claims)), bad)
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	b.add("TK-2 HS256 with the public key in PEM as secret", seal("HS256", text, hmacHeader, toJSON(b.claims)), bad)
	b.add("TK-2 HMAC under a header that says RS256", seal("HS256", public, toJSON(goodHeader()), toJSON(b.claims)), authn.ReasonSignature)
}

func (b *tokens) keys() {
	const wrong, none = authn.ReasonSignature, authn.ReasonKey
	payload := toJSON(b.claims)
	header := func(alg, kid string) []byte { return toJSON(with(with(goodHeader(), "alg", alg), "kid", kid)) }
	good := sign(goodHeader(), b.claims)
	part := strings.Split(good, ".")

	b.add("TK-2 ES256 with the kid of an RSA key", seal("ES256", p256Key(), header("ES256", "rsa"), payload), none)
	b.add("TK-2 RS256 with the kid of an EC key", seal("RS256", rsaKey(), header("RS256", "ec"), payload), none)
	b.add("TK-2 a key with the alg of another algorithm", seal("PS256", otherRSAKey(), header("PS256", "rs256-only"), payload), none)
	b.add("TK-2 a key for encryption", seal("RS256", otherRSAKey(), header("RS256", "encryption"), payload), none)
	b.add("TK-2 a key that may not verify", seal("RS256", otherRSAKey(), header("RS256", "wrap"), payload), none)
	b.add("TK-2 a key of another curve", seal("ES256", p256Key(), header("ES256", "p384"), payload), none)
	b.add("TK-2 a symmetric key in the set", seal("HS256", []byte("secret"), header("HS256", "oct"), payload), authn.ReasonAlgorithm)
	b.add("TK-2 an RSA key of 1024 bits", seal("RS256", smallRSAKey(), header("RS256", "small"), payload), none)
	b.add("TK-2 a published private key", seal("RS256", otherRSAKey(), header("RS256", "private"), payload), none)
	b.add("TK-2 a key that was published with a private part", seal("RS256", otherRSAKey(), header("RS256", "leaked"), payload), none)
	b.add("TK-2 PS256 said, RS256 done", seal("RS256", rsaKey(), header("PS256", "rsa"), payload), wrong)
	b.add("TK-2 RS256 said, PS256 done", seal("PS256", rsaKey(), header("RS256", "rsa"), payload), wrong)
	b.add("TK-2 an ECDSA signature in DER", seal("ES256-DER", p256Key(), header("ES256", "ec"), payload), wrong)
	b.add("TK-2 an ECDSA signature of zeros", encode(header("ES256", "ec"))+"."+part[1]+"."+encode(make([]byte, 64)), wrong)
	b.add("TK-3 another's RSA key under a known kid", seal("RS256", otherRSAKey(), toJSON(goodHeader()), payload), wrong)
	b.add("TK-3 another's EC key under a known kid", seal("ES256", otherP256(), header("ES256", "ec"), payload), wrong)
	b.add("TK-3 another's key without a kid", seal("ES256", otherP256(), toJSON(members{"alg": "ES256", "typ": "at+jwt"}), payload), wrong)
	b.add("TK-3 another's key under an unknown kid", seal("RS256", otherRSAKey(), header("RS256", "stranger"), payload), none)

	other := strings.Split(sign(goodHeader(), with(b.claims, "sub", "user-2")), ".")
	b.add("signature of another token", part[0]+"."+part[1]+"."+other[2], wrong)
	b.add("payload of another token", part[0]+"."+other[1]+"."+part[2], wrong)
	b.add("header of another token", encode(toJSON(with(goodHeader(), "extra", 1)))+"."+part[1]+"."+part[2], wrong)
	raw, _ := base64.RawURLEncoding.DecodeString(part[2])
	b.add("signature cut short", part[0]+"."+part[1]+"."+encode(raw[:len(raw)-1]), wrong)
	b.add("signature with a byte more", part[0]+"."+part[1]+"."+encode(append(raw[:len(raw):len(raw)], 0)), wrong)
	raw[0] ^= 1
	b.add("signature with a bit flipped", part[0]+"."+part[1]+"."+encode(raw), wrong)
}

func (b *tokens) headers() {
	const bad = authn.ReasonHeader
	b.header("TK-3 jku", "jku", "https://evil.example/keys", bad)
	b.header("TK-3 x5u", "x5u", "https://evil.example/cert", bad)
	b.header("TK-3 jwk", "jwk", publicJWK("rsa", otherRSAKey().Public()), bad)
	b.header("TK-3 jwk in capitals", "JWK", publicJWK("rsa", otherRSAKey().Public()), bad)
	b.header("TK-3 x5c", "x5c", []any{"MIIB"}, bad)
	for _, kid := range []string{"../../rsa", "/etc/passwd", "https://evil.example/keys", "rsa' OR '1'='1", "RSA", "rsa ", "rs"} {
		b.header("TK-3 kid is "+kid, "kid", kid, authn.ReasonKey)
	}
	b.header("TK-3 kid is a number", "kid", 1, authn.ReasonKey)
	b.header("TK-3 kid is a list", "kid", []any{"rsa"}, authn.ReasonKey)
	b.header("TK-3 kid is empty", "kid", "", authn.ReasonKey)
	b.header("TK-3 kid is too long", "kid", strings.Repeat("k", 300), authn.ReasonKey)
	b.header("TK-3 no kid where several keys fit", "kid", drop, authn.ReasonKey)
	b.header("TK-10 cty JWT: nested", "cty", "JWT", bad)
	b.header("TK-10 zip", "zip", "DEF", bad)
	b.header("TK-10 enc", "enc", "A256GCM", bad)
	b.header("TK-10 crit names a claim", "crit", []any{"exp"}, bad)
	b.header("TK-10 crit is empty", "crit", []any{}, bad)
	b.header("TK-10 crit in capitals", "CRIT", []any{"b64"}, bad)
	b.header("TK-10 b64", "b64", false, bad)
}

func (b *tokens) issuerAndAudience(p *provider) {
	issuer := authn.ReasonIssuer
	b.claim("TK-4 iss with a trailing slash", "iss", p.url+"/", issuer)
	b.claim("TK-4 iss with https", "iss", strings.Replace(p.url, "http:", "https:", 1), issuer)
	b.claim("TK-4 iss of another realm", "iss", p.url+"/realms/other", issuer)
	b.claim("TK-4 iss in capitals", "iss", strings.ToUpper(p.url), issuer)
	b.claim("TK-4 iss with a space", "iss", p.url+" ", issuer)
	b.claim("TK-4 iss is missing", "iss", drop, issuer)
	b.claim("TK-4 iss is null", "iss", nil, issuer)
	b.claim("TK-4 iss is a list", "iss", []any{p.url}, issuer)
	b.claim("TK-4 iss is Google's other name", "iss", "accounts.google.com", issuer)

	bad := authn.ReasonAudience
	b.claim("TK-5 aud is missing", "aud", drop, bad)
	b.claim("TK-5 aud is another's", "aud", "https://other.example", bad)
	b.claim("TK-5 aud is null", "aud", nil, bad)
	b.claim("TK-5 aud is a number", "aud", 1, bad)
	b.claim("TK-5 aud is an object", "aud", members{"0": audience}, bad)
	b.claim("TK-5 aud is an empty list", "aud", []any{}, bad)
	b.claim("TK-5 aud is a list of others", "aud", []any{"https://other.example"}, bad)
	b.claim("TK-5 aud is nested", "aud", []any{[]any{audience}}, bad)
	b.claim("TK-5 aud holds ours and a number", "aud", []any{audience, 1}, bad)
	b.claim("TK-5 aud is a prefix of ours", "aud", audience[:len(audience)-1], bad)
	b.claim("TK-5 aud has a slash more", "aud", audience+"/", bad)
	b.claim("TK-5 aud in capitals", "aud", strings.ToUpper(audience), bad)
	b.claim("TK-5 aud is a list in a text", "aud", audience+" https://other.example", bad)

	client := authn.ReasonClient
	b.claim("TK-5 client is unknown", "client_id", "stranger", client)
	b.claim("TK-5 client is missing", "client_id", drop, client)
	b.claim("TK-5 client in capitals", "client_id", "GP-APP", client)
	b.claim("TK-5 client of another issuer", "client_id", "elsewhere-app", client)
	b.claim("TK-5 client is a number", "client_id", 1, authn.ReasonClaim)
	b.claim("TK-5 client is a list", "client_id", []any{"gp-app"}, authn.ReasonClaim)
	b.claim("TK-5 azp is another client", "azp", "pgo-app", client)
	b.claim("TK-5 azp is no text", "azp", []any{"gp-app"}, client)
}

func (b *tokens) times(now time.Time) {
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, claim := range []string{"exp", "iat"} {
		b.claim("TK-6 "+claim+" is missing", claim, drop, authn.ReasonTime)
		b.splice("TK-6 "+claim+" is there twice", `"`+claim+`":`+"1800000000", authn.ReasonMalformed)
	}
	for _, claim := range []string{"exp", "iat", "nbf", "auth_time"} {
		bad := authn.ReasonTime
		b.claim("TK-6 "+claim+" is a text", claim, "1800000300", bad)
		b.claim("TK-6 "+claim+" is null", claim, nil, bad)
		b.claim("TK-6 "+claim+" is true", claim, true, bad)
		b.claim("TK-6 "+claim+" is a list", claim, []any{at(time.Minute)}, bad)
		b.claim("TK-6 "+claim+" is negative", claim, -1, bad)
		b.claim("TK-6 "+claim+" is 1e300", claim, rawNumber("1e300"), bad)
		b.claim("TK-6 "+claim+" has an exponent", claim, rawNumber("18000003e2"), bad)
		b.claim("TK-6 "+claim+" has 40 digits", claim, rawNumber(strings.Repeat("9", 40)), bad)
	}
	b.claim("TK-6 exp is past", "exp", at(-31*time.Second), authn.ReasonLifetime) // before iat
	b.add("TK-6 a token of yesterday", sign(goodHeader(), with(with(b.claims, "iat", at(-24*time.Hour)), "exp", at(-23*time.Hour))), authn.ReasonExpired)
	b.add("TK-6 exp is now, whatever the skew", sign(goodHeader(), with(with(b.claims, "iat", at(-10*time.Minute)), "exp", at(0))), authn.ReasonExpired)
	b.claim("TK-6 exp is in the year 9999", "exp", int64(253402300799), authn.ReasonLifetime)
	b.claim("TK-6 exp is iat", "exp", at(0), authn.ReasonLifetime)
	b.claim("TK-6 the lifetime is a second too long", "exp", at(time.Hour+time.Second), authn.ReasonLifetime)
	b.claim("TK-6 iat is 1970", "iat", 0, authn.ReasonLifetime)
	b.claim("TK-6 iat is in the future", "iat", at(31*time.Second), authn.ReasonTime)
	b.claim("TK-6 nbf is in the future", "nbf", at(31*time.Second), authn.ReasonTime)
	b.claim("TK-6 auth_time is in the future", "auth_time", at(31*time.Second), authn.ReasonTime)
}

func (b *tokens) types() {
	const bad = authn.ReasonType
	for _, typ := range []string{"JWT", "at+JWT", "AT+JWT", "id_token", "logout+jwt", "dpop+jwt", "secevent+jwt", "application/jwt", "at+jwt ", "application/application/at+jwt"} {
		b.header("TK-7 typ is "+typ, "typ", typ, bad)
	}
	b.header("TK-7 typ is missing", "typ", drop, bad)
	b.header("TK-7 typ is empty", "typ", "", bad)
	b.header("TK-7 typ is a list", "typ", []any{"at+jwt"}, bad)
	for _, mark := range []string{"nonce", "at_hash", "c_hash", "s_hash", "NONCE"} {
		b.claim("TK-7 an ID token: "+mark, mark, "x", bad)
	}
	b.claim("TK-7 a logout token", "events", members{"http://schemas.openid.net/event/backchannel-logout": members{}}, bad)
	b.claim("TK-7 a mark that is null", "nonce", nil, bad)
}

func (b *tokens) form() {
	const bad = authn.ReasonMalformed
	good := sign(goodHeader(), b.claims)
	part := strings.Split(good, ".")
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	b.add("TK-10 empty", "", bad)
	b.add("TK-10 only dots", "..", bad)
	b.add("TK-10 one segment", part[0], bad)
	b.add("TK-10 two segments", join(part[0], part[1]), bad)
	b.add("TK-10 four segments", join(part[0], part[1], part[2], "x"), bad)
	b.add("TK-10 five segments: a JWE", join(part[0], part[1], part[2], part[1], part[2]), authn.ReasonHeader)
	b.add("TK-10 a dot at the end", good+".", bad)
	b.add("TK-10 no header", join("", part[1], part[2]), bad)
	b.add("TK-10 no payload: detached", join(part[0], "", part[2]), bad)
	for i, name := range []string{"header", "payload", "signature"} {
		odd := append([]string(nil), part...)
		for what, segment := range map[string]string{
			"padding": part[i] + "=", "a space": part[i] + " ", "a line break": part[i][:8] + "\n" + part[i][8:], "a carriage return": part[i] + "\r",
			"a plus": "+" + part[i][1:], "a slash": "/" + part[i][1:], "a NUL": part[i] + "\x00", "a percent": part[i] + "%41",
		} {
			odd[i] = segment
			b.add("TK-10 "+name+" with "+what, join(odd...), bad)
		}
	}
	b.add("TK-10 garbage bits in the last character", garbageBits(good), bad)
	b.add("TK-10 JSON serialization", `{"protected":"`+part[0]+`","payload":"`+part[1]+`","signature":"`+part[2]+`"}`, bad)
	b.add("TK-10 white space around", " "+good, bad)
	b.add("TK-10 a token over 16 KiB", sign(goodHeader(), with(b.claims, "padding", strings.Repeat("x", 13<<10))), bad)
	b.add("TK-10 a megabyte of dots", strings.Repeat(".", 1<<20), bad)
}

// garbageBits sets the unused bits of the last character: 256 bytes are 341 characters and 2 bits.
func garbageBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last|1])
}

func (b *tokens) json() {
	const bad = authn.ReasonMalformed
	good := string(toJSON(b.claims))
	payload := func(name, text string) {
		b.add(name, seal("RS256", rsaKey(), toJSON(goodHeader()), []byte(text)), bad)
	}
	header := func(name, text string) {
		b.add(name, seal("RS256", rsaKey(), []byte(text), []byte(good)), bad)
	}
	b.splice("TK-10 sub is there twice", `"sub":"user-2"`, bad)
	b.splice("TK-10 sub is there twice, once escaped", `"s\u0075b":"user-2"`, bad)
	b.splice("TK-10 SUB beside sub", `"SUB":"user-2"`, bad)
	b.splice("TK-10 a long s beside sub", `"ſub":"user-2"`, bad)
	b.splice("TK-10 a deep member twice", `"x":[{"y":{"z":1,"z":2}}]`, bad)
	b.splice("JS-5 a lone surrogate", `"x":"\ud800"`, bad)
	b.splice("JS-5 a lone surrogate in a name", `"\udc00":1`, bad)
	b.splice("JS-5 a NUL", `"x":"a\u0000b"`, bad)
	b.splice("JS-5 broken UTF-8", "\"x\":\"\xff\"", bad)
	b.splice("JS-5 overlong UTF-8", "\"x\":\"\xc0\xae\"", bad)
	b.splice("JS-8 too deep", `"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40), bad)
	b.splice("JS-8 very deep", `"x":`+strings.Repeat("[", 4000)+strings.Repeat("]", 4000), bad)
	b.splice("JS-9 a number with a leading zero", `"x":01`, bad)
	b.splice("JS-10 a comment", `/* x */"x":1`, bad)
	b.splice("JS-10 single quotes", `'x':1`, bad)
	payload("JS-4 a byte order mark", "\ufeff"+good)
	payload("JS-7 two objects", good+good)
	payload("JS-7 something after the object", good+"x")
	payload("JS-10 a trailing comma", good[:len(good)-1]+",}")
	payload("TK-10 payload is a list", "["+good+"]")
	payload("TK-10 payload is a text", `"x"`)
	payload("TK-10 payload is null", "null")
	payload("TK-10 payload is a token: nested", sign(goodHeader(), b.claims))
	payload("TK-10 payload is cut", good[:len(good)-1])
	header("TK-10 alg is there twice", `{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"rsa"}`)
	header("TK-10 ALG beside alg", `{"alg":"RS256","ALG":"none","typ":"at+jwt","kid":"rsa"}`)
	header("TK-10 the Kelvin sign beside kid", `{"alg":"RS256","typ":"at+jwt","kid":"rsa","`+"\u212a"+`id":"ec"}`)
	header("TK-10 header is a list", `[]`)
	header("TK-10 header is no JSON", `alg=RS256`)
}

func (b *tokens) meaning() {
	const bad = authn.ReasonUnprocessed
	for _, claim := range []string{"act", "may_act", "represents", "delegation", "on_behalf_of", "onbehalfof", "mandate", "authorization_details", "vp"} {
		b.claim("a claim that changes the meaning: "+claim, claim, members{"sub": "user-2"}, bad)
	}
	b.claim("claims that are held elsewhere", "_claim_names", members{"acr": "src"}, bad)
	b.claim("sources of claims", "_claim_sources", members{"src": members{"endpoint": "https://evil.example"}}, bad)
	b.claim("TK-16 a launch context", "patient", "A", bad)
	b.claim("sub is missing", "sub", drop, authn.ReasonSubject)
	b.claim("sub is empty", "sub", "", authn.ReasonSubject)
	b.claim("sub is a number", "sub", 1, authn.ReasonSubject)
	b.claim("sub holds a line break", "sub", "user\n1", authn.ReasonSubject)
	b.claim("jti is missing", "jti", drop, authn.ReasonSubject)
	b.claim("jti is a number", "jti", 1, authn.ReasonSubject)
}

// bound are tokens bound to something, all sent as a bearer token without any proof.
func (b *tokens) bound() {
	const malformed = authn.ReasonBinding
	digest := encode(make([]byte, 32))
	b.claim("TK-11 bound to a certificate", "cnf", members{"x5t#S256": digest}, authn.ReasonCertificate)
	b.claim("TK-11 bound to a DPoP key", "cnf", members{"jkt": digest}, authn.ReasonProofScheme)
	b.claim("TK-11 bound to both", "cnf", members{"jkt": digest, "x5t#S256": digest}, authn.ReasonProofScheme)
	b.claim("TK-11 cnf is empty", "cnf", members{}, malformed)
	b.claim("TK-11 cnf is null", "cnf", nil, malformed)
	b.claim("TK-11 cnf is a text", "cnf", digest, malformed)
	b.claim("TK-11 cnf is a list", "cnf", []any{members{"jkt": digest}}, malformed)
	b.claim("TK-11 cnf in capitals", "Cnf", members{"jkt": digest}, malformed)
	b.claim("TK-11 the digest is cut short", "cnf", members{"x5t#S256": digest[:40]}, malformed)
	b.claim("TK-11 the digest is padded", "cnf", members{"x5t#S256": digest + "="}, malformed)
	b.claim("TK-11 the digest has garbage bits", "cnf", members{"x5t#S256": digest[:42] + "B"}, malformed)
	b.claim("TK-11 the digest is a number", "cnf", members{"jkt": 1}, malformed)
	b.claim("TK-11 the digest is empty", "cnf", members{"jkt": ""}, malformed)
	b.claim("TK-11 the digest is null", "cnf", members{"jkt": nil}, malformed)
	b.claim("TK-11 SHA-1 of a certificate", "cnf", members{"x5t": digest}, malformed)
	b.claim("TK-11 a method in other capitals", "cnf", members{"JKT": digest}, malformed)
	for _, method := range []string{"jwk", "jwe", "kid", "jku", "osc", "unheard-of"} {
		b.claim("TK-11 a method that is not processed: "+method, "cnf", members{method: digest}, malformed)
		b.claim("TK-11 a method that is not processed beside one that is: "+method, "cnf", members{"jkt": digest, method: digest}, malformed)
	}
}

func (b *tokens) mapped() {
	const bad = authn.ReasonClaim
	role := members{"code": "01.015"}
	b.claim("TK-14 acr is a number", "acr", 30, bad)
	b.claim("TK-14 acr is a list", "acr", []any{"http://eidas.europa.eu/LoA/high"}, bad)
	b.claim("TK-14 acr is null", "acr", nil, bad)
	b.claim("TK-14 the relation is empty", "relation", "", bad)
	b.claim("TK-14 the organization type is an object", "organization_type", members{"code": "Z3"}, bad)
	b.claim("TK-14 the kind is a list", "user_kind", []any{"care"}, bad)
	b.claim("TK-14 extensions is a text", "extensions", "x", bad)
	b.claim("TK-14 extensions is null", "extensions", nil, bad)
	b.claim("TK-14 a value is too long", "relation", strings.Repeat("x", 2000), bad)
	b.claim("TK-14 a speciality that blocks, with a space behind it", "agb", "9803 ", bad)
	b.claim("TK-14 a space that is none of ASCII", "organization_type", "\u00a0Z3", bad)
	b.claim("TK-14 a value that turns the line", "relation", "treating\u202e", bad)
	b.claim("TK-14 an identifier without a system", "organization_ids", []any{members{"value": "1"}}, bad)
	b.claim("TK-14 an identifier that is a text", "organization_ids", []any{"1"}, bad)
	b.claim("TK-14 identifiers that are no list", "organization_ids", members{"system": "s", "value": "1"}, bad)
	b.extension("TK-14 roles that are a text", "subject_role", "01.015", bad)
	b.extension("TK-14 roles that are one object", "subject_role", role, bad)
	b.extension("TK-14 a role without a code", "subject_role", []any{role, members{"system": "s"}}, bad)
	b.extension("TK-14 a role that is a text", "subject_role", []any{role, "01.008"}, bad)
	b.extension("TK-14 a role with two codes", "subject_role", []any{members{"code": []any{"01.015", "01.008"}}}, bad)
	b.extension("TK-14 a purpose that is a text", "purpose_of_use", []any{"TREAT"}, bad)
	b.extension("TK-14 two organizations", "subject_organization_id", []any{"00001111", "00002222"}, bad)
	b.extension("TK-14 a name with a line break", "subject_name", "A\nB", bad)
	b.claim("a care worker with a representative's authority", "authority", "parental", authn.ReasonPerson)
	b.claim("a care worker who represents", "representative", testBSN, authn.ReasonPerson)
}

func (b *tokens) scopes() {
	const bad = authn.ReasonScope
	b.claim("TK-10 scope is a list", "scope", []any{"zorgsluis"}, bad)
	b.claim("TK-10 scope is null", "scope", nil, bad)
	b.claim("scope is missing", "scope", drop, bad)
	b.claim("scope is empty", "scope", "", bad)
	for _, scope := range []string{"zorgsluis2", "my-zorgsluis", "Zorgsluis", "openid  zorgsluis", "openid\tzorgsluis", " zorgsluis", `"zorgsluis"`, "openid,zorgsluis"} {
		b.claim("scope is "+scope, "scope", scope, bad)
	}
	for _, scope := range []string{
		"patient/*.rs", "user/Observation.rs", "user/*.rs?category=laboratory", "user/*.sr", "User/*.rs", "user/*.r", "system/*.c",
		"*/*.* user/x", "user/observation.rs", "user/*.write", "user/", "patient/*.read",
	} {
		b.claim("TK-17 scope is "+scope, "scope", "zorgsluis "+scope, bad)
	}
	for name, scp := range map[string]any{
		"a text": "user/Observation.rs", "a list": []any{"user/Observation.rs"}, "two words in one": []any{"user/*.rs x"}, "a list of no texts": []any{1}, "a number": 1, "null": nil,
	} {
		b.claim("TK-17 scp is narrower than scope, "+name, "scp", scp, bad)
	}
}

func (b *tokens) persons() {
	const bad = authn.ReasonPerson
	b.claim("a patient without a person", "bsn", drop, bad)
	b.claim("a patient whose BSN fails the eleven-test", "bsn", "123456789", bad)
	b.claim("a patient with another sectoral number", "bsn", "s00000001:"+testBSN, bad)
	b.claim("a patient with a name for a BSN", "bsn", "Jansen", bad)
	b.claim("a patient whose BSN is a number", "bsn", 999991346, authn.ReasonClaim)
	b.claim("a patient with two BSNs", "bsn", []any{testBSN, "999990019"}, authn.ReasonClaim)
	b.claim("a patient with an authority and no representative", "authority", "parental", bad)
	b.add("a legal representative without an id", sign(goodHeader(), with(with(b.claims, "user_kind", "proxy"), "authority", "parental")), bad)
	b.claim("a representative whose BSN fails the eleven-test", "representative", "123456789", bad)
	b.claim("a patient's token with a provider's launch scope", "scope", "zorgsluis patient/Observation.rs", authn.ReasonScope)
}

// rawNumber is written into JSON as it is.
type rawNumber string

// MarshalJSON implements json.Marshaler.
func (n rawNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// confusingKeys are keys in the set that must not be used for what is asked.
func confusingKeys() []any {
	private := publicJWK("private", otherRSAKey().Public())
	private["d"] = encode(otherRSAKey().D.Bytes())
	return []any{
		publicJWK("rsa", rsaKey().Public()), publicJWK("ec", p256Key().Public()), publicJWK("p384", p384Key().Public()), private,
		jwkWith(publicJWK("leaked", otherRSAKey().Public()), members{"p": encode(otherRSAKey().Primes[0].Bytes())}),
		jwkWith(publicJWK("rs256-only", otherRSAKey().Public()), members{"alg": "RS256"}),
		jwkWith(publicJWK("encryption", otherRSAKey().Public()), members{"use": "enc"}),
		jwkWith(publicJWK("wrap", otherRSAKey().Public()), members{"key_ops": []any{"wrapKey"}}),
		members{"kty": "oct", "kid": "oct", "k": encode([]byte("secret"))},
		publicJWK("small", smallRSAKey().Public()),
		members{"kty": "unheard-of", "kid": "new"}, "no key", 7, nil,
	}
}

// withOtherIssuer adds a second issuer that has the client elsewhere-app.
func withOtherIssuer(c *authn.Config) {
	other := c.Issuers[0]
	other.URL = "https://elsewhere.example"
	c.Issuers = append(c.Issuers, other)
	c.Clients["elsewhere-app"] = authn.Client{Issuer: other.URL}
}

func TestBadTokensAreRefusedEachForItsReason(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	p.setKeys(confusingKeys()...)
	good := sign(goodHeader(), p.claims(c.now()))
	bad := badTokens(p, c.now())
	if len(bad) < 100 {
		t.Fatalf("%d bad tokens, want at least 100", len(bad))
	}
	warm := authenticator(t, p, c, withOtherIssuer)
	for _, test := range bad {
		t.Run(test.name, func(t *testing.T) {
			cold := authenticator(t, p, c, withOtherIssuer)
			checkRefused(t, cold, test)
			checkRefused(t, cold, test)

			// The good token is cached under its own bytes only, and does not help any other.
			if _, err := authn.ByToken(t.Context(), warm, good); err != nil {
				t.Fatalf("good token: %v", err)
			}
			checkRefused(t, warm, test)
			checkRefused(t, warm, test)
		})
	}
}

func checkRefused(t *testing.T, a *authn.Authenticator, test badToken) {
	t.Helper()
	s, err := authn.ByToken(t.Context(), a, test.token)
	var refusal *authn.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error is %v, want an *authn.Error", err)
	}
	if refusal.Reason != test.want {
		t.Errorf("reason is %s (%s), want %s", refusal.Reason, refusal.Element, test.want)
	}
	if s.ID != "" || s.Issuer != "" || s.Kind != policy.KindOther || s.Categories != nil || s.Purposes != nil {
		t.Error("a subject came with the refusal")
	}
	// TK-20: whatever the check, the caller gets the same answer.
	if got, want := authn.Challenge(err), `Bearer error="invalid_token", error_description="The access token is not valid here"`; got != want {
		t.Errorf("challenge is %s, want %s", got, want)
	}
	for _, secret := range []string{testBSN, "123456789", "user-1", "evil.example"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error holds a value of the token: %v", err)
		}
	}
}

func TestBadTokensCauseNoFetch(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	p.setKeys(confusingKeys()...)
	a := authenticator(t, p, c, withOtherIssuer)
	if _, err := authn.ByToken(t.Context(), a, sign(goodHeader(), p.claims(c.now()))); err != nil {
		t.Fatal(err)
	}
	before := p.fetches.Load()
	for _, test := range badTokens(p, c.now()) {
		_, _ = authn.ByToken(t.Context(), a, test.token)
	}
	if got := p.fetches.Load() - before; got != 0 {
		t.Errorf("%d fetches, want 0 within the interval", got)
	}
}
