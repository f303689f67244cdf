package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
	"zorgsluis/configs"
	"zorgsluis/policy"
)

// profiled is an identity provider of some profile, and the gateway configured for it.
type profiled struct {
	t      *testing.T
	url    string
	key    *ecdsa.PrivateKey
	answer map[string]any  // of introspection
	ours   *rsa.PrivateKey // to which userinfo is encrypted; nil: there is none
	sealed string
	typ    string // header of its tokens
	authn  *authn.Authenticator
}

const profileClient = "portal"

// unavailable represents, in a table, an error that is not a refusal.
const unavailable policy.Reason = "unavailable"

// newProfiled configures an issuer from what an operator writes below `issuers: - …`; {url} is its URL.
func newProfiled(t *testing.T, written string) *profiled {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &profiled{t: t, key: key, typ: "at+jwt"}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	folder := t.TempDir()
	file := filepath.Join(folder, "gateway.yaml")
	audience := "gateway"
	if strings.Contains(written, "max-key") {
		audience = profileClient // the only audience that MAX names is the client
	}
	text := "issuers:\n  - url: \"" + p.url + "\"\n    audience: " + audience + "\n    channel: regional\n" + written +
		"\nclients: { " + profileClient + ": {} }\npolicy: { channels: { regional: { consent: explicit } } }\n"
	files := map[string]string{"secret": "hush\n", "persons": foreignPersons}
	if strings.Contains(written, "max-key") {
		if p.ours, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
		private, err := json.Marshal(jose.JSONWebKey{Key: p.ours, KeyID: "ours"})
		if err != nil {
			t.Fatal(err)
		}
		files["max-key"] = string(private)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := &Settings{File: defaults()}
	lines, err := configs.DecodeLines(file, []byte(text), s.File)
	if err != nil {
		t.Fatal(err)
	}
	c := &checker{file: file, lines: lines}
	s.loadTables(c)
	s.profiles(c)
	s.authentication(c)
	if len(c.problems) > 0 {
		t.Fatal(errors.Join(c.problems...))
	}
	if p.authn, err = authn.New(s.Authn); err != nil {
		t.Fatal(err)
	}
	return p
}

// foreignPersons maps one foreign person to a published test number.
const foreignPersons = `# who foreign persons are here
urn:eidas:person-identifier|ES/NL/11111111H http://fhir.nl/fhir/NamingSystem/bsn|999990019
`

// ServeHTTP implements http.Handler: discovery, keys and introspection.
func (p *profiled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var body any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		body = map[string]any{"issuer": p.url, "jwks_uri": p.url + "/keys", "introspection_endpoint": p.url + "/introspect", "userinfo_endpoint": p.url + "/userinfo"}
	case "/keys":
		body = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}}
	case "/userinfo":
		w.Header().Set("Content-Type", "application/jwt")
		if r.Header.Get("Authorization") != "Bearer opaque" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, p.sealed)
		return
	case "/introspect":
		body = p.answer
	}
	if err := json.NewEncoder(w).Encode(body); err != nil {
		p.t.Error(err)
	}
}

// subject authenticates a token of a fixture: the claims of the profile's provider, plus those that every token needs.
func (p *profiled) subject(fixture string) (policy.Subject, error) {
	p.t.Helper()
	now := time.Now()
	claims := map[string]any{
		"iss": p.url, "aud": "gateway", "sub": "user", "client_id": profileClient, "jti": "id", "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	var said map[string]any
	if err := json.Unmarshal([]byte(fixture), &said); err != nil {
		p.t.Fatal(err)
	}
	maps.Copy(claims, said)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token := "opaque"
	if p.answer == nil {
		typ := p.typ
		if p.ours != nil {
			typ = "" // as MAX has it
		}
		options := (&jose.SignerOptions{}).WithHeader("kid", "1")
		if typ != "" {
			options.WithType(jose.ContentType(typ))
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, options)
		if err != nil {
			p.t.Fatal(err)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			p.t.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			p.t.Fatal(err)
		}
		if token, err = signed.CompactSerialize(); err != nil {
			p.t.Fatal(err)
		}
		if p.ours != nil {
			p.sealed, token = p.seal(token), "opaque"
		}
	} else {
		claims["active"] = true
		p.answer = claims
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	return p.authn.Authenticate(p.t.Context(), authn.Request{Method: http.MethodGet, Header: header})
}

// seal encrypts a signed userinfo as MAX does.
func (p *profiled) seal(signed string) string {
	p.t.Helper()
	options := (&jose.EncrypterOptions{}).WithType("JWT").WithContentType("JWT").WithHeader("x5t", "thumbprint")
	encrypter, err := jose.NewEncrypter(jose.A128CBC_HS256, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: p.ours.Public()}, options)
	if err != nil {
		p.t.Fatal(err)
	}
	jwe, err := encrypter.Encrypt([]byte(signed))
	if err != nil {
		p.t.Fatal(err)
	}
	sealed, err := jwe.CompactSerialize()
	if err != nil {
		p.t.Fatal(err)
	}
	return sealed
}

// known returns what a fixture must lead to, as text: only what depends on the profile.
func known(s policy.Subject) string {
	kinds := map[policy.SubjectKind]string{
		policy.KindOther: "other", policy.KindPatient: "patient", policy.KindRepresentative: "representative", policy.KindProvider: "provider",
	}
	facts := []string{kinds[s.Kind], s.Assurance.String()}
	for _, fact := range []string{s.Person.Value, s.Pseudonym, s.Representative, s.RepresentativeSystem, s.Authority, s.Organization, s.Practitioner, strings.Join(s.Roles, "+")} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	for _, category := range s.Categories {
		facts = append(facts, string(category))
	}
	return strings.Join(facts, " ")
}

func TestProfiles(t *testing.T) {
	const (
		substantial = `"acr": "http://eidas.europa.eu/LoA/substantial", `
		bsn         = `"sub_id_type": "urn:nl-eid-gdi:1.0:id:BSN"`
		machtigen   = "    profile: nl-gov-oidc\n    claims: { represents: { claim: represents, person: { path: represents.sub, type: represents.sub_id_type }, otherwise: written }, pseudonym: alias }"
		authorities = "    profile: nl-gov-oidc\n    claims: { authority: grond, represents: { claim: represents, person: { path: represents.sub, type: represents.sub_id_type }, authorities: { ouderlijk-gezag: parental } }, pseudonym: alias }"
		foreign     = "    profile: nl-gov-oidc\n    persons_file: persons\n    identifier_types: { \"urn:nl-eid-gdi:1.0:id:BSN\": \"http://fhir.nl/fhir/NamingSystem/bsn\", eidas: \"urn:eidas:person-identifier\" }"
		introspect  = "    introspection: { client_id: gateway, secret_file: secret }"
		bsnSystem   = "http://fhir.nl/fhir/NamingSystem/bsn"
	)
	tests := []struct {
		name, written, typ, claims string
		want                       string
		refused                    policy.Reason
	}{
		{"NL GOV: a patient", "    profile: nl-gov-oidc", "", `{` + substantial + bsn + `, "sub": "999991346"}`, "patient substantial 999991346", ""},
		{"NL GOV: a number that is no BSN", "    profile: nl-gov-oidc", "", `{` + substantial + bsn + `, "sub": "999991347"}`, "", authn.ReasonPerson},
		{"NL GOV: a pseudonym", "    profile: nl-gov-oidc", "", `{` + substantial + `"sub_id_type": "urn:nl-eid-gdi:1.0:id:pseudonym", "sub": "RKyLpEVr1L"}`, "", authn.ReasonPerson},
		{"NL GOV: no type of number", "    profile: nl-gov-oidc", "", `{` + substantial + `"sub": "999991346"}`, "", authn.ReasonPerson},
		{"NL GOV: a level of DigiD, which is not this profile's", "    profile: nl-gov-oidc", "", `{"acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI", ` + bsn + `, "sub": "999991346"}`, "patient none 999991346", ""},
		{"NL GOV: the operator's levels win", "    profile: nl-gov-oidc\n    assurance: { \"4\": high }", "", `{"acr": "4", ` + bsn + `, "sub": "999991346"}`, "patient high 999991346", ""},
		{
			"NL GOV: somebody who represents, of whom nobody says by which right", "    profile: nl-gov-oidc", "",
			`{` + substantial + bsn + `, "sub": "999990019", "represents": {` + bsn + `, "sub": "999991346"}}`,
			"", authn.ReasonPerson,
		},
		{
			"NL GOV: an issuer that knows but one kind of authority", machtigen, "",
			`{` + substantial + bsn + `, "sub": "999990019", "alias": "a-1", "represents": {` + bsn + `, "sub": "999991346"}}`,
			"representative substantial 999991346 a-1 999990019 " + bsnSystem + " written", "",
		},
		{
			"NL GOV: whom the patient chose, by nothing but a BSN", machtigen, "",
			`{` + substantial + bsn + `, "sub": "999990019", "represents": {` + bsn + `, "sub": "999991346"}}`,
			"", authn.ReasonPerson,
		},
		{
			"NL GOV: an authority in words of the issuer", authorities, "",
			`{` + substantial + bsn + `, "sub": "999990019", "grond": "ouderlijk-gezag", "represents": {` + bsn + `, "sub": "999991346"}}`,
			"representative substantial 999991346 999990019 " + bsnSystem + " parental", "",
		},
		{
			"NL GOV: an authority in words that are not mapped", authorities, "",
			`{` + substantial + bsn + `, "sub": "999990019", "alias": "a-1", "grond": "written", "represents": {` + bsn + `, "sub": "999991346"}}`,
			"representative substantial 999991346 a-1 999990019 " + bsnSystem, "",
		},
		{
			"NL GOV: who is represented acts for another", machtigen, "",
			`{` + substantial + bsn + `, "sub": "999990019", "represents": {` + bsn + `, "sub": "999991346", "represents": {` + bsn + `, "sub": "999992223"}}}`,
			"", authn.ReasonUnprocessed,
		},
		{"NL GOV: a company represents", machtigen, "", `{` + substantial + bsn + `, "sub": "999990019", "represents": {"sub_id_type": "urn:nl-eid-gdi:1.0:id:RSIN", "sub": "999991346"}}`, "", authn.ReasonPerson},
		{"NL GOV: somebody represents himself", machtigen, "", `{` + substantial + bsn + `, "sub": "999991346", "represents": {` + bsn + `, "sub": "s00000000:999991346"}}`, "", authn.ReasonPerson},
		{"NL GOV: nobody is represented", machtigen, "", `{` + substantial + bsn + `, "sub": "999991346", "represents": {}}`, "", authn.ReasonPerson},
		{"NL GOV: represents in another form", machtigen, "", `{` + substantial + bsn + `, "sub": "999991346", "represents": "999990019"}`, "", authn.ReasonClaim},
		{"NL GOV: represents in another case", machtigen, "", `{` + substantial + bsn + `, "sub": "999991346", "Represents": {}}`, "", authn.ReasonUnprocessed},
		{"NL GOV: another claim of representation", machtigen, "", `{` + substantial + bsn + `, "sub": "999991346", "act": {"sub": "x"}}`, "", authn.ReasonUnprocessed},
		{"NL GOV: a foreign person who is known here", foreign, "", `{` + substantial + `"sub_id_type": "eidas", "sub": "ES/NL/11111111H"}`, "patient substantial 999990019", ""},
		{"NL GOV: a foreign person who is not", foreign, "", `{` + substantial + `"sub_id_type": "eidas", "sub": "ES/NL/22222222H"}`, "patient substantial ES/NL/22222222H", ""},

		{
			"MAX: a patient with DigiD", "    profile: max\n    kind: { fixed: patient }", "",
			`{"loa_authn": "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard", "bsn": "999991346"}`, "patient substantial 999991346", "",
		},
		{
			"MAX: a patient with DigiD, by the userinfo of an opaque token", "    profile: max\n    kind: { fixed: patient }\n    claims: { client: aud }\n    userinfo: { keys: [max-key] }", "",
			`{"aud": "portal", "iat": null, "jti": null, "client_id": null, "session_id": "abc", "x5c": "MIIC", "loa_authn": "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard", "bsn": "999991346"}`, "patient substantial 999991346", "",
		},
		{
			"MAX: a care worker by userinfo", "    profile: max\n    kind: { fixed: provider }\n    claims: { client: aud }\n    userinfo: { keys: [max-key] }", "",
			`{"aud": "portal", "iat": null, "jti": null, "client_id": null, "json_schema": "https://max.example/schema", "loa_authn": "http://eidas.europa.eu/LoA/high", "uzi_id": "900000001", "relations": [{"ura": "90000001", "entity_name": "Praktijk", "roles": ["01.015"]}]}`,
			"provider high ura:90000001 uzi:900000001 01.015 gp", "",
		},
		{
			"MAX: userinfo for another client", "    profile: max\n    kind: { fixed: patient }\n    claims: { client: aud }\n    userinfo: { keys: [max-key], audience: another }", "",
			`{"aud": "portal", "iat": null, "jti": null, "client_id": null, "loa_authn": "urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard", "bsn": "999991346"}`, "", unavailable,
		},
		{
			"MAX: a care worker", "    profile: max\n    kind: { fixed: provider }", "",
			`{"loa_authn": "http://eidas.europa.eu/LoA/high", "loa_uzi": "http://eidas.europa.eu/LoA/high", "uzi_id": "900000001", "relations": [{"ura": "90000001", "entity_name": "Praktijk", "roles": ["01.015"]}]}`,
			"provider high ura:90000001 uzi:900000001 01.015 gp", "",
		},
		{
			"MAX: a care worker of two organizations", "    profile: max\n    kind: { fixed: provider }", "",
			`{"loa_authn": "http://eidas.europa.eu/LoA/high", "uzi_id": "900000001", "relations": [{"ura": "90000001", "roles": ["01.015"]}, {"ura": "90000002", "roles": ["01.015"]}]}`,
			"", authn.ReasonClaim,
		},
		{
			"MAX: one of a care worker's roles is shut out", "    profile: max\n    kind: { fixed: provider }", "",
			`{"loa_authn": "http://eidas.europa.eu/LoA/high", "uzi_id": "900000001", "relations": [{"ura": "90000001", "roles": ["01.015", "01.008"]}]}`,
			"provider high ura:90000001 uzi:900000001 01.015+01.008 company-doctor", "",
		},

		{
			"Dezi", "    profile: dezi", "",
			`{"loa_dezi": "http://eidas.europa.eu/LoA/high", "dezi_nummer": "900000001", "abonnee_nummer": "90000001", "abonnee_naam": "Praktijk", "rol_code": "01.015", "rol_naam": "Huisarts", "rol_code_bron": "http://www.dezi.nl/rol_bron/big"}`,
			"provider high ura:90000001 dezi:900000001 01.015 gp", "",
		},
		{
			"Dezi: a role that nobody knows", "    profile: dezi", "",
			`{"loa_dezi": "http://eidas.europa.eu/LoA/high", "dezi_nummer": "900000001", "abonnee_nummer": "90000001", "rol_code": "98.765"}`,
			"provider high ura:90000001 dezi:900000001 98.765", "",
		},

		{
			"Nuts", "    profile: nuts\n" + introspect, "",
			`{"organization_ura": "90000001", "organization_name": "Praktijk", "user_id": "900000001", "user_role": "01.015", "assurance_level": "substantial", "scope": "zorgsluis"}`,
			"provider substantial ura:90000001 nuts:900000001 01.015 gp", "",
		},
		{
			"Nuts: a node that says no level", "    profile: nuts\n" + introspect, "",
			`{"organization_ura": "90000001", "user_id": "900000001", "user_role": "01.015"}`,
			"provider none ura:90000001 nuts:900000001 01.015 gp", "",
		},

		{
			"Keycloak: a professional", "    profile: keycloak\n    assurance: { \"2\": substantial }", "JWT",
			`{"typ": "Bearer", "azp": "portal", "acr": "2", "realm_access": {"roles": ["offline_access", "provider", "uma_authorization"]}, "resource_access": {"account": {"roles": ["view-profile"]}, "zorgsluis": {"roles": ["01.015"]}}, "uzi": "900000001", "organization_ura": "90000001"}`,
			"provider substantial ura:90000001 uzi:900000001 01.015 gp", "",
		},
		{
			"Keycloak: a patient, whose level the operator did not map", "    profile: keycloak", "JWT",
			`{"typ": "Bearer", "azp": "portal", "acr": "1", "realm_access": {"roles": ["patient"]}, "bsn": "999991346"}`, "patient none 999991346", "",
		},
		{
			"Keycloak: a user who is two things at once", "    profile: keycloak", "JWT",
			`{"typ": "Bearer", "azp": "portal", "acr": "1", "realm_access": {"roles": ["patient", "provider"]}, "bsn": "999991346"}`, "", authn.ReasonClaim,
		},
		{
			"Keycloak: a user without a capacity", "    profile: keycloak", "JWT",
			`{"typ": "Bearer", "azp": "portal", "acr": "1", "realm_access": {"roles": ["offline_access"]}}`, "other none", "",
		},
		{
			"Keycloak: an ID token", "    profile: keycloak", "JWT",
			`{"typ": "ID", "azp": "portal", "acr": "1", "realm_access": {"roles": ["patient"]}, "bsn": "999991346"}`, "", authn.ReasonClaim,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProfiled(t, tt.written)
			if tt.typ != "" {
				p.typ = tt.typ
			}
			if strings.Contains(tt.written, "introspection") {
				p.answer = map[string]any{}
			}
			s, err := p.subject(tt.claims)
			if tt.refused == unavailable {
				if !errors.Is(err, authn.ErrIntrospectionUnavailable) {
					t.Fatalf("error is %v, want that nothing can be said", err)
				}
				return
			}
			if refusal, ok := errors.AsType[*authn.Error](err); ok != (tt.refused != "") || ok && refusal.Reason != tt.refused {
				t.Fatalf("error is %v, want %q", err, tt.refused)
			}
			if err != nil && tt.refused == "" {
				t.Fatal(err)
			}
			if got := known(s); tt.refused == "" && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAProfileFillsInWhatIsNotWritten(t *testing.T) {
	ready, err := profiles()
	if err != nil {
		t.Fatal(err)
	}
	written := Issuer{
		Profile: "keycloak", URL: "https://login.example", Algorithms: []string{"ES256"}, Kind: Kind{Fixed: "provider"},
		Claims: Claims{Assurance: "loa", Practitioner: PrefixedClaim{Path: "big"}},
	}
	want := ready["keycloak"]
	want.Profile, want.URL, want.Algorithms, want.Kind = written.Profile, written.URL, written.Algorithms, written.Kind
	want.Claims.Assurance, want.Claims.Practitioner = "loa", PrefixedClaim{Path: "big"}
	c := &checker{}
	if got := written.withProfile(c, "issuers[0].profile"); !reflect.DeepEqual(got, want) || c.problems != nil {
		t.Errorf("got\n%+v, want\n%+v; problems %v", got, want, c.problems)
	}
	Issuer{Profile: "digid"}.withProfile(c, "issuers[0].profile")
	if len(c.problems) != 1 || !strings.Contains(c.problems[0].Error(), "dezi, keycloak, max, nl-gov-oidc, nuts") {
		t.Errorf("problems %v, want one that names the profiles", c.problems)
	}
}

// TestCheckWarnsOfWhomPatientsChose: an issuer whose sub is a number cannot name a representative whom a patient chose, unless another
// claim is configured; and its word is enough, unless patients must name that person.
func TestCheckWarnsOfWhomPatientsChose(t *testing.T) {
	const warning, unnamed = "claims.pseudonym is missing", "need not be named by the patient"
	s := &Settings{File: defaults()}
	s.File.Issuers = []Issuer{{URL: "https://login.example", Profile: "nl-gov-oidc"}}
	s.profiles(&checker{})
	if got := strings.Join(s.Warnings(), "\n"); !strings.Contains(got, "issuer https://login.example") || !strings.Contains(got, warning) || !strings.Contains(got, unnamed) {
		t.Errorf("got %q, want two warnings of the issuer", got)
	}
	s.File.Issuers[0].Claims.Pseudonym, s.File.Issuers[0].NamedOnly = "alias", true
	if got := strings.Join(s.Warnings(), "\n"); strings.Contains(got, warning) || strings.Contains(got, unnamed) {
		t.Errorf("got %q, want no warning where it is said", got)
	}
}
