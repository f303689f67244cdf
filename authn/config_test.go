package authn_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"zorgsluis/authn"
	"zorgsluis/policy"
)

// faultKeys are the keys of all faults of a configuration.
func faultKeys(err error) (keys []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, fault := range joined.Unwrap() {
		var e *authn.ConfigError
		if errors.As(fault, &e) {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

func introspect(change func(*authn.Introspection)) func(*authn.Config) {
	return func(c *authn.Config) {
		n := &authn.Introspection{Endpoint: "https://idp.example/introspect", ClientID: "gateway", Secret: "secret"}
		change(n)
		c.Issuers[0].Introspection = n
	}
}

func encrypt(change func(*authn.Encryption)) func(*authn.Config) {
	return func(c *authn.Config) {
		decrypting(c)
		change(c.Issuers[0].Encryption)
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*authn.Config)
		want   string
	}{
		{"no issuer", func(c *authn.Config) { c.Issuers = nil }, "issuers"},
		{"no tables", func(c *authn.Config) { c.Tables = nil }, "tables"},
		{"introspection without a client id", introspect(func(n *authn.Introspection) { n.ClientID = "" }), "issuers[0].introspection.client_id"},
		{"introspection without a secret", introspect(func(n *authn.Introspection) { n.Secret = "" }), "issuers[0].introspection"},
		{"introspection with two secrets", introspect(func(n *authn.Introspection) { n.Key = func() *authn.AssertionKey { return nil } }), "issuers[0].introspection"},
		{"introspection over plain HTTP", introspect(func(n *authn.Introspection) { n.Endpoint = "http://idp.example/introspect" }), "issuers[0].introspection.endpoint"},
		{"introspection with a user in the address", introspect(func(n *authn.Introspection) { n.Endpoint = "https://u:p@idp.example/" }), "issuers[0].introspection.endpoint"},
		{"answers that are kept for too long", introspect(func(n *authn.Introspection) { n.CacheFor = 61 * time.Second }), "issuers[0].introspection.cache"},
		{"questions that take too long", introspect(func(n *authn.Introspection) { n.Timeout = time.Minute }), "issuers[0].introspection.timeout"},
		{"a prefix that no token has", introspect(func(n *authn.Introspection) { n.TokenPrefix = "a b" }), "issuers[0].introspection.token_prefix"},
		{"signed answers without algorithms", func(c *authn.Config) {
			introspect(func(n *authn.Introspection) { n.Signed = true })(c)
			c.Issuers[0].Algorithms = nil
		}, "issuers[0].introspection.signed"},
		{"opaque tokens of two issuers that nothing tells apart", func(c *authn.Config) {
			introspect(func(*authn.Introspection) {})(c)
			other := c.Issuers[0]
			other.URL = "https://elsewhere.example"
			c.Issuers = append(c.Issuers, other)
		}, "issuers[1].introspection.token_prefix"},
		{"encryption without keys", func(c *authn.Config) { c.Issuers[0].Encryption = &authn.Encryption{Algorithms: []string{"ECDH-ES"}} }, "issuers[0].encryption.keys"},
		{"encryption without algorithms", encrypt(func(e *authn.Encryption) { e.Algorithms = nil }), "issuers[0].encryption.algorithms"},
		{"encryption with a password", encrypt(func(e *authn.Encryption) { e.Algorithms = []string{"PBES2-HS256+A128KW"} }), "issuers[0].encryption.algorithms"},
		{"encryption with RSA1_5", encrypt(func(e *authn.Encryption) { e.Algorithms = []string{"RSA1_5"} }), "issuers[0].encryption.algorithms"},
		{"a key without a kid", encrypt(func(e *authn.Encryption) { e.Keys[0].ID = "" }), "issuers[0].encryption.keys"},
		{"two keys of one kid", encrypt(func(e *authn.Encryption) { e.Keys[1].ID = e.Keys[0].ID }), "issuers[0].encryption.keys"},
		{"a claim map that reads cnf", func(c *authn.Config) { c.Issuers[0].Claims.Name = "cnf.jkt" }, "issuers[0].claims.name"},
		{"no clients", func(c *authn.Config) { c.Clients = nil }, "clients"},
		{"a client of an issuer that is not configured", func(c *authn.Config) { c.Clients["x"] = authn.Client{Issuer: "https://x.example"} }, `clients["x"].issuer`},
		{"a client with an unknown relationship", func(c *authn.Config) { c.Clients["x"] = authn.Client{Relationship: "friend"} }, `clients["x"].relationship`},
		{"an empty client id", func(c *authn.Config) { c.Clients[""] = authn.Client{} }, `clients[""]`},
		{"a client of no issuer where there are two", func(c *authn.Config) {
			withOtherIssuer(c)
			c.Clients["x"] = authn.Client{}
		}, `clients["x"].issuer`},
		{"an issuer twice", func(c *authn.Config) { c.Issuers = append(c.Issuers, c.Issuers[0]) }, "issuers[1].url"},
		{"TK-4 plain http", issuer(func(i *authn.Issuer) { i.URL = "http://idp.example" }), "issuers[0].url"},
		{"no URL", issuer(func(i *authn.Issuer) { i.URL = "idp.example" }), "issuers[0].url"},
		{"a query in the URL", issuer(func(i *authn.Issuer) { i.URL = "https://idp.example?x=1" }), "issuers[0].url"},
		{"a fragment in the URL", issuer(func(i *authn.Issuer) { i.URL = "https://idp.example#" }), "issuers[0].url"},
		{"keys over plain http", issuer(func(i *authn.Issuer) { i.JWKSURL = "http://idp.example/keys" }), "issuers[0].jwks_url"},
		{"no audience", issuer(func(i *authn.Issuer) { i.Audience = "" }), "issuers[0].audience"},
		{"no channel", issuer(func(i *authn.Issuer) { i.Channel = "" }), "issuers[0].channel"},
		{"no algorithms", issuer(func(i *authn.Issuer) { i.Algorithms = nil }), "issuers[0].algorithms"},
		{"TK-1 none", issuer(func(i *authn.Issuer) { i.Algorithms = []string{"RS256", "none"} }), "issuers[0].algorithms"},
		{"TK-2 HS256", issuer(func(i *authn.Issuer) { i.Algorithms = []string{"HS256"} }), "issuers[0].algorithms"},
		{"TK-7 a type that ID tokens have too", issuer(func(i *authn.Issuer) { i.TokenType, i.RequiredScope = "JWT", "" }), "issuers[0].token_type"},
		{"a scope of two words", issuer(func(i *authn.Issuer) { i.RequiredScope = "a b" }), "issuers[0].required_scope"},
		{"TK-6 an endless lifetime", issuer(func(i *authn.Issuer) { i.MaxLifetime = 25 * time.Hour }), "issuers[0].max_lifetime"},
		{"TK-6 a negative lifetime", issuer(func(i *authn.Issuer) { i.MaxLifetime = -1 }), "issuers[0].max_lifetime"},
		{"no kind", issuer(func(i *authn.Issuer) { i.Kind = authn.KindRule{} }), "issuers[0].kind"},
		{"a kind that is fixed to representative", issuer(func(i *authn.Issuer) { i.Kind = authn.KindRule{Fixed: policy.KindRepresentative} }), "issuers[0].kind"},
		{"a kind by claim and fixed", issuer(func(i *authn.Issuer) { i.Kind.Fixed = policy.KindPatient }), "issuers[0].kind.claim"},
		{"a kind by claim without values", issuer(func(i *authn.Issuer) { i.Kind.Values = nil }), "issuers[0].kind.claim"},
		{"kinds without a claim", issuer(func(i *authn.Issuer) { i.Kind.Claim = "" }), "issuers[0].kind.values"},
		{"patients without a person", issuer(func(i *authn.Issuer) { i.Claims.Person.System = "" }), "issuers[0].kind"},
		{"a path that ends in a dot", issuer(func(i *authn.Issuer) { i.Claims.Roles = "a.b." }), "issuers[0].claims.roles"},
		{"a path with an empty step", issuer(func(i *authn.Issuer) { i.Claims.Roles = "a..b" }), "issuers[0].claims.roles"},
		{"a path with an open bracket", issuer(func(i *authn.Issuer) { i.Claims.Roles = "a[0].b" }), "issuers[0].claims.roles"},
		{"a path with an open quote", issuer(func(i *authn.Issuer) { i.Claims.Roles = `"a.b` }), "issuers[0].claims.roles"},
		{"a path of brackets", issuer(func(i *authn.Issuer) { i.Claims.Roles = "[]" }), "issuers[0].claims.roles"},
		{"a path into a claim that is refused", issuer(func(i *authn.Issuer) { i.Claims.Name = "act.sub" }), "issuers[0].claims.name"},
		{"a required claim without a path", issuer(func(i *authn.Issuer) { i.RequiredClaims = map[string]string{"": "x"} }), "issuers[0].required_claims"},
		{"skew over a minute", func(c *authn.Config) { c.Skew = 61 * time.Second }, "skew"},
		{"negative skew", func(c *authn.Config) { c.Skew = -1 }, "skew"},
		{"a refresh that would keep removed keys too long", func(c *authn.Config) { c.RefreshInterval = 10 * time.Minute }, "issuer_keys.refresh"},
		{"no interval between fetches", func(c *authn.Config) { c.MinRefresh = time.Millisecond }, "issuer_keys.cool_down"},
		{"keys that never end", func(c *authn.Config) { c.MaxStale = 13 * time.Hour }, "issuer_keys.keep"},
		{"tokens kept too long", func(c *authn.Config) { c.CacheAge = 2 * time.Minute }, "cache_age"},
		{"a cache without bound", func(c *authn.Config) { c.CacheEntries = -1 }, "cache_entries"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newClock()
			configuration := config(&provider{url: "https://idp.example"}, c)
			test.change(&configuration)
			a, err := authn.New(configuration)
			if a != nil {
				t.Error("an Authenticator came with the error")
			}
			if keys := faultKeys(err); !slices.Contains(keys, test.want) {
				t.Errorf("faults are at %q, want %s", keys, test.want)
			}
		})
	}
}

func issuer(change func(*authn.Issuer)) func(*authn.Config) {
	return func(c *authn.Config) { change(&c.Issuers[0]) }
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := authn.New(authn.Config{Issuers: []authn.Issuer{{}}, Skew: time.Hour})
	for _, key := range []string{"tables", "skew", "clients", "issuers[0].url", "issuers[0].audience", "issuers[0].channel", "issuers[0].algorithms", "issuers[0].kind"} {
		if !slices.Contains(faultKeys(err), key) {
			t.Errorf("no fault at %s", key)
		}
	}
	if !strings.Contains(err.Error(), "issuers[0].audience: is missing") {
		t.Errorf("the text does not name key and problem: %v", err)
	}
}

func TestMappedLaunchContextIsProcessed(t *testing.T) {
	c := newClock()
	p := newProvider(t)
	a := authenticator(t, p, c, issuer(func(i *authn.Issuer) {
		i.Claims.Person = authn.IdentifierClaim{Path: "patient", System: "https://hospital.example/patients"}
	}))
	s := authenticate(t, a, sign(goodHeader(), with(with(p.patientClaims(c.now()), "bsn", drop), "patient", "A-1")))
	if s.Person.Value != "A-1" {
		t.Errorf("person is %v", s.Person)
	}
}
