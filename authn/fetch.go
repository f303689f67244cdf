package authn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	fetchTimeout = 5 * time.Second // per request to a provider
	maxAnswer    = 1 << 20         // bytes of a discovery document or key set
)

// fetcher gets small JSON documents from one provider.
type fetcher struct{ client *http.Client }

// newClient restricts the configured transport: no redirects, and a timeout.
func newClient(transport http.RoundTripper, timeout time.Duration) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			// This package does not choose how TLS is spoken, or whom to trust.
			DialTLSContext:         func(context.Context, string, string) (net.Conn, error) { return nil, errNoTLS },
			DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
		}
	}
	return &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errNoTLS = errors.New("no transport with TLS is configured")

// get returns the body of a 200 answer. Errors name the fault and the address, which is configured or was checked against the
// configuration.
func (f fetcher) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}
	request.Header.Set("Accept", "application/json, application/jwk-set+json")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err // net/http names method and address
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: status %d", address, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", address, err)
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("get %s: answer is over %d bytes", address, maxAnswer)
	}
	return body, nil
}

// discover asks the provider for the address of something: its keys at jwks_uri (OpenID Connect Discovery 1.0 §4), its
// introspection_endpoint (RFC 8414 §2). The document must name exactly the configured issuer, and may point only to the issuer's own
// origin: if keys are elsewhere, the operator configures the address (leaks.md TK-4, CVE-2026-34359).
func (f fetcher) discover(ctx context.Context, issuer, what string) (string, error) {
	body, err := f.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	document, err := parseObject(body)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	if document["issuer"] != issuer {
		return "", errors.New("discovery: the document is of another issuer")
	}
	address, _ := document[what].(string)
	target, err := parseEndpoint(address)
	if err != nil {
		return "", fmt.Errorf("discovery: %s is no usable address", what)
	}
	home, err := parseEndpoint(issuer)
	if err != nil || target.Scheme != home.Scheme || target.Host != home.Host {
		return "", fmt.Errorf("discovery: %s is on another origin than the issuer; configure its address if that is right", what)
	}
	return address, nil
}

// parseEndpoint reads an absolute address of a provider: https, or http on a loopback address for development; no user, query or fragment
// (OpenID Connect Discovery 1.0 §3).
func parseEndpoint(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil:
		return nil, errors.New("is no absolute URL")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return nil, errors.New("must have no query and no fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	default:
		return nil, errors.New("must be https (plain http only on a loopback address)")
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
