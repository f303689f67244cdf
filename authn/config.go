package authn

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"zorgsluis/fhir"
	"zorgsluis/policy"
)

// Config is everything that authentication depends on. Nothing about a caller comes from anywhere else (leaks.md TK-14).
type Config struct {
	Issuers   []Issuer
	Tables    *policy.Tables      // maps the signals in a token to provider categories
	Assurance policy.AssuranceMap // maps claim values to levels; an unknown value is none
	Clients   map[string]Client   // by client id; other clients are refused

	Skew            time.Duration // tolerated in iat, nbf and auth_time, at most 60 s; never in exp
	RefreshInterval time.Duration // of the keys, default 5 min, at most 9 min: a removed key stops within ten
	MinRefresh      time.Duration // between two fetches, default 30 s; after a failure less, and growing
	MaxStale        time.Duration // how long known keys count while the provider is away; default and at most 12 h
	CacheEntries    int           // verified tokens kept, default 10,000
	CacheAge        time.Duration // age at which a token is verified again, default and at most 60 s

	// Waiting is how many requests may wait at once for an issuer's answer about a token, or for its keys. Those from one place
	// (Request.From) are at most half of them. Default 256.
	Waiting int

	Replays Replays // of DPoP proofs; nil: tokens bound to a key get ErrReplaysUnavailable
	// NonceSecrets are shared by all instances, 32 bytes each: the first makes the nonces of proofs, all verify them.
	NonceSecrets [][]byte

	Now func() time.Time // default time.Now
}

// Issuer is one identity provider, and what its tokens are valid for here.
type Issuer struct {
	URL        string // iss, compared exactly
	JWKSURL    string // default: by discovery
	Audience   string // must be in aud
	TokenType  string // header typ, default at+jwt; the prefix application/ is ignored (RFC 9068 §2.1)
	Algorithms []string
	Kind       KindRule
	Channel    policy.Channel // unless the client's registration has one
	Claims     ClaimMap
	// RequiredClaims are claims (by path) that must have exactly this single value. An issuer whose TokenType is not at+jwt needs one, or a
	// RequiredScope: nothing else distinguishes its access tokens from its ID tokens (leaks.md TK-7).
	RequiredClaims map[string]string
	RequiredScope  string        // a word that scope must contain; "": none
	RequireTokenID bool          // jti must be there
	MaxLifetime    time.Duration // exp - iat, default 1 h, at most 24 h

	// Assurance is the level of each value that this issuer uses; nil: Config.Assurance. Any other value is no level.
	Assurance policy.AssuranceMap
	// IdentifierTypes is the identifier system for each value of the claim that an IdentifierClaim names as its Type.
	IdentifierTypes map[string]string
	// Persons maps foreign identities, such as those of eIDAS, to the identifiers by which these persons are known here.
	Persons map[fhir.Identifier]fhir.Identifier

	Introspection     *Introspection // of opaque tokens; nil: they are refused. Without Algorithms there are no other tokens
	Userinfo          *Userinfo      // asked with each token for what it does not say; nil: not asked
	Encryption        *Encryption    // nil: encrypted tokens are refused
	Registry          string         // of treatment relations: asked if neither token nor client says one; "" asks none
	SenderConstrained bool           // every token must be bound to a key or certificate; a bound one is checked in any case
	NamedOnly         bool           // persons authorised in writing must also have been named by the patient at the gateway
	ProofNonce        bool           // a DPoP proof must contain a nonce of ours (RFC 9449 §9)

	// Transport reaches the provider, for discovery and keys; nil: one that only speaks plain HTTP, on this machine.
	Transport http.RoundTripper
}

// KindRule says in which capacity an issuer's callers ask: Fixed, or by the value of a claim. A value that is not in Values is a caller
// without a care role.
type KindRule struct {
	Fixed  policy.SubjectKind
	Claim  string
	Values map[string]policy.SubjectKind
}

// ClaimMap says where the payload has the facts about a caller, as paths such as `extensions.ihe_iua.subject_role[].code` (grammar:
// claimPath). An empty path is a fact that this issuer does not assert.
type ClaimMap struct {
	Assurance        string // acr, loa_authn, …
	Person           IdentifierClaim
	Organization     PrefixedClaim
	OrganizationType string
	AGB              string
	Roles            string            // UZI role codes
	Identifiers      []IdentifierClaim // of the organization; without a System the path selects objects {system, value}
	Practitioner     PrefixedClaim
	Relationship     string
	Purpose          string
	Name             string
	Client           string // default client_id
	Representative   IdentifierClaim
	Authority        string
	Pseudonym        string // of a representative chosen by the patient; default: Representative unless that is a number of a person, else sub
	Represents       Represents
	Responsible      PrefixedClaim // the professional under whose responsibility the caller works (mandate)
	AuthTime         string        // default auth_time
}

// Represents says how an issuer tells that its user asks for somebody else (OIDC-NLGOV): one top-level claim contains the person
// represented, while ClaimMap.Person is the user, who then is the representative. Without it, tokens with such a claim are refused; so is a
// token in which the person represented represents somebody else.
type Represents struct {
	Claim     string          // represents
	Person    IdentifierClaim // represents.sub
	Otherwise string          // authority if ClaimMap.Authority finds none: for an issuer that knows only one kind
	// Authorities is the authority (decision.md) for each value of ClaimMap.Authority; nil: the values are those words.
	Authorities map[string]string
}

// PrefixedClaim is a claim whose value gets a prefix of ours, such as "ura:".
type PrefixedClaim struct {
	Path   string
	Prefix string
}

// IdentifierClaim is a claim with values of one identifier system, or, with Type, of the system that another claim names.
type IdentifierClaim struct {
	Path   string
	System string
	Type   string // path of a claim whose values are in Issuer.IdentifierTypes
}

// Client is the registration of a client. Relationship and Purpose apply if the token does not claim them.
type Client struct {
	Issuer       string // the only issuer whose tokens may name the client; may be empty if there is only one issuer
	Relationship policy.Relationship
	Purpose      policy.PurposeOfUse
	Secrecy      policy.SecrecyBasis // for callers whose tokens name no role
	Channel      policy.Channel      // instead of the issuer's
}

// ConfigError is one fault of a [Config].
type ConfigError struct {
	Key     string // as in the configuration file: issuers[0].audience
	Problem string
}

// Error implements error.
func (e *ConfigError) Error() string { return e.Key + ": " + e.Problem }

const (
	defaultTokenType = "at+jwt"

	maxSkew         = time.Minute
	maxRefresh      = 9 * time.Minute
	leastMinRefresh = time.Second
	maxStaleKeys    = 12 * time.Hour
	maxCacheAge     = time.Minute
	maxCacheEntries = 1_000_000
	maxMaxLifetime  = 24 * time.Hour
)

// withDefaults fills in what is not set.
func (c Config) withDefaults() Config {
	c.RefreshInterval = cmp.Or(c.RefreshInterval, 5*time.Minute)
	c.MinRefresh = cmp.Or(c.MinRefresh, 30*time.Second)
	c.MaxStale = cmp.Or(c.MaxStale, maxStaleKeys)
	c.CacheEntries = cmp.Or(c.CacheEntries, 10_000)
	c.CacheAge = cmp.Or(c.CacheAge, maxCacheAge)
	c.Waiting = cmp.Or(c.Waiting, 256)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Issuers = slices.Clone(c.Issuers)
	for i := range c.Issuers {
		issuer := &c.Issuers[i]
		issuer.TokenType = cmp.Or(issuer.TokenType, defaultTokenType)
		issuer.MaxLifetime = cmp.Or(issuer.MaxLifetime, time.Hour)
		issuer.Claims.Client = cmp.Or(issuer.Claims.Client, "client_id")
		issuer.Claims.AuthTime = cmp.Or(issuer.Claims.AuthTime, "auth_time")
		issuer.Introspection = issuer.Introspection.withDefaults()
	}
	return c
}

// faults collects every fault of a configuration, so that an operator sees all of them at once.
type faults struct{ found []error }

func (f *faults) add(key, format string, args ...any) {
	f.found = append(f.found, &ConfigError{Key: key, Problem: fmt.Sprintf(format, args...)})
}

func (f *faults) within(key string, value, least, most time.Duration) {
	if value < least || value > most {
		f.add(key, "must be between %v and %v", least, most)
	}
}

// check returns all faults, joined; each is a [*ConfigError].
func (c Config) check() error {
	var f faults
	if c.Tables == nil {
		f.add("tables", "is missing")
	}
	f.within("skew", c.Skew, 0, maxSkew)
	f.within("issuer_keys.refresh", c.RefreshInterval, leastMinRefresh, maxRefresh)
	f.within("issuer_keys.cool_down", c.MinRefresh, leastMinRefresh, c.RefreshInterval)
	f.within("issuer_keys.keep", c.MaxStale, c.RefreshInterval, maxStaleKeys)
	f.within("cache_age", c.CacheAge, 0, maxCacheAge)
	if c.CacheEntries < 0 || c.CacheEntries > maxCacheEntries {
		f.add("cache_entries", "must be between 0 and %d", maxCacheEntries)
	}
	if slices.ContainsFunc(c.NonceSecrets, func(secret []byte) bool { return len(secret) < nonceSecret }) {
		f.add("nonce_secrets", "one is shorter than %d bytes", nonceSecret)
	}
	if len(c.Issuers) == 0 {
		f.add("issuers", "at least one is needed")
	}
	urls := make(map[string]bool)
	for i, issuer := range c.Issuers {
		key := fmt.Sprintf("issuers[%d]", i)
		if urls[issuer.URL] {
			f.add(key+".url", "is there twice")
		}
		urls[issuer.URL] = true
		issuer.check(key, &f)
		if issuer.ProofNonce && len(c.NonceSecrets) == 0 {
			f.add(key+".dpop_nonce", "needs a secret that nonces are made under")
		}
	}
	c.checkTokenForms(&f)
	c.checkClients(urls, &f)
	return errors.Join(f.found...)
}

func (c Config) checkClients(urls map[string]bool, f *faults) {
	if len(c.Clients) == 0 {
		f.add("clients", "none is registered, so that every token would be refused")
	}
	for _, id := range slices.Sorted(maps.Keys(c.Clients)) {
		key, client := fmt.Sprintf("clients[%q]", id), c.Clients[id]
		switch {
		case id == "":
			f.add(key, "the client id is empty")
		case client.Issuer == "" && len(c.Issuers) > 1:
			f.add(key+".issuer", "is missing, and there is more than one issuer")
		case client.Issuer != "" && !urls[client.Issuer]:
			f.add(key+".issuer", "is not a configured issuer")
		}
		switch client.Relationship {
		case "", policy.RelationTreating, policy.RelationDirectlyInvolved, policy.RelationSubstitute:
		default:
			f.add(key+".relationship", "must be treating, directly-involved or substitute")
		}
		if client.Secrecy != "" && c.Tables != nil && !c.Tables.KnowsSecrecy(client.Secrecy) {
			f.add(key+".secrecy", "is not a basis of secrecy.yaml")
		}
	}
}

func (i Issuer) check(key string, f *faults) {
	if _, err := parseEndpoint(i.URL); err != nil {
		f.add(key+".url", "%v", err)
	}
	if i.JWKSURL != "" {
		if _, err := parseEndpoint(i.JWKSURL); err != nil {
			f.add(key+".jwks_url", "%v", err)
		}
	}
	if i.Audience == "" {
		f.add(key+".audience", "is missing")
	}
	if i.Channel == "" {
		f.add(key+".channel", "is missing")
	}
	if len(i.Algorithms) == 0 && i.Introspection == nil {
		f.add(key+".algorithms", "at least one is needed")
	}
	for _, algorithm := range i.Algorithms {
		if _, known := algorithms[algorithm]; !known {
			f.add(key+".algorithms", "%q is not one of %q", algorithm, slices.Sorted(maps.Keys(algorithms)))
		}
	}
	if i.RequiredScope != "" && !isScopeToken(i.RequiredScope) {
		f.add(key+".required_scope", "is not one scope word")
	}
	if !sameTokenType(i.TokenType, defaultTokenType) && len(i.RequiredClaims) == 0 && i.RequiredScope == "" {
		f.add(key+".token_type", "needs required_claims or required_scope beside it: only at+jwt tells access tokens from ID tokens")
	}
	f.within(key+".max_lifetime", i.MaxLifetime, time.Second, maxMaxLifetime)
	i.checkKind(key+".kind", f)
	i.checkPersons(key, f)
	i.checkIntrospection(key+".introspection", f)
	i.checkUserinfo(key+".userinfo", f)
	_, problems := compileClaims(i)
	for _, problem := range problems {
		f.add(key+"."+problem.Key, "%s", problem.Problem)
	}
}

func (i Issuer) checkKind(key string, f *faults) {
	rule := i.Kind
	switch {
	case rule.Claim == "" && len(rule.Values) > 0:
		f.add(key+".values", "needs a claim")
	case rule.Claim != "" && (rule.Fixed != policy.KindOther || len(rule.Values) == 0):
		f.add(key+".claim", "needs values, and no fixed kind beside it")
	case rule.Claim == "" && rule.Fixed != policy.KindPatient && rule.Fixed != policy.KindProvider:
		f.add(key, "must be patient or provider, or be taken from a claim")
	}
	if person := i.Claims.Person; i.mayBePatient() && (person.Path == "" || person.System == "" && person.Type == "") {
		f.add(key, "the tokens of patients need claims.person with a path and a system")
	}
}

// authorities are the words that a decision knows (decision.md, rule 4).
var authorities = []string{"parental", "guardian", "curator", "mentor", "written"}

// checkPersons checks the configuration of persons and representatives.
func (i Issuer) checkPersons(key string, f *faults) {
	for name, claim := range map[string]IdentifierClaim{
		"person": i.Claims.Person, "representative": i.Claims.Representative, "represents.person": i.Claims.Represents.Person,
	} {
		if claim.Type != "" && (claim.System != "" || len(i.IdentifierTypes) == 0) {
			f.add(key+".claims."+name+".type", "needs identifier_types, and no system beside it")
		}
	}
	for _, value := range slices.Sorted(maps.Keys(i.IdentifierTypes)) {
		if system, err := url.Parse(i.IdentifierTypes[value]); err != nil || !system.IsAbs() {
			f.add(key+".identifier_types", "%q leads to no identifier system, which is an absolute URI", value)
		}
	}
	r := i.Claims.Represents
	if (r.Claim == "") != (r.Person.Path == "") || r.Claim == "" && (r.Otherwise != "" || len(r.Authorities) > 0) {
		f.add(key+".claims.represents", "needs a claim, and the person in it")
	}
	if r.Claim != "" && !slices.Contains(representationClaims, r.Claim) {
		f.add(key+".claims.represents.claim", "is not one of %q", representationClaims)
	}
	for _, authority := range append(slices.Sorted(maps.Values(r.Authorities)), r.Otherwise) {
		if authority != "" && !slices.Contains(authorities, authority) {
			f.add(key+".claims.represents", "%q is not one of %q", authority, authorities)
		}
	}
}

// mayBePatient reports whether a token of this issuer can be a patient's or a representative's.
func (i Issuer) mayBePatient() bool {
	if i.Kind.Fixed == policy.KindPatient || i.Kind.Fixed == policy.KindRepresentative {
		return true
	}
	for _, kind := range i.Kind.Values {
		if kind == policy.KindPatient || kind == policy.KindRepresentative {
			return true
		}
	}
	return false
}
