package authn

import (
	"context"
	"crypto/tls"
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

// newFetcher bounds whatever client is configured: no redirects, no proxy from the environment, a timeout. The configured client
// only matters for its transport's TLS settings.
func newFetcher(configured *http.Client) fetcher {
	client := &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if configured != nil {
		client.Transport = configured.Transport
	}
	switch transport := client.Transport.(type) {
	case nil:
		client.Transport = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: fetchTimeout}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // a request every few minutes: no idle connection, no goroutine kept for it
		}
	case *http.Transport:
		transport = transport.Clone()
		transport.Proxy = nil
		transport.DisableKeepAlives = true
		client.Transport = transport
	}
	return fetcher{client}
}

// get returns the body of a 200 answer. Errors name the address, which is configuration or was checked against it, and the fault.
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

// discover asks the provider where something of it is: its keys at jwks_uri (OpenID Connect Discovery 1.0 §4), its
// introspection_endpoint (RFC 8414 §2). The document must be the configured issuer's own, to the letter, and may only point to the issuer's own origin: where keys live elsewhere, the operator says so by
// configuring the address (leaks.md TK-4, CVE-2026-34359).
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

// parseEndpoint reads an absolute address of a provider: https, or http on a loopback address for development; no user, no query,
// no fragment (OpenID Connect Discovery 1.0 §3).
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
