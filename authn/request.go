package authn

import (
	"context"
	"crypto/x509"
	"net/http"

	"zorgsluis/policy"
)

// Request is the part of a request that authentication uses.
type Request struct {
	From        string // its origin, to limit how much one place can keep others waiting
	Method      string
	Target      string // absolute URL below the configured public one, without query, which a DPoP proof must name
	Header      http.Header
	RawQuery    string
	Certificate *x509.Certificate // the caller's, verified by whatever ended TLS; nil: none
}

// Authenticate verifies the credentials of a request and returns the subject of its token. The error is [ErrNoToken], an [*Error], or wraps
// [ErrKeysUnavailable], [ErrIntrospectionUnavailable] or [ErrReplaysUnavailable]: then the caller cannot be judged now.
func (a *Authenticator) Authenticate(ctx context.Context, r Request) (policy.Subject, error) {
	c, err := readCredentials(r.Header, r.RawQuery)
	if err != nil {
		return policy.Subject{}, err
	}
	subject, err := a.authenticate(ctx, c, r)
	return subject, c.answer(err)
}

func (a *Authenticator) authenticate(ctx context.Context, c credentials, r Request) (policy.Subject, error) {
	v, err := a.token(ctx, c.token, r.From)
	if err != nil {
		return policy.Subject{}, err
	}
	if err := a.checkBinding(ctx, v, c, r); err != nil {
		return policy.Subject{}, err
	}
	return cloneSubject(v.subject), nil
}

// token verifies a token without its binding. A token that was verified before is found by the digest of all its bytes; whether its key
// still counts and whether it is in time is checked on every use.
func (a *Authenticator) token(ctx context.Context, raw, from string) (*verified, error) {
	if len(raw) > maxToken {
		return nil, badToken(ReasonMalformed, "")
	}
	if i := a.introspects(raw); i != nil {
		return a.introspected(ctx, i, raw, from)
	}
	digest := digestOf(raw)
	known := a.cache.get(digest)
	if known != nil && known.holds(a.now(), a.cacheAge) {
		return a.inTime(known, digest)
	}
	fresh, err := a.verify(ctx, raw)
	if err != nil {
		a.cache.drop(digest)
		return nil, err
	}
	a.cache.put(digest, fresh)
	return fresh, nil
}

// inTime returns a cached token, unless its own times have passed.
func (a *Authenticator) inTime(known *verified, digest tokenDigest) (*verified, error) {
	if e := known.validity.check(a.now(), a.skew); e != nil {
		a.cache.drop(digest)
		return nil, e
	}
	return known, nil
}
