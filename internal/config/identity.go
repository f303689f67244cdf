package config

import (
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"zorgsluis/authn"
	"zorgsluis/proxy/credential"
	"zorgsluis/proxy/direct"
)

// OAuth is how the gateway gets tokens for a source or a follower: client credentials (RFC 6749 §4.4). It authenticates with an assertion
// that it signs (RFC 7523), or with the certificate of tls (RFC 8705).
type OAuth struct {
	TokenURL          string   `yaml:"token_url"`
	ClientID          string   `yaml:"client_id"`
	AssertionKeyFile  string   `yaml:"assertion_key_file"`
	AssertionAudience string   `yaml:"assertion_audience"`
	TLS               OwnTLS   `yaml:"tls"`
	Scopes            []string `yaml:"scopes"`
	Resources         []string `yaml:"resources"`
	Audience          string   `yaml:"audience"`
}

// toSource makes the transport to a source, or to another server that is queried like one, with the gateway's credential for it.
func (s *Settings) toSource(c *checker, what, key string, src Source, base *url.URL) *credential.Transport {
	if base == nil {
		return nil // the gateway will not start
	}
	if src.TLS != (OwnTLS{}) && base.Scheme != "https" {
		c.add(key+"tls", "has no meaning where base_url is not https")
	}
	l := s.File.Limits
	var next http.RoundTripper = s.carrier(c, what, src.TLS.at(key+"tls."), func() *http.Transport { return sourceTransport(src, l) })
	if base.Scheme == "http" && isASCII(base.Host) {
		next = directTransport(base.Host, src, l, next)
	}
	header := watched(s, c, &Watched[fixedHeader]{
		what: what + ":credential", files: []string{src.CredentialFile},
		read: func(c *checker) *fixedHeader {
			fixed := c.credential(key+"credential_file", src.CredentialFile)
			if c.written(key+"oauth") && strings.EqualFold(fixed.header, "Authorization") {
				c.add(key+"credential_file", "%s: must not hold Authorization beside oauth", src.CredentialFile)
			}
			return &fixed
		},
	})
	t := &credential.Transport{Base: base, Next: next, Header: func() (string, string) {
		fixed := header.get()
		return fixed.header, fixed.value
	}}
	if c.written(key + "oauth") {
		t.Tokens = s.tokens(c, what, key+"oauth.", src.OAuth)
	}
	return t
}

// tokens checks how the gateway gets tokens for a source or a follower.
func (s *Settings) tokens(c *checker, what, key string, o OAuth) *credential.Tokens {
	c.protectedURL(key+"token_url", o.TokenURL)
	c.need(key+"client_id", o.ClientID)
	if (o.AssertionKeyFile == "") == (o.TLS.CertificateFile == "") {
		c.add(key+"assertion_key_file", "needs exactly one of assertion_key_file and tls.certificate_file: who asks must be known")
	}
	options := credential.Options{
		TokenURL: o.TokenURL, ClientID: o.ClientID, Scopes: o.Scopes, Parameters: url.Values{},
		Transport: s.carrier(c, what+":token-endpoint", o.TLS.at(key+"tls."), rareTransport),
	}
	if len(o.Resources) > 0 {
		options.Parameters["resource"] = o.Resources
	}
	if o.Audience != "" {
		options.Parameters.Set("audience", o.Audience)
	}
	if o.AssertionKeyFile != "" {
		audience := o.AssertionAudience
		if audience == "" {
			audience = o.TokenURL
		}
		signing := watched(s, c, &Watched[authn.AssertionKey]{
			what: what + ":assertion-key", files: []string{o.AssertionKeyFile},
			read: func(c *checker) *authn.AssertionKey {
				return c.assertionKey(key+"assertion_key_file", o.AssertionKeyFile)
			},
		})
		options.Assertion = func(now time.Time) (string, error) { return signing.get().Assertion(o.ClientID, audience, now) }
	}
	return credential.NewTokens(options)
}

// assertionKey reads a private JWK.
func (c *checker) assertionKey(key, name string) *authn.AssertionKey {
	text := c.secret(key, name)
	if text == "" {
		return nil
	}
	parsed, err := authn.ParseAssertionKey([]byte(text))
	if err != nil {
		c.add(key, "%s: %v", name, err)
	}
	return parsed
}

// carrier is the current transport: when its files change, new connections are made.
type carrier struct{ files *Watched[http.Transport] }

// RoundTrip implements http.RoundTripper.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	return c.files.get().RoundTrip(r)
}

// carrier makes a carrier from a plain transport, and TLS of its own; what names it where its files are watched.
func (s *Settings) carrier(c *checker, what string, own keyedTLS, plain func() *http.Transport) carrier {
	return carrier{watched(s, c, &Watched[http.Transport]{
		what: what, files: own.files(),
		read: func(c *checker) *http.Transport {
			transport := plain()
			transport.TLSClientConfig = c.ownTLS(own)
			return transport
		},
		expires: func(t *http.Transport) time.Time { return shownUntil(t.TLSClientConfig) },
		retire:  (*http.Transport).CloseIdleConnections,
	})}
}

// sourceTransport sends requests to one source. It ignores proxies of the environment: requests go where the configuration says. For a
// source that accepts and stays silent, the deadline that the gate sets for each request applies.
func sourceTransport(src Source, l Limits) *http.Transport {
	dialer := sourceDialer(src)
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialer.Timeout,
		MaxResponseHeaderBytes: maxSourceHeader,
		DisableCompression:     true, // against decompression bombs
		MaxIdleConns:           l.InFlight,
		MaxIdleConnsPerHost:    l.InFlight,
		IdleConnTimeout:        sourceIdle,
	}
}

// directTransport sends GET requests to a source over plain HTTP, which is mostly on the same machine, with the limits of sourceTransport.
// The host must be ASCII: net/http translates others (IDNA).
func directTransport(host string, src Source, l Limits, next http.RoundTripper) *direct.Transport {
	return &direct.Transport{
		Host: host, Next: next, Dialer: sourceDialer(src), MaxHeader: maxSourceHeader, MaxIdle: l.InFlight, IdleTimeout: sourceIdle,
	}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

func sourceDialer(src Source) net.Dialer {
	return net.Dialer{Timeout: min(src.Timeout, 5*time.Second), KeepAlive: 30 * time.Second}
}

const (
	maxSourceHeader = 64 << 10
	sourceIdle      = 90 * time.Second
)

// rareTransport sends requests to a token endpoint or a provider: one every few minutes, so connections are not kept.
func rareTransport() *http.Transport {
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true,
	}
}

// TokensFor returns the gateway's own tokens, by whom they are for: a source id, or "registry:" and a name.
func (s *Settings) TokensFor() map[string]*credential.Tokens {
	all := map[string]*credential.Tokens{}
	for i, t := range s.toSources {
		all[s.File.Sources[i].ID] = t.Tokens
	}
	for i, t := range s.ToRegistries {
		all["registry:"+s.File.Registries[i].Name] = t.Tokens
	}
	maps.DeleteFunc(all, func(_ string, t *credential.Tokens) bool { return t == nil })
	return all
}
