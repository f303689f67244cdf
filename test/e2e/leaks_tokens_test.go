package e2e_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"zorgsluis/audit"
	"zorgsluis/internal/demo"
)

// gpWith returns a token of gp with these claims changed; nil removes one.
func gpWith(claims map[string]any) demo.Caller {
	by := demo.GP()
	by.Claims.Extra = claims
	return by
}

// bearing reads D's laboratory result with this token.
func bearing(token string) question {
	q := labD
	q.token = token
	return q
}

// segments encodes the parts of a token.
func segments(header map[string]any, payload []byte) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	return base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(payload)
}

// goodParts returns the header and the payload of a valid token.
func (s *stage) goodParts() (header map[string]any, payload []byte) {
	s.T.Helper()
	token, err := issuer.Token(demo.GP().Claims)
	if err != nil {
		s.T.Fatal(err)
	}
	parts := strings.Split(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(parts[0])
	if err := json.Unmarshal(raw, &header); err != nil {
		s.T.Fatal(err)
	}
	payload, _ = base64.RawURLEncoding.DecodeString(parts[1])
	return header, payload
}

// signed signs with the issuer's own key (RFC 7518 §3.4), whatever the header says.
func (s *stage) signed(header map[string]any, payload []byte) string {
	s.T.Helper()
	input := segments(header, payload)
	digest := sha256.Sum256([]byte(input))
	a, b, err := ecdsa.Sign(rand.Reader, issuer.SigningKey().Key.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		s.T.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...))
}

// garbage returns the last character of a token with an unused bit set: 64 bytes are 85 characters and 2 bits.
func garbage(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, token[len(token)-1])|1])
}

// headers returns tokens, each with these members of the header changed.
func (s *stage) headers(changes ...map[string]any) (tokens []string) {
	header, payload := s.goodParts()
	for _, change := range changes {
		h := maps.Clone(header)
		maps.Copy(h, change)
		tokens = append(tokens, s.signed(h, payload))
	}
	return tokens
}

// claims returns tokens, each with these claims changed.
func (s *stage) claims(changes ...map[string]any) (tokens []string) {
	s.T.Helper()
	for _, change := range changes {
		c := demo.GP().Claims
		c.Extra = change
		token, err := issuer.Token(c)
		if err != nil {
			s.T.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	return tokens
}

// turnsDown wants each of these tokens to get the one 401, before anybody else is contacted.
func (s *stage) turnsDown(tokens ...string) {
	s.T.Helper()
	for _, token := range tokens {
		r := s.refused(demo.Caller{}, bearing(token), http.StatusUnauthorized, "login")
		want := `Bearer error="invalid_token", error_description="The access token is not valid here", resource_metadata="` + s.g.base + `/.well-known/oauth-protected-resource/fhir/demo"`
		if got := r.header.Get("Www-Authenticate"); got != want {
			s.T.Errorf("challenge %s, want %s", got, want)
		}
		s.booked("a bad token", r, audit.OutcomeDeny)
	}
}

type m = map[string]any

// tokenLeaks are the rows of leaks.md, 1.15: who asks.
var tokenLeaks = []leak{
	{"TK-1", "Only the configured algorithm is taken, spelled exactly, and never an empty signature", func(s *stage) {
		s.turnsDown(s.headers(m{"alg": "none"}, m{"alg": "None"}, m{"alg": "nOnE"}, m{"alg": "es256"}, m{"alg": "ES384"}, m{"alg": "RS256"}, m{"alg": nil}, m{"alg": []string{"ES256"}})...)
		header, payload := s.goodParts()
		s.turnsDown(segments(header, payload)+".", segments(m{"alg": "none", "typ": "at+jwt"}, payload)+".", segments(header, payload)+"."+base64.RawURLEncoding.EncodeToString(make([]byte, 64)))
		if r := s.tell(demo.Caller{}, bearing(s.signed(header, payload))); r.status != http.StatusOK {
			s.T.Errorf("a good token of this make: got %d", r.status)
		}
	}},
	{"TK-2", "A key serves its own algorithm only: a signature with the public key as a secret is refused", func(s *stage) {
		header, payload := s.goodParts()
		public, err := x509.MarshalPKIXPublicKey(issuer.SigningKey().Key.(*ecdsa.PrivateKey).Public())
		if err != nil {
			s.T.Fatal(err)
		}
		for _, alg := range []string{"HS256", "ES256"} {
			h := maps.Clone(header)
			h["alg"] = alg
			input := segments(h, payload)
			mac := hmac.New(sha256.New, public)
			_, _ = io.WriteString(mac, input)
			s.turnsDown(input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
		}
		s.turnsDown(s.headers(m{"alg": "RS256"}, m{"alg": "PS256"}, m{"alg": "EdDSA"})...)
	}},
	{"TK-3", "Keys come from the configured issuer only: key headers refuse the token, and unknown key ids do not make the gateway ask for keys again and again", func(s *stage) {
		s.turnsDown(s.headers(m{"jku": "http://evil.example/keys"}, m{"x5u": "http://evil.example"}, m{"jwk": m{"kty": "EC"}}, m{"x5c": []string{"MIIB"}},
			m{"kid": "../../etc/passwd"}, m{"kid": "' OR '1'='1"}, m{"kid": "http://evil.example/keys"}, m{"kid": 1}, m{"kid": ""})...)
		own := s.issuedBy(demo.IssuerOptions{})
		before := own.issuer.KeyFetches()
		for i := range 40 {
			s.turnsDownAt(own, s.headers(m{"kid": fmt.Sprintf("unknown-%d", i)})[0])
		}
		if n := own.issuer.KeyFetches() - before; n > 2 {
			s.T.Errorf("forty unknown key ids caused %d fetches", n)
		}
	}},
	{"TK-4", "The issuer must be exactly a configured one, and keys are taken only from a discovery document that names it", func(s *stage) {
		s.turnsDown(s.claims(m{"iss": issuer.URL() + "/"}, m{"iss": strings.Replace(issuer.URL(), "http:", "https:", 1)}, m{"iss": issuer.URL() + "/realms/other"}, m{"iss": strings.ToUpper(issuer.URL())}, m{"iss": nil}, m{"iss": []string{issuer.URL()}})...)
		mixed := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer.URL(), issuer.URL()+"/keys")
		}))
		defer mixed.Close()
		own := s.beside("{issuer}", mixed.URL)
		r := own.ask(gpWith(m{"iss": mixed.URL}), labD)
		if r.status != http.StatusServiceUnavailable {
			s.T.Errorf("a mixed-up discovery: got %d, want 503", r.status)
		}
	}},
	{"TK-5", "A token must be for this gateway, and of a client that is registered", func(s *stage) {
		s.turnsDown(s.claims(m{"aud": nil}, m{"aud": "other"}, m{"aud": []string{"other"}}, m{"aud": issuer.Audience() + "/"}, m{"aud": []any{issuer.Audience(), 1}}, m{"aud": ""},
			m{"client_id": "stranger"}, m{"client_id": nil}, m{"client_id": "GP"}, m{"azp": "pharmacist"}, m{"client_id": []string{"gp"}})...)
		if r := s.tell(gpWith(m{"aud": []string{"other", issuer.Audience()}}), labD); r.status != http.StatusOK {
			s.T.Errorf("a list with ours: got %d", r.status)
		}
	}},
	{"TK-6", "Times are required, plain numbers, not in the future, and the lifetime is bounded", func(s *stage) {
		now := time.Now().Unix()
		s.turnsDown(s.claims(m{"exp": now - 120, "iat": now - 600}, m{"exp": nil}, m{"iat": nil}, m{"exp": fmt.Sprint(now + 60)}, m{"exp": 1e300}, m{"exp": 253402300799}, m{"nbf": now + 3600}, m{"iat": now + 3600, "exp": now + 3900},
			m{"exp": now + 7*24*3600}, m{"exp": -1}, m{"exp": true}, m{"iat": 0}, m{"auth_time": now + 3600})...)
	}},
	{"TK-7", "Only an access token is one: ID, refresh and logout tokens with the right signature are refused", func(s *stage) {
		s.turnsDown(s.headers(m{"typ": "JWT"}, m{"typ": "id_token"}, m{"typ": "logout+jwt"}, m{"typ": "refresh+jwt"}, m{"typ": ""}, m{"typ": "dpop+jwt"})...)
		header, payload := s.goodParts()
		delete(header, "typ")
		s.turnsDown(s.signed(header, payload))
		s.turnsDown(s.claims(m{"nonce": "x"}, m{"at_hash": "x"}, m{"c_hash": "x"}, m{"events": m{"http://schemas.openid.net/event/backchannel-logout": m{}}})...)
	}},
	{"TK-8", "Access ends with the token, which is short: tokens that live longer than an hour are refused, opaque ones too where nobody is asked about them, and a key that is withdrawn ends its tokens", func(s *stage) {
		now := time.Now().Unix()
		s.turnsDown("opaque-reference-token")
		s.turnsDown(s.claims(m{"iat": now, "exp": now + 3700})...)
		own := s.issuedBy(demo.IssuerOptions{})
		old, err := own.issuer.Token(demo.GP().Claims)
		if err == nil {
			err = own.issuer.Rotate()
		}
		if err != nil {
			s.T.Fatal(err)
		}
		own.issuer.RemoveOldKey()
		late := s.issuedAt(own.issuer) // it never had the old key
		s.turnsDownAt(late, old)
	}},
	{"TK-9", "Where the keys cannot be had, or are no keys, nothing is decided: 503", func(s *stage) {
		html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>CANARY7f3a") }))
		defer html.Close()
		own := s.beside("{issuer}", html.URL)
		s.source.Reset()
		own.ask(gpWith(m{"iss": html.URL}), labD).wantUnavailable(s.T, "keys that are HTML")
		html.Close()
		own.ask(gpWith(m{"iss": html.URL}), labD).wantUnavailable(s.T, "keys that are gone")
		s.wantAsked()
	}},
	{"TK-10", "Header and claims are read strictly: members twice, nested or encrypted tokens, unknown extensions and loose base64 are refused", func(s *stage) {
		s.turnsDown(s.headers(m{"cty": "JWT"}, m{"zip": "DEF"}, m{"crit": []string{"exp"}}, m{"crit": []string{}}, m{"b64": false}, m{"enc": "A256GCM"})...)
		s.turnsDown(s.claims(m{"scope": []string{"user/*.rs"}}, m{"sub": 1}, m{"SUB": "other"}, m{"jti": 1})...)
		header, payload := s.goodParts()
		twice := append([]byte(`{"sub":"other",`), payload[1:]...)
		good := s.signed(header, payload)
		part := strings.Split(good, ".")
		s.turnsDown(s.signed(header, twice), s.signed(header, append(payload, payload...)), s.signed(header, []byte("["+string(payload)+"]")), good+".", part[0]+"."+part[1], part[0]+".."+part[2],
			part[0]+"."+part[1]+"."+part[2]+"."+part[1]+"."+part[2], part[0]+"."+part[1]+"+."+part[2], good[:len(good)-1]+garbage(good))
		s.refused(demo.Caller{}, bearing(part[0]+"=."+part[1]+"."+part[2]), http.StatusBadRequest, "login")
	}},
	{"TK-11", "A token that is bound to a key or certificate is good for nobody who does not prove to have it, and a binding that is not understood refuses the token", func(s *stage) {
		s.turnsDown(s.claims(m{"cnf": m{"x5t#S256": "abc"}}, m{"cnf": m{"jkt": "abc"}}, m{"cnf": m{}}, m{"Cnf": m{"jkt": "abc"}}, m{"cnf": m{"kid": "abc"}})...)
		table := newCredentialTable()
		s.turnsDown(table.bound(table.x5t()), table.bound(table.jkt()))
		// No proxy is configured: a header is only the caller's claim.
		for _, name := range []string{"Client-Cert", "X-Client-Cert", "X-Forwarded-Client-Cert", "Ssl-Client-Cert"} {
			s.refused(demo.Caller{}, bearing(table.bound(table.x5t())).with(name, table.shown()), http.StatusUnauthorized, "login")
		}
	}},
	{"TK-12", "A DPoP proof is for one request, of one method and address, with one token, made just now by the key of the token: a replay and everything else is refused", func(s *stage) {
		table := newCredentialTable()
		table.target = s.g.base + labD.path
		token := table.bound(table.jkt())
		proved := func(scheme string, proofs ...string) question {
			q := labD
			q.header = http.Header{"Authorization": {scheme + " " + token}, "Dpop": proofs}
			return q
		}
		for _, scheme := range []string{"DPoP", "dpop"} {
			q := proved(scheme, table.proof(token, nil, nil))
			if r := s.tell(demo.Caller{}, q); r.status != http.StatusOK {
				s.T.Errorf("a good proof: got %d", r.status)
			}
			s.booked("a replay", s.refused(demo.Caller{}, q, http.StatusUnauthorized, "login"), audit.OutcomeDeny)
		}
		now := time.Now().Unix()
		for _, claims := range []m{{"htu": "http://evil.example" + labD.path}, {"htu": table.target + "?x=1"}, {"htm": "POST"}, {"iat": now - 600}, {"iat": now + 600}, {"ath": gone}, {"jti": gone}} {
			s.booked("a bad proof", s.refused(demo.Caller{}, proved("DPoP", table.proof(token, nil, claims)), http.StatusUnauthorized, "login"), audit.OutcomeDeny)
		}
		for _, header := range []m{{"alg": "HS256"}, {"jwk": replaced(table.jwk(), "d", "AAAA")}, {"typ": "JWT"}} {
			s.refused(demo.Caller{}, proved("DPoP", table.proof(token, header, nil)), http.StatusUnauthorized, "login")
		}
		s.refused(demo.Caller{}, proved("DPoP", table.proof(token, nil, nil), table.proof(token, nil, nil)), http.StatusUnauthorized, "login")
		s.refused(demo.Caller{}, proved("DPoP"), http.StatusUnauthorized, "login")
		s.refused(demo.Caller{}, proved("Bearer", table.proof(token, nil, nil)), http.StatusUnauthorized, "login")
		s.refused(demo.Caller{}, labD.with("Authorization", "DPoP "+tokenOf(s.T, demo.GP()), "DPoP", "e30.e30.x"), http.StatusUnauthorized, "login")
		// With a token that is not bound, a proof proves nothing and changes nothing.
		s.forbidden(demo.GP(), searchID("Observation", leakB).with("DPoP", "e30.e30.x", "DPoP", "second"))
	}},
	{"TK-13", "A token is taken from the Authorization header and from nowhere else", func(s *stage) {
		token := tokenOf(s.T, demo.GP())
		for _, name := range []string{"access_token", "Access_Token", "access%5Ftoken"} {
			s.refused(demo.Caller{}, get("/fhir/demo/Observation?patient=leak-d&"+name+"="+token), http.StatusBadRequest, "not-supported")
			s.refused(demo.GP(), get("/fhir/demo/Observation?patient=leak-d&"+name+"="+token), http.StatusBadRequest, "not-supported")
		}
		q := search("Observation", leakD)
		q.body += "&access_token=" + token
		s.refused(demo.Caller{}, q, http.StatusBadRequest, "not-supported")
		s.refused(demo.Caller{}, labD.with("Authorization", "Basic "+token), http.StatusBadRequest, "login")
		s.refused(demo.Caller{}, labD.with("Cookie", "access_token="+token), http.StatusUnauthorized, "login")
		s.refused(demo.Caller{}, labD.with("Authorization", "Bearer "+token, "Authorization", "Bearer "+token), http.StatusBadRequest, "login")
		if strings.Contains(s.g.logged(), token[:60]) {
			s.T.Error("the log holds a token")
		}
	}},
	{"TK-14", "What a caller is follows from claims that the configuration names, through the tables: no header, parameter or other claim makes anybody a gp", func(s *stage) {
		nobody := gpWith(m{"uzi_roles": nil, "organization_type": nil, "agb": nil, "provider_category": "gp", "subject_role": "01.015", "category": "gp", "roles": []string{"01.015"}, "fhirUser": "Practitioner/gp"})
		s.forbidden(nobody, searchID("Observation", leakD))
		s.forbidden(nobody, searchID("Observation", leakD).with("X-Subject-Role", "01.015", "X-Purpose-Of-Use", "TREAT"))
		s.refused(demo.GP(), get("/fhir/demo/Observation?patient=leak-d&purpose_of_use=TREAT"), http.StatusBadRequest, "not-supported")
		for _, odd := range []any{"01.015", []string{"01015"}, []string{"gp"}} {
			r := s.tell(gpWith(m{"uzi_roles": odd, "organization_type": nil}), searchID("Observation", leakD))
			if r.status != http.StatusForbidden && r.status != http.StatusUnauthorized {
				s.T.Errorf("roles %v: got %d", odd, r.status)
			}
		}
	}},
	{"TK-15", "A client without a person behind it has no category, and so no access; it cannot declare an emergency either", func(s *stage) {
		service := demo.Caller{ClientID: "gp", Claims: demo.Claims{Subject: "service", ClientID: "gp", Kind: demo.KindProvider, ACR: demo.GP().Claims.ACR, PurposeOfUse: []string{"TREAT"}}}
		s.forbidden(service, searchID("Observation", leakD))
		s.notFoundOrForbidden(service, labD)
		s.forbidden(service, declare(leakB))
	}},
	{"TK-16", "A scope permits nothing by itself, and a launch context is not processed: it refuses the token", func(s *stage) {
		s.forbidden(gpWith(m{"scope": "user/*.rs"}), searchID("Observation", leakB))
		if r := s.tell(gpWith(m{"scope": "user/*.rs"}), labD); r.status != http.StatusOK {
			s.T.Errorf("a scope for everything: got %d", r.status)
		}
		s.turnsDown(s.claims(m{"scope": "patient/*.rs", "patient": "leak-b"}, m{"scope": "patient/*.rs"}, m{"patient": "leak-d"})...)
		own := demo.Patient("patient", leakA)
		own.Claims.Extra = m{"scope": "patient/*.rs"}
		s.forbidden(own, searchID("Observation", leakD))
	}},
	{"TK-17", "A scope that grants less than everything is not widened: it refuses the token, and so does one that is misspelled", func(s *stage) {
		for _, scope := range []string{"user/Observation.rs", "user/*.sr", "user/*.rs?category=laboratory", "*/*.* user/x", "user/observation.rs", "system/*.c", "user/*.r", "User/*.rs", "user/", "user/*.write", "user/*.rs  x", " user/*.rs", "user/*.rs\tx"} {
			s.turnsDown(s.claims(m{"scope": scope})...)
		}
	}},
	{"TK-18", "No decision is kept from one request to the next: every change of the caller's token changes the answer at once, and back", func(s *stage) {
		low := demo.GP()
		low.Claims.ACR = "http://eidas.europa.eu/LoA/low"
		for range 2 {
			for _, tt := range []struct {
				by     demo.Caller
				status int
			}{
				{demo.GP(), 200}, {demo.Pharmacist(), 403}, {gpWith(m{"purpose_of_use": []string{"HRESCH"}}), 403}, {demo.GP(), 200}, {low, 401}, {gpWith(m{"relationship": nil}), 403},
				{gpWith(m{"purpose_of_use": []string{"HEMPLOY"}}), 403}, {gpWith(m{"purpose_of_use": nil}), 403}, {demo.CompanyDoctor(), 403}, {gpWith(m{"kind": "patient", "bsn": leakB.BSN, "purpose_of_use": []string{"PATRQT"}}), 403}, {demo.GP(), 200},
			} {
				if r := s.tell(tt.by, searchID("Observation", leakD)); r.status != tt.status {
					s.T.Errorf("%+v: got %d, want %d", tt.by.Claims, r.status, tt.status)
				}
			}
		}
	}},
	{"TK-19", "A token that ends while the source is answering releases nothing", func(s *stage) {
		own := s.beside("timeout: 8s", "timeout: 20s", "unauthenticated:", "clock_skew: 0s\nunauthenticated:")
		own.ask(demo.GP(), labD)
		block := s.source.Block()
		defer block.Release()
		answered := own.g.laterUntilItEnds(block, labD, func(lasts time.Duration) (demo.Caller, time.Time) {
			by := demo.GP()
			by.Claims.Expires = time.Now().Add(lasts).Truncate(time.Second)
			return by, by.Claims.Expires
		})
		block.Release()
		r := receive(s.T, answered, "the answer")
		if r.status != http.StatusUnauthorized {
			s.T.Errorf("got %d, want 401", r.status)
		}
		s.wantEvent(r, audit.OutcomeDeny, "token-expired")
	}},
	{"TK-20", "Whatever is wrong with a token, the caller is told the same, byte for byte", func(s *stage) {
		var first *reply
		for _, token := range append(s.claims(m{"aud": "other"}, m{"iss": "http://evil.example"}, m{"exp": 1}, m{"client_id": "x"}, m{"cnf": m{}}, m{"scope": "user/x.rs"}), append(s.headers(m{"alg": "none"}, m{"kid": "x"}, m{"typ": "JWT"}), "x", "a.b.c")...) {
			r := s.tell(demo.Caller{}, bearing(token))
			if first == nil {
				first = &r
			}
			s.same(labD, r, *first)
		}
	}},
	{"TK-21", "Nothing is kept with a connection: two callers on one get each the own answer", func(s *stage) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.g.base, "http://"))
		if err != nil {
			s.T.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(endWithin))
		replies := bufio.NewReader(conn)
		for i, by := range []demo.Caller{demo.GP(), demo.Pharmacist(), demo.GP(), {}, demo.GP()} {
			authorization := ""
			if by.ClientID != "" {
				authorization = "Authorization: Bearer " + tokenOf(s.T, by) + "\r\n"
			}
			fmt.Fprintf(conn, "%s%s\r\n", s.target("/fhir/demo/Observation?patient=leak-d"), authorization)
			resp, err := http.ReadResponse(replies, nil)
			if err != nil {
				s.T.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if want := []int{200, 403, 200, 401, 200}[i]; resp.StatusCode != want {
				s.T.Errorf("request %d: got %d, want %d", i+1, resp.StatusCode, want)
			}
		}
	}},
	{"TK-22", "No key of the configuration switches a check off: there is none, and algorithms that prove nothing are refused", func(s *stage) {
		for _, change := range [][]string{{"policy:\n", "development: true\npolicy:\n"}, {"algorithms: [{algorithm}]", "algorithms: [none]"}, {"algorithms: [{algorithm}]", "algorithms: [HS256]"}} {
			file, _, _, _ := s.configure(change...)
			if r := command(s.T, "", "check", "--config", file); r.code == 0 {
				s.T.Errorf("%q passes as a configuration", change[1])
			}
		}
	}},
}

// issuedBy starts another gateway, with its own issuer.
func (s *stage) issuedBy(o demo.IssuerOptions) *stage {
	s.T.Helper()
	own, err := demo.NewIssuer(o)
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() { own.Close() })
	return s.issuedAt(own)
}

// issuedAt starts another gateway that trusts this issuer.
func (s *stage) issuedAt(own *demo.Issuer) *stage {
	s.T.Helper()
	other := s.beside("{issuer}", own.URL())
	w := *other.world
	w.issuer = own
	other.world = &w
	good, err := own.Token(demo.GP().Claims)
	if err != nil {
		s.T.Fatal(err)
	}
	if r := other.ask(demo.Caller{}, bearing(good)); r.status != http.StatusOK {
		s.T.Fatalf("a good token of the own issuer: got %d", r.status)
	}
	return other
}

// turnsDownAt is turnsDown at another gateway.
func (s *stage) turnsDownAt(other *stage, token string) {
	s.T.Helper()
	if r := other.ask(demo.Caller{}, bearing(token)); r.status != http.StatusUnauthorized {
		s.T.Errorf("got %d, want 401", r.status)
	}
}

// notFoundOrForbidden is for a read by somebody whom the rules refuse before any lookup.
func (s *stage) notFoundOrForbidden(by demo.Caller, q question) {
	s.T.Helper()
	if r := s.tell(by, q); r.status != http.StatusForbidden && r.status != http.StatusNotFound {
		s.T.Errorf("%s: got %d", q, r.status)
	}
}
