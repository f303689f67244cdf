package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Authorization is what callers may know about who issues their tokens (RFC 9728 §2).
type Authorization struct {
	Servers          []string // issuers
	Scopes           []string // required of a token
	ProofAlgorithms  []string // of DPoP
	CertificateBound bool     // callers can present a certificate
}

// SMART returns the configuration that SMART apps look for (SMART App Launch 2, conformance), for a source. It is not found if no
// authorization server of the source is configured; an error means that it is not known now.
type SMART func(ctx context.Context, source string) (configuration []byte, found bool, err error)

// protectedResource is the path of the metadata of a protected resource, whose own path follows (RFC 9728 §3.1).
const protectedResource = "/.well-known/oauth-protected-resource"

// smartConfiguration is where SMART apps look, below the FHIR base.
const smartConfiguration = ".well-known/smart-configuration"

// resourceMetadata returns the metadata of the gateway, of its own FHIR base and of each source, by the path below the public URL.
func (g *Gate) resourceMetadata() (map[string][]byte, error) {
	paths := []string{"", "/gateway"}
	for _, s := range g.parts.Sources {
		paths = append(paths, "/fhir/"+s.ID)
	}
	a, documents := g.parts.Authorization, map[string][]byte{}
	for _, path := range paths {
		document, err := json.Marshal(struct {
			Resource         string   `json:"resource"`
			Servers          []string `json:"authorization_servers"`
			Scopes           []string `json:"scopes_supported,omitempty"`
			Methods          []string `json:"bearer_methods_supported"`
			ProofAlgorithms  []string `json:"dpop_signing_alg_values_supported,omitempty"`
			CertificateBound bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"`
		}{g.parts.PublicURL + path, a.Servers, a.Scopes, []string{"header"}, a.ProofAlgorithms, a.CertificateBound})
		if err != nil {
			return nil, err
		}
		documents[path] = document
	}
	return documents, nil
}

// metadataOf finds the metadata for a path. If the public URL has a path, that may stand between the well-known part and ours, if the proxy
// in front passes it on.
func (g *Gate) metadataOf(path string) ([]byte, bool) {
	below, ok := strings.CutPrefix(path, protectedResource)
	if !ok {
		return nil, false
	}
	document, known := g.resources[below]
	if u, err := url.Parse(g.parts.PublicURL); !known && err == nil && u.Path != "" {
		document, known = g.resources[strings.TrimPrefix(below, u.Path)]
	}
	return document, known
}

// withMetadata adds to a challenge the URL of the metadata of what was requested (RFC 9728 §5.1).
func (g *Gate) withMetadata(x *exchange, challenge string) string {
	u, err := url.Parse(g.parts.PublicURL)
	if challenge == "" || err != nil {
		return challenge
	}
	path := u.Path
	if x.source != nil {
		path += "/fhir/" + x.source.ID
	}
	parameter := `resource_metadata="` + u.Scheme + "://" + u.Host + protectedResource + path + `"`
	if second, two := strings.CutPrefix(challenge, "Bearer, "); two { // parameters belong to one challenge (RFC 9110 §11.6.1): both have it
		return "Bearer " + parameter + ", " + second + ", " + parameter
	}
	separator := " "
	if strings.Contains(challenge, "=") {
		separator = ", "
	}
	return challenge + separator + parameter
}

// serveSMART serves the SMART configuration of the source.
func (g *Gate) serveSMART(ctx context.Context, x *exchange, r *http.Request) (answer, *refusal) {
	ctx, cancel := g.within(ctx, x, g.parts.Limits.Request)
	defer cancel()
	configuration, found, err := g.parts.SMART(ctx, x.source.ID)
	switch {
	case err != nil:
		return answer{}, &refusal{cause: causeUnavailable, reason: "issuer-unavailable", err: err}
	case !found:
		return answer{}, g.nowhere(ctx, x, r)
	}
	return g.openJSON(x, configuration)
}

// openJSON is open for JSON that is not FHIR.
func (g *Gate) openJSON(x *exchange, body []byte) (answer, *refusal) {
	a, ref := g.open(x, body)
	a.media = "application/json"
	return a, ref
}
