package authn_test

import (
	"errors"
	"strings"
	"testing"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// TestWhoIsKnownByAPseudonym: a legal representative is known by number; anybody else by what the issuer calls that person, never by a
// number.
func TestWhoIsKnownByAPseudonym(t *testing.T) {
	const bsn = "000009830" // of the representative
	alias := func(c *authn.Config) { c.Issuers[0].Claims.Pseudonym = "alias" }
	foreign := func(system string) func(*authn.Config) {
		return func(c *authn.Config) { c.Issuers[0].Claims.Representative.System = system }
	}
	typed := func(c *authn.Config) {
		c.Issuers[0].IdentifierTypes = map[string]string{"passport": "urn:passport"}
		c.Issuers[0].Claims.Representative = authn.IdentifierClaim{Path: "representative", Type: "type"}
	}
	tests := []struct {
		name     string
		change   func(*authn.Config)
		claims   members
		want     string // the pseudonym; "" for a legal representative
		refused  bool
		otherSub bool // sub is unchanged
	}{
		{name: "a parent", claims: members{"authority": "parental", "representative": bsn}, otherSub: true},
		{name: "a guardian", claims: members{"authority": "guardian", "representative": bsn}, otherSub: true},
		{name: "a curator", claims: members{"authority": "curator", "representative": bsn}, otherSub: true},
		{name: "a mentor", claims: members{"authority": "mentor", "representative": bsn}, otherSub: true},
		{name: "somebody chosen, by sub", claims: members{"authority": "written", "representative": bsn, "sub": "anja"}, want: "anja"},
		{name: "somebody of no right that is known", claims: members{"authority": "friend", "representative": bsn, "sub": "anja"}, want: "anja"},
		{name: "somebody of no right", claims: members{"representative": bsn, "sub": "anja"}, want: "anja"},
		{name: "somebody chosen, of whom the token brings no number", claims: members{"user_kind": "proxy", "authority": "written", "sub": "anja"}, want: "anja"},
		{name: "a claim that is configured for it", change: alias, claims: members{"authority": "written", "representative": bsn, "sub": bsn, "alias": "a-1"}, want: "a-1"},
		{name: "an identifier of no system", change: foreign(""), claims: members{"authority": "written", "representative": "r-1"}, want: "r-1"},
		{name: "an identifier of a system that is not for persons", change: foreign("urn:members"), claims: members{"authority": "written", "representative": "r-1"}, want: "r-1"},

		{name: "sub is the number", claims: members{"authority": "written", "representative": bsn, "sub": bsn}, refused: true},
		{name: "sub is the number in another spelling", claims: members{"authority": "written", "representative": bsn, "sub": "s00000000:00009830"}, refused: true},
		{name: "sub holds the number", claims: members{"authority": "written", "representative": bsn, "sub": "user-" + bsn}, refused: true},
		{name: "sub holds the number as the token writes it", claims: members{"authority": "written", "representative": "00009830", "sub": "u00009830"}, refused: true},
		{name: "sub could be a number of which nothing else is said", claims: members{"user_kind": "proxy", "authority": "written", "sub": bsn}, refused: true},
		{name: "the configured claim is the number", change: alias, claims: members{"authority": "written", "representative": bsn, "alias": bsn}, refused: true},
		{name: "the configured claim is not there", change: alias, claims: members{"authority": "written", "representative": bsn, "sub": "anja"}, refused: true},
		{name: "an identifier of no system that could be a number", change: foreign(""), claims: members{"authority": "written", "representative": bsn}, refused: true},
		{name: "a number of another system for persons in sub", change: typed, claims: members{"authority": "written", "type": "passport", "representative": "P-77", "sub": "nl:P-77"}, refused: true},
		{name: "no right, and sub is the number", claims: members{"representative": bsn, "sub": bsn}, refused: true},
	}
	c := newClock()
	p := newProvider(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.change == nil {
				test.change = func(*authn.Config) {}
			}
			claims := p.patientClaims(c.now())
			before, _ := claims["sub"].(string)
			for name, value := range test.claims {
				claims = with(claims, name, value)
			}
			s, err := authn.ByToken(t.Context(), authenticator(t, p, c, test.change), sign(goodHeader(), claims))
			if refusal, ok := errors.AsType[*authn.Error](err); ok != test.refused || ok && (refusal.Reason != authn.ReasonPerson || strings.Contains(err.Error(), bsn)) {
				t.Fatalf("error is %v, want a refusal: %v", err, test.refused)
			}
			if test.refused {
				return
			}
			if s.Kind != policy.KindRepresentative || s.Pseudonym != test.want {
				t.Errorf("kind %v, pseudonym %q, want %q", s.Kind, s.Pseudonym, test.want)
			}
			if id := test.want; s.ID != id && !test.otherSub || test.otherSub && s.ID != before {
				t.Errorf("the subject is %q, want %q: sub may be a number", s.ID, id)
			}
		})
	}
}

// TestNamedOnly: for some issuers a token is not enough for persons chosen by the patient; legal representatives need not be named.
func TestNamedOnly(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	for _, only := range []bool{true, false} {
		a := authenticator(t, p, c, func(c *authn.Config) { c.Issuers[0].NamedOnly = only })
		for authority, want := range map[string]bool{"written": only, "friend": only, "parental": false, "guardian": false, "curator": false, "mentor": false} {
			claims := with(with(p.patientClaims(c.now()), "authority", authority), "representative", "000009830")
			if s := authenticate(t, a, sign(goodHeader(), claims)); s.MustBeNamed != want {
				t.Errorf("named only %v, %s: must be named is %v", only, authority, s.MustBeNamed)
			}
		}
		if s := authenticate(t, a, sign(goodHeader(), p.patientClaims(c.now()))); s.MustBeNamed {
			t.Error("a patient must be named")
		}
	}
}
