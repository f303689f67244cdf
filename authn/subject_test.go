package authn_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"zorgsluis/authn"
	"zorgsluis/fhir"
	"zorgsluis/policy"
)

func authenticate(t *testing.T, a *authn.Authenticator, token string) policy.Subject {
	t.Helper()
	s, err := authn.ByToken(t.Context(), a, token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSubjectOfAProvider(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	want := policy.Subject{
		Issuer: p.url, ID: "user-1", ClientID: "gp-app", TokenID: "token-1", Name: "A. de Vries",
		Kind: policy.KindProvider, Assurance: policy.AssuranceHigh, Categories: []policy.ProviderCategory{"gp"},
		Organization: "ura:00001111", Practitioner: "uzi:900000001", Roles: []string{"01.015"},
		Secrecy: "big-3", Relationship: policy.RelationTreating, Evidence: policy.EvidenceToken,
		Purposes: []policy.PurposeOfUse{policy.PurposeTreatment}, Channel: "regional",
		AuthenticatedAt: c.now().Add(-time.Minute), Expires: c.now().Add(10 * time.Minute),
	}
	for _, token := range []string{
		joseToken(t, jose.RS256, rsaKey(), "rsa", p.claims(c.now())),
		joseToken(t, jose.PS256, rsaKey(), "rsa", p.claims(c.now())),
		joseToken(t, jose.ES256, p256Key(), "ec", p.claims(c.now())),
		sign(with(goodHeader(), "typ", "application/at+jwt"), p.claims(c.now())),
		seal("ES256", p256Key(), toJSON(members{"alg": "ES256", "typ": "at+jwt"}), toJSON(p.claims(c.now()))), // the only EC key
	} {
		for range 2 { // fresh, and cached
			if got := authenticate(t, a, token); !reflect.DeepEqual(got, want) {
				t.Errorf("subject is\n%+v, want\n%+v", got, want)
			}
		}
	}
}

func TestSubjectOfAPatient(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	person := fhir.Identifier{System: "http://fhir.nl/fhir/NamingSystem/bsn", Value: testBSN}
	tests := []struct {
		name           string
		claims         members
		kind           policy.SubjectKind
		person         fhir.Identifier
		representative string
		authority      string
		purposes       []policy.PurposeOfUse
	}{
		{"a patient", p.patientClaims(c.now()), policy.KindPatient, person, "", "", []policy.PurposeOfUse{"PATRQT"}},
		{"a patient by sectoral number", with(p.patientClaims(c.now()), "bsn", "s00000000:"+testBSN), policy.KindPatient, person, "", "", []policy.PurposeOfUse{"PATRQT"}},
		{
			"a patient with purposes of the token",
			with(p.patientClaims(c.now()), "extensions", members{"ihe_iua": members{"purpose_of_use": []any{members{"code": "HRESCH"}}}}),
			policy.KindPatient, person, "", "", []policy.PurposeOfUse{"HRESCH"},
		},
		{
			"a representative by kind", with(with(with(p.patientClaims(c.now()), "user_kind", "proxy"), "representative", "00009830"), "authority", "parental"),
			policy.KindRepresentative, person, "000009830", "parental", []policy.PurposeOfUse{"PATRQT"},
		},
		{
			"a patient's token that names a representative is a representative's", with(p.patientClaims(c.now()), "representative", "000009830"),
			policy.KindRepresentative, person, "000009830", "", []policy.PurposeOfUse{"PATRQT"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := authenticate(t, a, sign(goodHeader(), test.claims))
			if s.Kind != test.kind || s.Person != test.person || s.Representative != test.representative || s.Authority != test.authority {
				t.Errorf("kind %v, person %v, representative %q, authority %q", s.Kind, s.Person, s.Representative, s.Authority)
			}
			if !slices.Equal(s.Purposes, test.purposes) {
				t.Errorf("purposes are %q, want %q", s.Purposes, test.purposes)
			}
			if s.Channel != "medmij" {
				t.Errorf("channel is %q, want the client's", s.Channel)
			}
		})
	}
}

func TestFactsThatAreNotClaimed(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	claims := func(name string, value any) members { return with(p.claims(c.now()), name, value) }

	if s := authenticate(t, a, sign(goodHeader(), claims("acr", "http://eidas.europa.eu/LoA/highest"))); s.Assurance != policy.AssuranceNone {
		t.Errorf("an unknown level gives %v, want none", s.Assurance)
	}
	if s := authenticate(t, a, sign(goodHeader(), claims("acr", drop))); s.Assurance != policy.AssuranceNone {
		t.Errorf("no level gives %v, want none", s.Assurance)
	}
	for _, kind := range []any{"Care", "provider", drop} {
		if s := authenticate(t, a, sign(goodHeader(), claims("user_kind", kind))); s.Kind != policy.KindOther {
			t.Errorf("kind %v gives %v, want other", kind, s.Kind)
		}
	}
	bare := with(with(claims("extensions", drop), "relation", drop), "auth_time", drop)
	s := authenticate(t, a, sign(goodHeader(), bare))
	if s.Relationship != "" || s.Purposes != nil || s.Practitioner != "uzi:900000001" || s.Organization != "" || !s.AuthenticatedAt.IsZero() {
		t.Errorf("facts out of nowhere: %+v", s)
	}
	s = authenticate(t, a, sign(goodHeader(), with(bare, "client_id", "batch-app")))
	if s.Relationship != policy.RelationSubstitute || !slices.Equal(s.Purposes, []policy.PurposeOfUse{"TREAT"}) {
		t.Errorf("relationship %q and purposes %q, want the client's", s.Relationship, s.Purposes)
	}
	s = authenticate(t, a, sign(goodHeader(), with(p.claims(c.now()), "client_id", "batch-app")))
	if s.Relationship != policy.RelationTreating {
		t.Errorf("relationship is %q, want the token's", s.Relationship)
	}
}

func TestCategoriesComeFromAllSignals(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	iua := func(name string, value any) members {
		return with(p.claims(c.now()), "extensions", members{"ihe_iua": members{name: value}})
	}
	roles := []any{members{"code": "01.015"}, members{"code": "01.008"}}
	purposes := []any{members{"code": "TREAT"}, members{"code": "EMPLOY"}}
	uzovi := []any{members{"system": "http://fhir.nl/fhir/NamingSystem/uzovi", "value": "0104"}}
	tests := []struct {
		name   string
		claims members
		want   []policy.ProviderCategory
	}{
		{"organization type", p.claims(c.now()), []policy.ProviderCategory{"gp"}},
		{"AGB", with(with(p.claims(c.now()), "organization_type", drop), "agb", "0210"), []policy.ProviderCategory{"pharmacy"}},
		{"role", with(p.claims(c.now()), "organization_type", drop), []policy.ProviderCategory{"gp"}},
		{"a blocked role among others", iua("subject_role", roles), []policy.ProviderCategory{"company-doctor"}},
		{"a blocked purpose among others", iua("purpose_of_use", purposes), []policy.ProviderCategory{"medical-examiner"}},
		{"a blocked organization", iua("subject_organization_id", "00009999"), []policy.ProviderCategory{"insurer"}},
		{"an identifier with its system", with(p.claims(c.now()), "organization_ids", uzovi), []policy.ProviderCategory{"insurer"}},
		{"an identifier of a fixed system", with(p.claims(c.now()), "uzovi", "0104"), []policy.ProviderCategory{"insurer"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := authenticate(t, a, sign(goodHeader(), test.claims)).Categories; !slices.Equal(got, test.want) {
				t.Errorf("categories are %q, want %q", got, test.want)
			}
		})
	}
}

func TestScopesThatGrantEverythingPass(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	for _, scope := range []string{"zorgsluis", "zorgsluis user/*.rs", "user/*.read zorgsluis", "zorgsluis system/*.cruds user/Observation.rs"} {
		authenticate(t, a, sign(goodHeader(), with(p.claims(c.now()), "scope", scope)))
	}
	authenticate(t, a, sign(goodHeader(), with(p.patientClaims(c.now()), "scope", "zorgsluis patient/*.rs")))
	for _, scp := range []any{"zorgsluis", []any{"zorgsluis", "user/*.rs"}} {
		authenticate(t, a, sign(goodHeader(), with(with(p.claims(c.now()), "scope", drop), "scp", scp)))
	}
}

func TestClaimNamesMayHoldDots(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, func(c *authn.Config) {
		c.Issuers[0].Claims.Name = `"https://idp.example/claims"."full.name"`
		c.Issuers[0].RequiredClaims = map[string]string{`"https://idp.example/claims".typ`: "Bearer"}
		c.Issuers[0].TokenType = "JWT"
		c.Issuers[0].RequiredScope = ""
	})
	claims := with(p.claims(c.now()), "https://idp.example/claims", members{"full.name": "B. Bakker", "typ": "Bearer"})
	if s := authenticate(t, a, sign(with(goodHeader(), "typ", "JWT"), claims)); s.Name != "B. Bakker" {
		t.Errorf("name is %q", s.Name)
	}
	for _, typ := range []any{"ID", "bearer", nil, 1, []any{"Bearer"}, drop} {
		inner := with(members{"full.name": "B. Bakker", "typ": "Bearer"}, "typ", typ)
		token := sign(with(goodHeader(), "typ", "JWT"), with(claims, "https://idp.example/claims", inner))
		checkRefused(t, a, badToken{"", token, authn.ReasonClaim})
	}
}

func TestSubjectsDoNotShareSlices(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	token := sign(goodHeader(), p.claims(c.now()))
	first := authenticate(t, a, token)
	first.Categories[0], first.Roles[0], first.Purposes[0] = "hospital", "99", "ETREAT"
	for range 2 { // the first of these is the first from the cache
		next := authenticate(t, a, token)
		if next.Categories[0] != "gp" || next.Roles[0] != "01.015" || next.Purposes[0] != "TREAT" {
			t.Error("what one caller did to a subject, the next one sees")
		}
		next.Categories[0], next.Roles[0], next.Purposes[0] = "hospital", "99", "ETREAT"
	}
}

func TestEveryUseChecksTheTimes(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	token := sign(goodHeader(), with(p.claims(c.now()), "exp", c.now().Add(5*time.Second).Unix()))
	authenticate(t, a, token)
	c.advance(4 * time.Second)
	authenticate(t, a, token)
	c.advance(time.Second)
	checkRefused(t, a, badToken{"", token, authn.ReasonExpired})
	if kept := authn.Kept(a); kept != 0 {
		t.Errorf("%d expired tokens are kept", kept)
	}

	late := sign(goodHeader(), with(p.claims(c.now()), "nbf", c.now().Unix()))
	authenticate(t, a, late)
	c.advance(-time.Hour) // setting the clock back does not make valid what is not valid yet
	_, err := authn.ByToken(context.Background(), a, late)
	if err == nil {
		t.Error("a token from the future passes")
	}
}

func TestAFactHasOneValue(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, issuer(func(i *authn.Issuer) { i.Claims.Relationship = "relations[].kind" }))
	relations := func(kinds ...string) members {
		list := []any{}
		for _, kind := range kinds {
			list = append(list, members{"kind": kind})
		}
		return with(p.claims(c.now()), "relations", list)
	}
	if s := authenticate(t, a, sign(goodHeader(), relations("treating"))); s.Relationship != policy.RelationTreating {
		t.Errorf("relationship is %q", s.Relationship)
	}
	if s := authenticate(t, a, sign(goodHeader(), relations())); s.Relationship != "" {
		t.Errorf("relationship is %q, want none", s.Relationship)
	}
	checkRefused(t, a, badToken{"", sign(goodHeader(), relations("treating", "substitute")), authn.ReasonClaim})
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	for _, entries := range []int{1, 32} {
		a := authenticator(t, p, c, func(c *authn.Config) { c.CacheEntries = entries })
		for i := range 100 {
			authenticate(t, a, joseToken(t, jose.ES256, p256Key(), "ec", with(p.claims(c.now()), "jti", fmt.Sprint(i))))
		}
		// The bound is rounded up to the number of shards.
		if kept := authn.Kept(a); kept == 0 || kept > entries+16 {
			t.Errorf("%d tokens are kept, want at most about %d", kept, entries)
		}
	}
}

func TestKeptTokensAreVerifiedAgain(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c)
	token := sign(goodHeader(), p.claims(c.now().Add(-time.Minute)))
	for _, step := range []struct {
		name  string
		moves time.Duration
		again bool
	}{
		{"at first", 0, true},
		{"within the age", 59 * time.Second, false},
		{"at the age", time.Second, true},
		{"after the clock went back", -time.Second, true},
	} {
		before := c.now()
		c.advance(step.moves)
		authenticate(t, a, token)
		want := []time.Time{c.now()}
		if !step.again {
			want = []time.Time{before}
		}
		if got := authn.VerifiedAt(a); !slices.Equal(got, want) {
			t.Errorf("%s: verified at %v, want %v", step.name, got, want)
		}
	}
}
