package main

import (
	"fmt"
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

// resolve gives the introspection in the vocabulary of authn, with the secrets that it names; nil where there is none.
func (n Introspection) resolve(c *checker, key string) *authn.Introspection {
	if !c.written(key) {
		return nil
	}
	resolved := &authn.Introspection{
		Endpoint: n.Endpoint, TokenPrefix: n.TokenPrefix, ClientID: n.ClientID, Signed: n.SignedAnswers,
		Secret: c.secret(key+".secret_file", n.SecretFile), CacheFor: n.Cache, Timeout: n.Timeout, InFlight: n.InFlight,
	}
	resolved.Key = c.assertionKey(key+".assertion_key_file", n.AssertionFile)
	if n.CertificateFile != "" || n.KeyFile != "" {
		resolved.Certificate = c.keyPair(key+".", n.CertificateFile, n.KeyFile)
	}
	return resolved
}

// resolve gives the encryption in the vocabulary of authn, with its keys; nil where there is none.
func (e Encryption) resolve(c *checker, key string) *authn.Encryption {
	if !c.written(key) {
		return nil
	}
	resolved := &authn.Encryption{Algorithms: e.Algorithms, Required: e.Required}
	for i, name := range e.KeyFiles {
		at := fmt.Sprintf("%s.keys[%d]", key, i)
		text := c.secret(at, name)
		if text == "" {
			continue
		}
		private, err := authn.ParseDecryptionKey([]byte(text))
		if err != nil {
			c.add(at, "%s: %v", name, err)
			continue
		}
		resolved.Keys = append(resolved.Keys, private)
	}
	return resolved
}
