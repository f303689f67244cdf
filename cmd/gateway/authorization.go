package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"zorgsluis/authn"
	"zorgsluis/internal/config"
	"zorgsluis/policy"
	"zorgsluis/proxy"
)

// stepUp returns the acr_values for a caller whose assurance is insufficient (RFC 9470): the claim values of its issuer that would do,
// lowest first.
func stepUp(s *config.Settings, issuer string, least policy.AssuranceLevel) string {
	minimum, _ := policy.ParseAssurance(s.File.Policy.MinimumAssurance)
	levels := s.Tables.Assurance
	for _, i := range s.File.Issuers {
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

// authorization returns what callers may know about who issues their tokens.
func authorization(s *config.Settings) proxy.Authorization {
	certificates := s.File.TLS.ClientCertificates.CAFile + s.File.TrustedProxies.CertificateHeader
	a := proxy.Authorization{ProofAlgorithms: authn.ProofAlgorithms(), CertificateBound: certificates != ""}
	for _, i := range s.File.Issuers {
		a.Servers = append(a.Servers, i.URL)
		if i.RequiredScope != "" && !slices.Contains(a.Scopes, i.RequiredScope) {
			a.Scopes = append(a.Scopes, i.RequiredScope)
		}
	}
	return a
}

// smartIssuer returns the authorization server that SMART apps of a source are referred to: the one configured for it, or the only one.
func smartIssuer(s *config.Settings, source string) string {
	for _, src := range s.File.Sources {
		if src.ID == source && src.SMARTIssuer != "" {
			return src.SMARTIssuer
		}
	}
	if len(s.File.Issuers) == 1 {
		return s.File.Issuers[0].URL
	}
	return ""
}

// smart returns the SMART configuration of a source: the metadata of its authorization server, and of what SMART defines only what is true
// here. Scopes are not enforced, so none of the permission capabilities is claimed (SMART App Launch 2, conformance).
func smart(s *config.Settings, a *authn.Authenticator) proxy.SMART {
	return func(ctx context.Context, source string) ([]byte, bool, error) {
		issuer := smartIssuer(s, source)
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
		challenges := slices.DeleteFunc(append([]string{}, m.CodeChallengeMethods...), func(method string) bool { return method == "plain" })
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
			orNone(m.GrantTypes), m.ResponseTypes, m.Scopes, m.ClientAuthentication, challenges, capabilities,
		})
		return configuration, true, err
	}
}

// orNone makes an empty list for nil, so that JSON has [] and not null.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
