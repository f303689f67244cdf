package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"zorgsluis/authn"
	"zorgsluis/configs"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// SignIn is how surely, and how recently, callers of one kind must have signed in for one route.
type SignIn struct {
	Assurance string        `yaml:"assurance"`
	MaxAge    time.Duration `yaml:"max_age"`
}

// emergencySignIn is how long ago the sign-in of whoever declares an emergency may be, where the configuration does not say.
const emergencySignIn = 30 * time.Minute

// routes are the routes as they are written.
var routes = map[string]proxy.Route{"sources": proxy.RouteSources, "own": proxy.RouteOwn, "break_glass": proxy.RouteBreakGlass}

// signIns checks what routes ask for beyond the policy. A level below the policy's minimum would never be seen.
func (s *settings) signIns(c *checker) {
	s.signIn = map[proxy.Route]map[policy.SubjectKind]proxy.SignIn{}
	for _, route := range routes {
		s.signIn[route] = map[policy.SubjectKind]proxy.SignIn{}
	}
	s.signIn[proxy.RouteBreakGlass][policy.KindProvider] = proxy.SignIn{MaxAge: emergencySignIn}
	least, _ := policy.ParseAssurance(s.config.Policy.MinimumAssurance)
	for _, name := range slices.Sorted(maps.Keys(s.config.SignIn)) {
		route, ok := routes[name]
		if !ok {
			c.add(configs.Join("sign_in", name), "must be one of: %s", strings.Join(slices.Sorted(maps.Keys(routes)), ", "))
			continue
		}
		for _, word := range slices.Sorted(maps.Keys(s.config.SignIn[name])) {
			key, rule := configs.Join(configs.Join("sign_in", name), word), s.config.SignIn[name][word]
			kind, ok := kinds[word]
			if !ok || kind == policy.KindOther {
				c.add(key, "must be patient, representative or provider")
				continue
			}
			level, ok := policy.ParseAssurance(rule.Assurance)
			if rule.Assurance != "" && (!ok || level < least) {
				c.add(key+".assurance", "is %q, must be a level that is not below policy.minimum_assurance", rule.Assurance)
			}
			if c.written(key + ".max_age") {
				c.between(key+".max_age", rule.MaxAge, time.Minute, 24*time.Hour)
			} else {
				rule.MaxAge = s.signIn[route][kind].MaxAge
			}
			s.signIn[route][kind] = proxy.SignIn{Least: level, MaxAge: rule.MaxAge}
		}
	}
}

// stepUp is what RFC 9470 tells a caller who is not known well enough: the claim values of its issuer that would do, the least first.
func (s *settings) stepUp(issuer string, least policy.AssuranceLevel) string {
	minimum, _ := policy.ParseAssurance(s.config.Policy.MinimumAssurance)
	levels := s.tables.Assurance
	for _, i := range s.config.Issuers {
		if i.URL == issuer && i.Assurance != nil {
			levels = i.Assurance
		}
	}
	var values []string
	for _, value := range slices.Sorted(maps.Keys(levels)) {
		if levels.Level(value) >= max(minimum, least) && !strings.ContainsAny(value, " \"\\") {
			values = append(values, value)
		}
	}
	slices.SortStableFunc(values, func(a, b string) int { return int(levels.Level(a) - levels.Level(b)) })
	return strings.Join(values, " ")
}

// authorization is what callers may know about who may vouch for them.
func (s *settings) authorization() proxy.Authorization {
	certificates := s.config.TLS.ClientCertificates.CAFile + s.config.TrustedProxies.CertificateHeader
	a := proxy.Authorization{ProofAlgorithms: authn.ProofAlgorithms(), CertificateBound: certificates != ""}
	for _, i := range s.config.Issuers {
		a.Servers = append(a.Servers, i.URL)
		if i.RequiredScope != "" && !slices.Contains(a.Scopes, i.RequiredScope) {
			a.Scopes = append(a.Scopes, i.RequiredScope)
		}
	}
	return a
}

// smartIssuer is the authorization server that SMART apps of a source are told of: the one that is configured for it, or the only one.
func (s *settings) smartIssuer(source string) string {
	for _, src := range s.config.Sources {
		if src.ID == source && src.SMARTIssuer != "" {
			return src.SMARTIssuer
		}
	}
	if len(s.config.Issuers) == 1 {
		return s.config.Issuers[0].URL
	}
	return ""
}

// smartIssuers checks that what SMART apps are told of is an issuer here.
func (s *settings) smartIssuers(c *checker) {
	for n, src := range s.config.Sources {
		if src.SMARTIssuer != "" && !slices.ContainsFunc(s.config.Issuers, func(i Issuer) bool { return i.URL == src.SMARTIssuer }) {
			c.add(fmt.Sprintf("sources[%d].smart_issuer", n), "is not the url of a configured issuer")
		}
	}
}

// smart gives the SMART configuration of a source: what its authorization server says of itself, and of what SMART names only that which is
// true here. Scopes are not enforced, so none of the permission capabilities is claimed (SMART App Launch 2, conformance).
func (s *settings) smart(a *authn.Authenticator) proxy.SMART {
	return func(ctx context.Context, source string) ([]byte, bool, error) {
		issuer := s.smartIssuer(source)
		if issuer == "" {
			return nil, false, nil
		}
		m, err := a.Metadata(ctx, issuer)
		if err == nil && m.TokenEndpoint == "" {
			err = fmt.Errorf("issuer %s: it has no token endpoint", issuer)
		}
		if err != nil {
			return nil, true, err
		}
		capabilities := []string{}
		if slices.Contains(m.ClientAuthentication, "private_key_jwt") {
			capabilities = append(capabilities, "client-confidential-asymmetric")
		}
		configuration, err := json.Marshal(struct {
			Issuer               string   `json:"issuer"`
			TokenEndpoint        string   `json:"token_endpoint"`
			Authorization        string   `json:"authorization_endpoint,omitempty"`
			Introspection        string   `json:"introspection_endpoint,omitempty"`
			Revocation           string   `json:"revocation_endpoint,omitempty"`
			GrantTypes           []string `json:"grant_types_supported"`
			ResponseTypes        []string `json:"response_types_supported,omitempty"`
			Scopes               []string `json:"scopes_supported,omitempty"`
			ClientAuthentication []string `json:"token_endpoint_auth_methods_supported,omitempty"`
			Challenges           []string `json:"code_challenge_methods_supported"`
			Capabilities         []string `json:"capabilities"`
		}{
			m.Issuer, m.TokenEndpoint, m.AuthorizationEndpoint, m.IntrospectionEndpoint, m.RevocationEndpoint,
			orNone(m.GrantTypes), m.ResponseTypes, m.Scopes, m.ClientAuthentication, without(orNone(m.CodeChallengeMethods), "plain"), capabilities,
		})
		return configuration, true, err
	}
}

// orNone is a list that is written as one also where it is empty.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
