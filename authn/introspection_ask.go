package authn

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxIntrospection = 64 << 10 // bytes of an answer
	assertionFor     = time.Minute
	mediaJSON        = "application/json"
	mediaSigned      = "application/token-introspection+jwt" // RFC 9701 §5
)

// ask asks about a token and returns the claims of an active one. The error is an [*Error] if the issuer says that it is not active, and
// wraps [ErrIntrospectionUnavailable] if its answer is not reliable (leaks.md TK-9).
func (s *introspector) ask(ctx context.Context, raw string, asked time.Time) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.rule.Timeout)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, s.unavailable(errors.New("too many questions at once"))
	}
	if end, _ := ctx.Deadline(); ctx.Err() != nil || !time.Now().Before(end) { // a slot became free only at the very end: too late to ask
		return nil, s.unavailable(ctx.Err())
	}
	address, err := s.endpoint(ctx)
	if err != nil {
		return nil, s.unavailable(err)
	}
	claims, err := s.askAt(ctx, address, raw, asked)
	if errors.Is(err, ErrIntrospectionUnavailable) {
		s.doubt()
	}
	return claims, err
}

// askAt asks at an address of the issuer.
func (s *introspector) askAt(ctx context.Context, address, raw string, asked time.Time) (map[string]any, error) {
	if s.userinfo != nil {
		return s.askUserinfo(ctx, address, raw)
	}
	body, err := s.post(ctx, address, raw)
	if err != nil {
		return nil, s.unavailable(err)
	}
	if s.rule.Signed {
		if body, err = s.open(ctx, body, asked); err != nil {
			return nil, s.unavailable(err)
		}
	}
	claims, err := parseObject(body)
	if err != nil {
		return nil, s.unavailable(err)
	}
	switch active, ok := claims["active"].(bool); {
	case !ok:
		return nil, s.unavailable(errors.New("the answer does not say whether the token is active"))
	case !active:
		return nil, badToken(ReasonInactive, "active")
	}
	return claims, nil
}

// post sends the request (RFC 7662 §2.1). Errors name the address and never the token.
func (s *introspector) post(ctx context.Context, address, raw string) ([]byte, error) {
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	if err := s.identify(form); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	want := mediaJSON
	if s.rule.Signed {
		want = mediaSigned
	}
	request.Header.Set("Accept", want)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s.rule.Secret != "" {
		// RFC 6749 §2.3.1: both are form-encoded first.
		request.SetBasicAuth(url.QueryEscape(s.rule.ClientID), url.QueryEscape(s.rule.Secret))
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err // net/http names method and address
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("post %s: status %d", address, response.StatusCode)
	}
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || media != want {
		return nil, fmt.Errorf("post %s: the answer is not %s", address, want)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxIntrospection+1))
	if err != nil {
		return nil, fmt.Errorf("post %s: %w", address, err)
	}
	if len(body) > maxIntrospection {
		return nil, fmt.Errorf("post %s: answer is over %d bytes", address, maxIntrospection)
	}
	return body, nil
}

// identify puts the client's identity into the form unless the Authorization header has it: an assertion (RFC 7523 §2.2), or the client id
// for the certificate of the connection (RFC 8705 §2).
func (s *introspector) identify(form url.Values) error {
	switch {
	case s.rule.Certified:
		form.Set("client_id", s.rule.ClientID)
	case s.rule.Key != nil:
		assertion, err := s.assertion()
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	return nil
}

// assertion identifies the client (OpenID Connect Core 1.0 §9, private_key_jwt).
func (s *introspector) assertion() (string, error) {
	return s.rule.Key().Assertion(s.rule.ClientID, s.issuer.URL, s.issuer.now())
}

// Assertion is a JWT that only the holder of the key can make: for one minute and one audience, it says that this client asks
// (RFC 7523 §3).
func (k *AssertionKey) Assertion(client, audience string, now time.Time) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k.key}, options)
	if err != nil {
		return "", errors.New("client assertion: the key does not sign")
	}
	payload, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionFor).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", errors.New("client assertion: the key does not sign")
	}
	return signed.CompactSerialize()
}

// open extracts a signed answer from its JWT (RFC 9701 §5): of this issuer, for us, current, under one of its keys.
func (s *introspector) open(ctx context.Context, body []byte, asked time.Time) ([]byte, error) {
	t, e := parseToken(string(body))
	if e != nil {
		return nil, errors.New("signed answer: " + string(e.Reason))
	}
	i := s.issuer
	if !slices.Contains(i.Algorithms, t.algorithm) || !sameTokenType(t.typ, "token-introspection+jwt") {
		return nil, errors.New("signed answer: alg or typ is another")
	}
	if _, err := (&signature{issuer: i, token: t}).VerifySignature(ctx, t.raw); err != nil {
		return nil, errors.New("signed answer: the signature is not of a key of the issuer")
	}
	made, ok := numericDate(t.claims["iat"])
	switch {
	case t.claims["iss"] != any(i.URL) || !holdsAudience(t.claims["aud"], s.rule.ClientID):
		return nil, errors.New("signed answer: it is of another issuer, or for another client")
	case !ok || made.Before(asked.Add(-i.skew-time.Second)) || made.After(i.now().Add(i.skew)):
		return nil, errors.New("signed answer: it is not of now")
	}
	return json.Marshal(t.claims["token_introspection"])
}
