package authn

import (
	"maps"
	"slices"
	"strings"
)

// claimPaths is a parsed ClaimMap.
type claimPaths struct {
	assurance        claimPath
	person           identifierPath
	organization     prefixedPath
	organizationType claimPath
	agb              claimPath
	roles            claimPath
	identifiers      []identifierPath
	practitioner     prefixedPath
	relationship     claimPath
	purpose          claimPath
	name             claimPath
	client           claimPath
	representative   identifierPath
	authority        claimPath
	pseudonym        claimPath
	represents       identifierPath // the person in the claim represents
	responsible      prefixedPath
	authTime         claimPath
	kind             claimPath
	required         []requiredClaim
}

type prefixedPath struct {
	path   claimPath
	prefix string
}

type identifierPath struct {
	path   claimPath
	system string
	typ    claimPath // path of the claim that names the system
}

type requiredClaim struct {
	name  string // the path as configured
	path  claimPath
	value string
}

// compileClaims parses every path of an issuer and returns all faults.
func compileClaims(i Issuer) (claimPaths, []*ConfigError) {
	var problems []*ConfigError
	parse := func(key, text string) claimPath {
		path, err := parseClaimPath(text)
		if err == nil && path != nil && isRefusedClaim(path[0].name) && !i.processes(path[0].name) {
			problems = append(problems, &ConfigError{key, "no fact about the caller can be read from this claim"})
		}
		if err != nil {
			problems = append(problems, &ConfigError{key, err.Error()})
		}
		return path
	}
	identifier := func(key string, c IdentifierClaim) identifierPath {
		return identifierPath{parse(key, c.Path), c.System, parse(key+".type", c.Type)}
	}
	c := i.Claims
	paths := claimPaths{
		assurance:        parse("claims.assurance", c.Assurance),
		person:           identifier("claims.person", c.Person),
		organization:     prefixedPath{parse("claims.organization", c.Organization.Path), c.Organization.Prefix},
		organizationType: parse("claims.organization_type", c.OrganizationType),
		agb:              parse("claims.agb", c.AGB),
		roles:            parse("claims.roles", c.Roles),
		practitioner:     prefixedPath{parse("claims.practitioner", c.Practitioner.Path), c.Practitioner.Prefix},
		relationship:     parse("claims.relationship", c.Relationship),
		purpose:          parse("claims.purpose", c.Purpose),
		name:             parse("claims.name", c.Name),
		client:           parse("claims.client", c.Client),
		representative:   identifier("claims.representative", c.Representative),
		authority:        parse("claims.authority", c.Authority),
		pseudonym:        parse("claims.pseudonym", c.Pseudonym),
		represents:       identifier("claims.represents.person", c.Represents.Person),
		responsible:      prefixedPath{parse("claims.responsible", c.Responsible.Path), c.Responsible.Prefix},
		authTime:         parse("claims.auth_time", c.AuthTime),
		kind:             parse("kind.claim", i.Kind.Claim),
	}
	for _, claim := range c.Identifiers {
		paths.identifiers = append(paths.identifiers, identifier("claims.identifiers", claim))
	}
	for _, text := range slices.Sorted(maps.Keys(i.RequiredClaims)) {
		path := parse("required_claims", text)
		if path == nil {
			problems = append(problems, &ConfigError{"required_claims", "a path is empty or malformed"})
		}
		paths.required = append(paths.required, requiredClaim{text, path, i.RequiredClaims[text]})
	}
	return paths, problems
}

// reads reports whether any path starts at the top-level claim of this name.
func (p *claimPaths) reads(name string) bool {
	paths := []claimPath{p.assurance, p.person.path, p.organization.path, p.organizationType, p.agb, p.roles, p.practitioner.path,
		p.relationship, p.purpose, p.name, p.client, p.representative.path, p.authority, p.pseudonym, p.represents.path, p.responsible.path,
		p.person.typ, p.authTime, p.kind}
	for _, identifier := range p.identifiers {
		paths = append(paths, identifier.path)
	}
	for _, required := range p.required {
		paths = append(paths, required.path)
	}
	return slices.ContainsFunc(paths, func(path claimPath) bool { return path != nil && path[0].name == name })
}

// otherTokenClaims mark tokens that are not access tokens: ID tokens (OpenID Connect Core 1.0 §2, §3.3.2.11) and logout or security event
// tokens (RFC 8417 §2.2).
var otherTokenClaims = []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}

// unprocessedClaims change or limit what a token means, and are not processed: acting for someone (RFC 8693 §4.1, §4.4), representation
// (OIDC-NLGOV, MedMij, other Dutch brokers), limits on use (RFC 9396), claims held elsewhere (OpenID Connect Core 1.0 §5.6.2), tokens in
// the token. Ignoring one would give the bearer more than was granted.
var unprocessedClaims = []string{
	"act", "may_act",
	"represents", "represented", "representee", "representation", "on_behalf_of", "onbehalfof", "onbehalfofchild", "delegation",
	"delegate", "delegated", "mandate", "mandates", "authorizee", "obo",
	"authorization_details", "_claim_names", "_claim_sources", "vp", "vc",
}

// representationClaims are the unprocessed claims that can say who is represented (Represents), mandateClaims those that can say under
// whose responsibility a professional works (ClaimMap.Responsible). For an issuer configured to use one, it is processed.
var (
	representationClaims = []string{"represents", "represented", "representee", "representation"}
	mandateClaims        = []string{"on_behalf_of", "onbehalfof", "delegation", "mandate", "mandates", "obo"}
)

// processes reports whether the claim of this name, otherwise refused, has a configured meaning.
func (i Issuer) processes(name string) bool {
	if name == i.Claims.Represents.Claim {
		return true
	}
	path, err := parseClaimPath(i.Claims.Responsible.Path)
	return err == nil && path != nil && path[0].name == name && slices.Contains(mandateClaims, name)
}

// onlyProcessed reports whether the only member of this name, in any case, is spelled as configured and processed.
func (i *issuer) onlyProcessed(claims map[string]any, name string) bool {
	if !i.processes(name) {
		return false
	}
	for member := range claims {
		if member != name && strings.EqualFold(member, name) {
			return false
		}
	}
	return true
}

// unlessMappedClaims are SMART launch context: they bind the token to one patient or encounter. The claim map may read them.
var unlessMappedClaims = []string{"patient", "encounter", "launch"}

// isRefusedClaim reports whether the claim map may not read this top-level claim, because a token that has it is refused, or bound by it.
func isRefusedClaim(name string) bool {
	isName := func(refused string) bool { return strings.EqualFold(refused, name) }
	return isName(bindingClaim) || slices.ContainsFunc(otherTokenClaims, isName) || slices.ContainsFunc(unprocessedClaims, isName)
}
