// Package authn turns an OAuth 2 bearer token into a policy.Subject: who asks, in which capacity, how surely known, why, over which
// channel. It decides nothing about access, and takes nothing from a request but the token.
//
// A token is a signed JWT (RFC 9068) of a configured issuer. Its form is checked completely before any library sees it, its
// signature by coreos/go-oidc under a key set of our own, its claims against the configuration. What is not understood is refused:
// a claim that changes the meaning of a token and is not processed, an algorithm, type, client or person that is not known.
//
// A provider that does not answer does not stop the gateway from starting, and known keys keep counting for a bounded time; then
// Authenticate gives [ErrKeysUnavailable], never a subject.
package authn

import (
	"context"
	"maps"
	"time"

	"zorgsluis/policy"
)

// Authenticator verifies the tokens of the configured issuers. It is safe for concurrent use.
type Authenticator struct {
	issuers           map[string]*issuer
	clients           map[string]Client
	allowUnregistered bool
	tables            *policy.Tables
	assurance         policy.AssuranceMap
	cache             *tokenCache
	cacheAge          time.Duration
	skew              time.Duration
	now               func() time.Time
}

// New checks the configuration and makes an Authenticator. The error joins all faults, each a [*ConfigError]. No provider is
// asked for anything yet.
func New(c Config) (*Authenticator, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	a := &Authenticator{
		issuers:           make(map[string]*issuer),
		clients:           maps.Clone(c.Clients),
		allowUnregistered: c.AllowUnregisteredClients,
		tables:            c.Tables,
		assurance:         c.Assurance,
		cache:             newTokenCache(c.CacheEntries),
		cacheAge:          c.CacheAge,
		skew:              c.Skew,
		now:               c.Now,
	}
	fetch := newFetcher(c.HTTP)
	for _, configured := range c.Issuers {
		paths, _ := compileClaims(configured) // faults were found by check
		a.issuers[configured.URL] = &issuer{
			Issuer: configured,
			paths:  paths,
			skew:   c.Skew,
			now:    c.Now,
			keys: &keySet{
				issuer:     configured.URL,
				configured: configured.JWKSURL,
				fetch:      fetch,
				rule:       refreshRule{every: c.RefreshInterval, atLeast: c.MinRefresh, maxStale: c.MaxStale},
				now:        c.Now,
			},
		}
	}
	return a, nil
}

// Start fetches the keys of every issuer in the background, now and at every interval, until ctx ends. It does not wait: an issuer
// whose provider is away is not ready, and the others are not held up by it.
func (a *Authenticator) Start(ctx context.Context) {
	for _, issuer := range a.issuers {
		go issuer.keys.run(ctx)
	}
}

// Ready says for each issuer, by its URL, whether its tokens can be verified now: nil, or an error that names the issuer and why.
func (a *Authenticator) Ready() map[string]error {
	ready := make(map[string]error, len(a.issuers))
	for url, issuer := range a.issuers {
		ready[url] = issuer.keys.ready(issuer.Algorithms)
	}
	return ready
}

// Authenticate verifies a token and makes its subject. The error is an [*Error], or wraps [ErrKeysUnavailable]. A token that was
// verified before is looked up by the digest of all its bytes; whether its key still counts and whether it is in time is checked
// on every use.
func (a *Authenticator) Authenticate(ctx context.Context, raw string) (policy.Subject, error) {
	if len(raw) > maxToken {
		return policy.Subject{}, badToken(ReasonMalformed, "")
	}
	digest := digestOf(raw)
	known := a.cache.get(digest)
	if known != nil && known.holds(a.now(), a.cacheAge) {
		if e := known.validity.check(a.now(), a.skew); e != nil {
			a.cache.drop(digest)
			return policy.Subject{}, e
		}
		return cloneSubject(known.subject), nil
	}
	fresh, err := a.verify(ctx, raw)
	if err != nil {
		a.cache.drop(digest)
		return policy.Subject{}, err
	}
	a.cache.put(digest, fresh)
	return cloneSubject(fresh.subject), nil
}

func (a *Authenticator) verify(ctx context.Context, raw string) (*verified, error) {
	t, e := parseToken(raw)
	if e != nil {
		return nil, e
	}
	url, _ := t.claims["iss"].(string)
	issuer, known := a.issuers[url]
	if !known {
		return nil, badToken(ReasonIssuer, "iss")
	}
	if e := issuer.checkHeader(t); e != nil {
		return nil, e
	}
	key, validity, err := issuer.verify(ctx, t)
	if err != nil {
		return nil, err
	}
	subject, e := a.subject(issuer, t.claims, validity)
	if e != nil {
		return nil, e
	}
	return &verified{subject: subject, validity: validity, issuer: issuer, key: key, at: a.now()}, nil
}
