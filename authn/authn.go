// Package authn turns an OAuth 2 access token into a policy.Subject: who asks, in which capacity, at which assurance level, why, over which
// channel. It decides nothing about access, and uses nothing of a request but the token and its proofs.
//
// A token is a signed JWT (RFC 9068) of a configured issuer, possibly encrypted to us, or an opaque one that the issuer is asked about
// (RFC 7662). Its form is checked completely before any library sees it, its signature by coreos/go-oidc with our own key set, and its claims
// against the configuration. A token bound to a key (DPoP, RFC 9449) or to a certificate (RFC 8705) is valid only with proof of possession
// on every request. What is not understood is refused: a claim that changes the meaning of a token and is not processed, an unknown
// algorithm, type, client or person.
//
// A provider that does not answer does not prevent the gateway from starting, and known keys stay valid for a bounded time; after that
// Authenticate returns [ErrKeysUnavailable], never a subject.
package authn

import (
	"context"
	"maps"
	"time"

	"zorgsluis/policy"
)

// Authenticator verifies the tokens of the configured issuers. It is safe for concurrent use.
type Authenticator struct {
	issuers   map[string]*issuer
	clients   map[string]Client
	tables    *policy.Tables
	assurance policy.AssuranceMap
	cache     *tokenCache
	cacheAge  time.Duration
	inactive  *tokenCache // opaque tokens that their issuer refused, kept briefly
	crowd     *crowd
	replays   Replays
	nonces    nonces
	skew      time.Duration
	now       func() time.Time
}

// New checks the configuration and makes an Authenticator. The error joins all faults, each a [*ConfigError]. No provider is contacted yet.
func New(c Config) (*Authenticator, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	a := &Authenticator{
		issuers:   make(map[string]*issuer),
		clients:   maps.Clone(c.Clients),
		tables:    c.Tables,
		assurance: c.Assurance,
		cache:     newTokenCache(c.CacheEntries),
		cacheAge:  c.CacheAge,
		inactive:  newTokenCache(min(c.CacheEntries, maxInactive)),
		crowd:     newCrowd(c.Waiting),
		replays:   c.Replays,
		nonces:    newNonces(c.NonceSecrets),
		skew:      c.Skew,
		now:       c.Now,
	}
	for _, configured := range c.Issuers {
		paths, _ := compileClaims(configured) // check reported the faults
		i := &issuer{
			Issuer: configured,
			paths:  paths,
			skew:   c.Skew,
			now:    c.Now,
			keys: &keySet{
				issuer:     configured.URL,
				configured: configured.JWKSURL,
				fetch:      fetcher{newClient(configured.Transport, fetchTimeout)},
				rule:       refreshRule{every: c.RefreshInterval, atLeast: c.MinRefresh, maxStale: c.MaxStale},
				now:        c.Now,
				crowd:      a.crowd,
			},
		}
		if configured.Introspection != nil {
			i.introspection = newIntrospector(i, *configured.Introspection, c.MinRefresh)
		}
		if configured.Userinfo != nil {
			i.userinfo = newIntrospector(i, *configured.Userinfo.introspection(), c.MinRefresh)
			i.userinfo.userinfo = configured.Userinfo
			if i.introspection == nil {
				i.introspection = i.userinfo // its answers replace an opaque token
			}
		}
		a.issuers[configured.URL] = i
	}
	return a, nil
}

// Start fetches the keys of every issuer in the background, now and at every interval, until ctx ends. It does not wait: an issuer whose
// provider is away is not ready, but does not hold up the others.
func (a *Authenticator) Start(ctx context.Context) {
	for _, issuer := range a.issuers {
		if len(issuer.Algorithms) > 0 {
			go issuer.keys.run(ctx)
		}
		if issuer.introspection != nil {
			go issuer.introspection.run(ctx)
		}
		if issuer.userinfo != nil && issuer.userinfo != issuer.introspection {
			go issuer.userinfo.run(ctx)
		}
	}
}

// Ready returns for each issuer, by URL, whether its tokens can be verified now: nil, or an error that names the issuer and the reason.
func (a *Authenticator) Ready() map[string]error {
	ready := make(map[string]error, len(a.issuers))
	for url, issuer := range a.issuers {
		ready[url] = issuer.ready()
	}
	return ready
}

// verify verifies a token that is not cached.
func (a *Authenticator) verify(ctx context.Context, raw string) (*verified, error) {
	signed, recipients, e := a.decrypt(raw)
	if e != nil {
		return nil, e
	}
	t, e := parseToken(signed)
	if e != nil {
		return nil, e
	}
	url, _ := t.claims["iss"].(string)
	issuer, known := a.issuers[url]
	if !known || !recipients.include(issuer) {
		return nil, badToken(ReasonIssuer, "iss")
	}
	if e := issuer.checkHeader(t); e != nil {
		return nil, e
	}
	key, validity, err := issuer.verify(ctx, t)
	if err != nil {
		return nil, err
	}
	claims, asked, until := t.claims, a.now(), time.Time{}
	if issuer.userinfo != nil {
		if claims, until, err = issuer.complete(ctx, raw, t.claims); err != nil {
			return nil, err
		}
		if _, e := issuer.checkClaims(claims); e != nil {
			return nil, e
		}
	}
	v, e := a.accept(issuer, claims, validity)
	if e != nil {
		return nil, e
	}
	v.key, v.at, v.until = key, asked, until
	return v, nil
}

// accept turns the verified claims of a token into what is kept of it: the subject, and what it is bound to.
func (a *Authenticator) accept(i *issuer, claims map[string]any, validity times) (*verified, *Error) {
	bound, e := i.readBinding(claims)
	if e != nil {
		return nil, e
	}
	subject, e := a.subject(i, claims, validity)
	if e != nil {
		return nil, e
	}
	return &verified{subject: subject, validity: validity, binding: bound, issuer: i}, nil
}
