package config

import (
	"fmt"
	"net/http"
	"time"

	"zorgsluis/authn"
)

// The values of issuers[].sender_constrained. A token that is bound to a key or certificate is checked in any case.
const (
	constrainedWhenBound = "when_bound"
	constrainedRequired  = "required"
)

// Introspection says how an issuer is asked about opaque tokens (authn.Introspection explains the fields).
type Introspection struct {
	Endpoint        string        `yaml:"endpoint"`
	TokenPrefix     string        `yaml:"token_prefix"`
	ClientID        string        `yaml:"client_id"`
	SecretFile      string        `yaml:"secret_file"`
	AssertionFile   string        `yaml:"assertion_key_file"`
	CertificateFile string        `yaml:"certificate_file"`
	KeyFile         string        `yaml:"key_file"`
	SignedAnswers   bool          `yaml:"signed_answers"`
	Cache           time.Duration `yaml:"cache"`
	Timeout         time.Duration `yaml:"timeout"`
	InFlight        int           `yaml:"in_flight"`
}

// Encryption says which tokens an issuer encrypts to the gateway.
type Encryption struct {
	KeyFiles   []string `yaml:"keys"`
	Algorithms []string `yaml:"algorithms"`
	Required   bool     `yaml:"required"`
}

// constrained reads sender_constrained.
func (c *checker) constrained(key, value string) bool {
	if value != "" && value != constrainedWhenBound && value != constrainedRequired {
		c.add(key, "is %q, must be %s or %s", value, constrainedWhenBound, constrainedRequired)
	}
	return value == constrainedRequired
}

// introspection returns how an issuer is asked about opaque tokens, with the secrets for that; nil if it is not. The gateway's certificate
// and key are always the current ones.
func (s *Settings) introspection(c *checker, key string, i Issuer) *authn.Introspection {
	n, at := i.Introspection, key+"introspection"
	if !c.written(at) {
		return nil
	}
	resolved := &authn.Introspection{
		Endpoint: n.Endpoint, TokenPrefix: n.TokenPrefix, ClientID: n.ClientID, Signed: n.SignedAnswers,
		Secret: c.secret(at+".secret_file", n.SecretFile), CacheFor: n.Cache, Timeout: n.Timeout, InFlight: n.InFlight,
		Certified: n.CertificateFile != "" || n.KeyFile != "",
	}
	if n.AssertionFile != "" {
		resolved.Key = watched(s, c, &Watched[authn.AssertionKey]{
			what: "introspection:" + i.URL + ":assertion-key", files: []string{n.AssertionFile},
			read: func(c *checker) *authn.AssertionKey { return c.assertionKey(at+".assertion_key_file", n.AssertionFile) },
		}).get
	}
	own := keyedTLS{OwnTLS{i.TLSCAFile, n.CertificateFile, n.KeyFile}, key + "tls_ca_file", at + "."}
	resolved.Transport = s.carrier(c, "introspection:"+i.URL, own, n.transport)
	return resolved
}

// transport sends questions about tokens: one for each new token, so connections are kept.
func (n Introspection) transport() *http.Transport {
	t := rareTransport()
	t.DisableKeepAlives, t.ForceAttemptHTTP2, t.IdleConnTimeout = false, true, 30*time.Second
	t.MaxIdleConnsPerHost = max(n.InFlight, 32)
	return t
}

// resolve converts the encryption to that of authn, with its keys; nil if there is none.
func (e Encryption) resolve(c *checker, key string) *authn.Encryption {
	if !c.written(key) {
		return nil
	}
	return &authn.Encryption{Algorithms: e.Algorithms, Required: e.Required, Keys: c.decryptionKeys(key+".keys", e.KeyFiles)}
}

// Userinfo says how an issuer is asked who the user of a token is (authn.Userinfo explains the fields).
type Userinfo struct {
	Endpoint    string        `yaml:"endpoint"`
	TokenPrefix string        `yaml:"token_prefix"`
	Audience    string        `yaml:"audience"`
	KeyFiles    []string      `yaml:"keys"`
	Algorithms  []string      `yaml:"algorithms"`
	Content     []string      `yaml:"content"`
	Cache       time.Duration `yaml:"cache"`
	Timeout     time.Duration `yaml:"timeout"`
	InFlight    int           `yaml:"in_flight"`
}

// userinfo converts it to that of authn, with its keys; nil if the operator did not write it, whatever a profile says.
func (s *Settings) userinfo(c *checker, key string, i Issuer) *authn.Userinfo {
	u, at := i.Userinfo, key+"userinfo"
	if !c.written(at) {
		return nil
	}
	return &authn.Userinfo{
		Endpoint: u.Endpoint, TokenPrefix: u.TokenPrefix, Audience: u.Audience, Keys: c.decryptionKeys(at+".keys", u.KeyFiles),
		Algorithms: u.Algorithms, Content: u.Content, CacheFor: u.Cache, Timeout: u.Timeout, InFlight: u.InFlight,
		Transport: s.carrier(c, "userinfo:"+i.URL, authorities(key+"tls_ca_file", i.TLSCAFile), Introspection{InFlight: u.InFlight}.transport),
	}
}

// decryptionKeys reads the gateway's private keys.
func (c *checker) decryptionKeys(key string, files []string) (keys []authn.DecryptionKey) {
	for i, name := range files {
		at := fmt.Sprintf("%s[%d]", key, i)
		text := c.secret(at, name)
		if text == "" {
			continue
		}
		private, err := authn.ParseDecryptionKey([]byte(text))
		if err != nil {
			c.add(at, "%s: %v", name, err)
			continue
		}
		keys = append(keys, private)
	}
	return keys
}
