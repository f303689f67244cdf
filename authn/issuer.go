package authn

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// issuer is a configured Issuer, ready for use.
type issuer struct {
	Issuer
	paths claimPaths
	keys  *keySet
	skew  time.Duration
	now   func() time.Time

	introspection *introspector // nil: opaque tokens are not accepted
	userinfo      *introspector // nil: the issuer is not asked about users
	metadata      metadata
}

// ready is nil when the tokens of this issuer can be verified now.
func (i *issuer) ready() error {
	var err error
	if len(i.Algorithms) > 0 {
		err = i.keys.ready(i.Algorithms)
	}
	if i.introspection != nil {
		err = errors.Join(err, i.introspection.ready())
	}
	if i.userinfo != nil && i.userinfo != i.introspection {
		err = errors.Join(err, i.userinfo.ready())
	}
	return err
}

// sameTokenType compares media types as RFC 7515 §4.1.9 says: application/ may be omitted.
func sameTokenType(a, b string) bool {
	return strings.TrimPrefix(a, "application/") == strings.TrimPrefix(b, "application/")
}

// checkHeader compares the header with what the issuer is configured to sign, before any key is looked up.
func (i *issuer) checkHeader(t *token) *Error {
	if !slices.Contains(i.Algorithms, t.algorithm) {
		return badToken(ReasonAlgorithm, "alg")
	}
	if !sameTokenType(t.typ, i.TokenType) {
		return badToken(ReasonType, "typ")
	}
	return nil
}

// verify checks the signature and every claim that says whether the token is valid here and now. It returns the key that signed. go-oidc
// checks the signature, iss, aud and exp, but does not say which of them failed; so the claims are checked here as well, more strictly, and
// both must agree.
func (i *issuer) verify(ctx context.Context, t *token) (keyIdentity, times, error) {
	signature := &signature{issuer: i, token: t}
	verifier := oidc.NewVerifier(i.URL, signature, &oidc.Config{
		ClientID:             i.Audience,
		SupportedSigningAlgs: i.Algorithms,
		Now:                  i.now,
	})
	_, refusal := verifier.Verify(ctx, t.raw)
	if signature.err != nil {
		return keyIdentity{}, times{}, signature.err
	}
	if signature.key == nil {
		// go-oidc refused before it asked for a key: it cannot parse what we could.
		return keyIdentity{}, times{}, badToken(ReasonRefused, "")
	}
	validity, e := i.checkClaims(t.claims)
	if e != nil {
		return keyIdentity{}, times{}, e
	}
	if refusal != nil {
		return keyIdentity{}, times{}, badToken(ReasonRefused, "")
	}
	return signature.key.identity, validity, nil
}

// signature is the oidc.KeySet for one token. It remembers which key signed, or why none did; go-oidc drops both.
type signature struct {
	issuer *issuer
	token  *token
	key    *verificationKey
	err    error
}

// VerifySignature implements oidc.KeySet. Keys with the same kid are tried in turn; a wrong signature never causes a fetch.
func (s *signature) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	candidates, err := s.issuer.keys.candidates(ctx, s.token.keyID, s.token.algorithm)
	if err != nil {
		s.err = err
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(s.token.algorithm)})
	if err != nil {
		s.err = badToken(ReasonMalformed, "")
		return nil, s.err
	}
	for _, key := range candidates {
		payload, err := jws.Verify(key.public)
		if err == nil && bytes.Equal(payload, s.token.payload) {
			s.key = key
			return payload, nil
		}
	}
	s.err = badToken(ReasonSignature, "")
	return nil, s.err
}

// checkClaims checks what does not depend on the subject; iss is right already, since it selected this issuer.
func (i *issuer) checkClaims(claims map[string]any) (times, *Error) {
	for _, name := range otherTokenClaims {
		if hasMember(claims, name) {
			return times{}, badToken(ReasonType, name)
		}
	}
	for _, name := range unprocessedClaims {
		if hasMember(claims, name) && !i.onlyProcessed(claims, name) {
			return times{}, badToken(ReasonUnprocessed, name)
		}
	}
	for _, name := range unlessMappedClaims {
		if hasMember(claims, name) && !i.paths.reads(name) {
			return times{}, badToken(ReasonUnprocessed, name)
		}
	}
	if !holdsAudience(claims["aud"], i.Audience) {
		return times{}, badToken(ReasonAudience, "aud")
	}
	if e := i.checkIdentifiers(claims); e != nil {
		return times{}, e
	}
	for _, required := range i.paths.required {
		if value, err := required.path.one(claims); err != nil || value != required.value {
			return times{}, badToken(ReasonClaim, required.name)
		}
	}
	validity, e := i.readTimes(claims)
	if e != nil {
		return times{}, e
	}
	return validity, validity.check(i.now(), i.skew)
}

func (i *issuer) checkIdentifiers(claims map[string]any) *Error {
	if _, ok := claimText(claims["sub"]); !ok {
		return badToken(ReasonSubject, "sub")
	}
	id, given := claims["jti"]
	if _, ok := claimText(id); given && !ok || !given && i.RequireTokenID {
		return badToken(ReasonSubject, "jti")
	}
	return nil
}

// holdsAudience reports whether aud, a string or a list of strings (RFC 7519 §4.1.3), contains exactly ours. A list with anything but
// strings is refused.
func holdsAudience(aud any, ours string) bool {
	switch a := aud.(type) {
	case string:
		return a == ours
	case []any:
		for _, element := range a {
			if _, ok := element.(string); !ok {
				return false
			}
		}
		return slices.Contains(a, any(ours))
	default:
		return false
	}
}
