package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"zorgsluis/authn"
	"zorgsluis/configs"
	"zorgsluis/policy"
)

// Issuer is one identity provider (authn.Issuer explains the fields; configs/gateway.yaml the keys).
type Issuer struct {
	Profile        string            `yaml:"profile"`
	URL            string            `yaml:"url"`
	JWKSURL        string            `yaml:"jwks_url"`
	TLSCAFile      string            `yaml:"tls_ca_file"`
	Audience       string            `yaml:"audience"`
	TokenType      string            `yaml:"token_type"`
	Algorithms     []string          `yaml:"algorithms"`
	Kind           Kind              `yaml:"kind"`
	Channel        string            `yaml:"channel"`
	RequiredClaims map[string]string `yaml:"required_claims"`
	RequiredScope  string            `yaml:"required_scope"`
	RequireTokenID bool              `yaml:"require_token_id"`
	MaxLifetime    time.Duration     `yaml:"max_lifetime"`
	Claims         Claims            `yaml:"claims"`

	Assurance       policy.AssuranceMap `yaml:"assurance"`
	IdentifierTypes map[string]string   `yaml:"identifier_types"`
	PersonsFile     string              `yaml:"persons_file"`

	Introspection     Introspection `yaml:"introspection"`
	Userinfo          Userinfo      `yaml:"userinfo"`
	Encryption        Encryption    `yaml:"encryption"`
	SenderConstrained string        `yaml:"sender_constrained"`
	ProofNonce        bool          `yaml:"dpop_nonce"`
	Registry          string        `yaml:"relationship_registry"`
	NamedOnly         bool          `yaml:"named_representatives_only" json:",omitempty"`
}

// Kind says in which capacity an issuer's callers act: always the same, or by a claim.
type Kind struct {
	Fixed  string            `yaml:"fixed"`
	Claim  string            `yaml:"claim"`
	Values map[string]string `yaml:"values"`
}

// Claims says where in a token the facts are.
type Claims struct {
	Assurance        string            `yaml:"assurance"`
	Person           IdentifierClaim   `yaml:"person"`
	Organization     PrefixedClaim     `yaml:"organization"`
	OrganizationType string            `yaml:"organization_type"`
	AGB              string            `yaml:"agb"`
	Roles            string            `yaml:"roles"`
	Identifiers      []IdentifierClaim `yaml:"identifiers"`
	Practitioner     PrefixedClaim     `yaml:"practitioner"`
	Relationship     string            `yaml:"relationship"`
	Purpose          string            `yaml:"purpose"`
	Name             string            `yaml:"name"`
	Client           string            `yaml:"client"`
	Representative   IdentifierClaim   `yaml:"representative"`
	Authority        string            `yaml:"authority"`
	Pseudonym        string            `yaml:"pseudonym"`
	Represents       Represents        `yaml:"represents"`
	Responsible      PrefixedClaim     `yaml:"responsible"`
	AuthTime         string            `yaml:"auth_time"`
}

// Represents says where a token names the person whom its user represents.
type Represents struct {
	Claim       string            `yaml:"claim"`
	Person      IdentifierClaim   `yaml:"person"`
	Otherwise   string            `yaml:"otherwise"`
	Authorities map[string]string `yaml:"authorities"`
}

// IdentifierClaim is a claim with an identifier of a fixed system, or of the system that another claim names.
type IdentifierClaim struct {
	Path   string `yaml:"path"`
	System string `yaml:"system"`
	Type   string `yaml:"type"`
}

// PrefixedClaim is a claim whose value we write with a prefix, such as "ura:".
type PrefixedClaim struct {
	Path   string `yaml:"path"`
	Prefix string `yaml:"prefix"`
}

// Client is the registration of a client: its values apply if its tokens have none.
type Client struct {
	Issuer       string `yaml:"issuer"`
	Relationship string `yaml:"relationship"`
	Purpose      string `yaml:"purpose"`
	Secrecy      string `yaml:"secrecy"`
	Channel      string `yaml:"channel"`
}

// kinds are the capacities by their names in the file.
var kinds = map[string]policy.SubjectKind{
	"other":          policy.KindOther,
	"patient":        policy.KindPatient,
	"representative": policy.KindRepresentative,
	"provider":       policy.KindProvider,
}

// authentication checks issuers and clients with the code that uses them later, and keeps the result.
func (s *Settings) authentication(c *checker) {
	k := s.File.IssuerKeys
	a := authn.Config{
		Clients: map[string]authn.Client{}, Skew: s.File.ClockSkew,
		RefreshInterval: k.Refresh, MinRefresh: k.CoolDown, MaxStale: k.Keep,
		Waiting:      max(s.File.Limits.InFlight/2, 1),
		NonceSecrets: slices.DeleteFunc(slices.Clone(s.CursorKeys), func(key []byte) bool { return key == nil }), // already reported
	}
	if s.Tables != nil {
		a.Tables, a.Assurance = s.Tables.Providers, s.Tables.Assurance
	}
	for i, issuer := range s.File.Issuers {
		key := fmt.Sprintf("issuers[%d].", i)
		s.channel(c, key+"channel", issuer.Channel)
		s.registryNamed(c, key+"relationship_registry", issuer.Registry)
		resolved := issuer.resolve(c, key)
		resolved.Transport = s.carrier(c, "issuer:"+issuer.URL, authorities(key+"tls_ca_file", issuer.TLSCAFile), rareTransport)
		resolved.Introspection = s.introspection(c, key, issuer)
		resolved.Userinfo = s.userinfo(c, key, issuer)
		a.Issuers = append(a.Issuers, resolved)
	}
	for _, id := range slices.Sorted(maps.Keys(s.File.Clients)) {
		client := s.File.Clients[id]
		s.channel(c, configs.Join("clients", id)+".channel", client.Channel)
		a.Clients[id] = authn.Client{
			Issuer:       client.Issuer,
			Relationship: policy.Relationship(client.Relationship),
			Purpose:      policy.PurposeOfUse(client.Purpose),
			Secrecy:      policy.SecrecyBasis(client.Secrecy),
			Channel:      policy.Channel(client.Channel),
		}
	}
	_, err := authn.New(a)
	c.addAll(err)
	s.Authn = a
}

// resolve converts the issuer to that of authn.
func (i Issuer) resolve(c *checker, key string) authn.Issuer {
	kind := authn.KindRule{Claim: i.Kind.Claim}
	if fixed, ok := kinds[i.Kind.Fixed]; ok {
		kind.Fixed = fixed
	} else if i.Kind.Fixed != "" {
		c.add(key+"kind.fixed", "is %q, must be patient or provider", i.Kind.Fixed)
	}
	for value, name := range i.Kind.Values {
		resolved, ok := kinds[name]
		if !ok {
			c.add(configs.Join(key+"kind.values", value), "is %q, must be patient, representative, provider or other", name)
			continue
		}
		if kind.Values == nil {
			kind.Values = map[string]policy.SubjectKind{}
		}
		kind.Values[value] = resolved
	}
	return authn.Issuer{
		URL:            i.URL,
		JWKSURL:        i.JWKSURL,
		Audience:       i.Audience,
		TokenType:      i.TokenType,
		Algorithms:     i.Algorithms,
		Kind:           kind,
		Channel:        policy.Channel(i.Channel),
		RequiredClaims: i.RequiredClaims,
		RequiredScope:  i.RequiredScope,
		RequireTokenID: i.RequireTokenID,
		MaxLifetime:    i.MaxLifetime,
		Claims:         i.Claims.resolve(),

		Assurance:       i.Assurance,
		IdentifierTypes: i.IdentifierTypes,
		Persons:         c.persons(key+"persons_file", i.PersonsFile),

		Encryption:        i.Encryption.resolve(c, key+"encryption"),
		SenderConstrained: c.constrained(key+"sender_constrained", i.SenderConstrained),
		ProofNonce:        i.ProofNonce,
		Registry:          i.Registry,
		NamedOnly:         i.NamedOnly,
	}
}

func (m Claims) resolve() authn.ClaimMap {
	resolved := authn.ClaimMap{
		Assurance:        m.Assurance,
		Person:           authn.IdentifierClaim(m.Person),
		Organization:     authn.PrefixedClaim(m.Organization),
		OrganizationType: m.OrganizationType,
		AGB:              m.AGB,
		Roles:            m.Roles,
		Practitioner:     authn.PrefixedClaim(m.Practitioner),
		Relationship:     m.Relationship,
		Purpose:          m.Purpose,
		Name:             m.Name,
		Client:           m.Client,
		Representative:   authn.IdentifierClaim(m.Representative),
		Authority:        m.Authority,
		Pseudonym:        m.Pseudonym,
		Represents: authn.Represents{
			Claim: m.Represents.Claim, Person: authn.IdentifierClaim(m.Represents.Person),
			Otherwise: m.Represents.Otherwise, Authorities: m.Represents.Authorities,
		},
		Responsible: authn.PrefixedClaim(m.Responsible),
		AuthTime:    m.AuthTime,
	}
	for _, identifier := range m.Identifiers {
		resolved.Identifiers = append(resolved.Identifiers, authn.IdentifierClaim(identifier))
	}
	return resolved
}

// addAll notes the faults that authn found, which it names by the keys of the configuration file.
func (c *checker) addAll(err error) {
	for _, e := range unjoin(err) {
		var fault *authn.ConfigError
		if !errors.As(e, &fault) {
			c.add("issuers", "%v", e)
			continue
		}
		c.add(clientKey.ReplaceAllStringFunc(fault.Key, func(key string) string {
			id, _ := strconv.Unquote(clientKey.FindStringSubmatch(key)[1])
			return configs.Join("clients", id)
		}), "%s", fault.Problem)
	}
}

// clientKey matches a client's key as authn writes it.
var clientKey = regexp.MustCompile(`^clients\[("(?:[^"\\]|\\.)*")\]`)
