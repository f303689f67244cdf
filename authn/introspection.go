package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// inactiveFor is how long a token that its issuer called inactive stays refused. It protects the issuer from a client that does not
	// give up, but is short: not all of the issuer's instances may know a new token yet.
	inactiveFor = 5 * time.Second
	maxInactive = 10_000 // kept at once
)

// introspector asks one issuer about opaque tokens (RFC 7662).
type introspector struct {
	issuer  *issuer
	rule    Introspection
	client  *http.Client
	fetch   fetcher
	atLeast time.Duration // between two discoveries

	userinfo *Userinfo // set: the question is who the token's user is, not whether the token is active

	slots   chan struct{}      // one for each request to the issuer under way
	flights singleflight.Group // by digest of issuer and token, so that an answer is never shared with another token

	mu         sync.Mutex
	discovered string
	doubted    bool // a request there failed: the provider may have moved it
	attempted  time.Time
	problem    error // why there is no endpoint
}

func newIntrospector(i *issuer, rule Introspection, atLeast time.Duration) *introspector {
	return &introspector{
		issuer: i, rule: rule, client: newClient(rule.Transport, rule.Timeout), fetch: i.keys.fetch, atLeast: atLeast,
		slots: make(chan struct{}, rule.InFlight), problem: errors.New("not discovered yet"),
	}
}

// introspects returns the issuer to ask about a token; nil for a JWT, signed or encrypted, which names its own issuer. An opaque token does
// not, and is shown to one issuer only: if several are configured, to the one whose prefix it has.
func (a *Authenticator) introspects(raw string) *issuer {
	if dots := strings.Count(raw, "."); dots == 2 || dots == 4 {
		return nil
	}
	for _, i := range a.issuers {
		if i.introspection != nil && strings.HasPrefix(raw, i.introspection.rule.TokenPrefix) {
			return i
		}
	}
	return nil
}

// introspected verifies an opaque token by its issuer's answer, possibly a cached one. What changes with time is checked on every use.
func (a *Authenticator) introspected(ctx context.Context, i *issuer, raw, from string) (*verified, error) {
	if !isToken68(raw) {
		return nil, badToken(ReasonMalformed, "")
	}
	digest := digestOf(i.URL + "\n" + raw) // no JWT has a line break
	if known := a.inactive.get(digest); known != nil && known.holds(a.now(), 0) {
		return nil, known.refusal
	}
	if known := a.cache.get(digest); known != nil && known.holds(a.now(), 0) {
		return a.inTime(known, digest)
	}
	if !a.crowd.enter(from) {
		return nil, i.introspection.unavailable(errCrowd)
	}
	flight := i.introspection.flights.DoChan(string(digest[:]), func() (any, error) {
		// The request belongs to no caller: one that hangs up does not end it for the others.
		return a.introspect(context.WithoutCancel(ctx), i, raw, digest)
	})
	select {
	case answer := <-flight:
		a.crowd.leave(from)
		if answer.Err != nil {
			return nil, answer.Err
		}
		return a.inTime(answer.Val.(*verified), digest)
	case <-ctx.Done():
		go func() { // a caller that hangs up leaves its question running
			<-flight
			a.crowd.leave(from)
		}()
		return nil, fmt.Errorf("issuer %s: %w: %w", i.URL, ErrIntrospectionUnavailable, ctx.Err())
	}
}

// introspect asks once and caches the result: a subject for the configured time and never beyond exp, a refusal briefly, a failure not at
// all.
func (a *Authenticator) introspect(ctx context.Context, i *issuer, raw string, digest tokenDigest) (*verified, error) {
	asked := a.now() // the answer may be that old
	until := asked.Add(i.introspection.rule.CacheFor)
	claims, err := i.introspection.ask(ctx, raw, asked)
	if err == nil && i.userinfo != nil && i.userinfo != i.introspection {
		var end time.Time
		if claims, end, err = i.complete(ctx, raw, claims); end.Before(until) {
			until = end
		}
	}
	var v *verified
	if err == nil {
		v, err = a.acceptAnswer(i, claims, asked, until)
	}
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		a.cache.drop(digest)
		a.inactive.put(digest, &verified{at: asked, until: asked.Add(inactiveFor), refusal: refusal})
		return nil, err
	case err != nil:
		return nil, err
	}
	a.inactive.drop(digest)
	if v.until.After(asked) {
		a.cache.put(digest, v)
	}
	return v, nil
}

// acceptAnswer checks the answer about an active token like the claims of a JWT (RFC 7662 §2.2).
func (a *Authenticator) acceptAnswer(i *issuer, claims map[string]any, asked, until time.Time) (*verified, error) {
	if iss, given := claims["iss"]; given && iss != any(i.URL) {
		return nil, badToken(ReasonIssuer, "iss")
	}
	if e := checkAnswerType(claims); e != nil {
		return nil, e
	}
	if _, given := claims["iat"]; !given {
		// iat is optional there: then the remaining lifetime is bounded.
		if end, ok := numericDate(claims["exp"]); ok && !asked.Before(end) {
			return nil, badToken(ReasonExpired, "exp")
		}
		claims["iat"] = json.Number(strconv.FormatInt(asked.Unix(), 10))
	}
	validity, e := i.checkClaims(claims)
	if e != nil {
		return nil, e
	}
	v, e := a.accept(i, claims, validity)
	if e != nil {
		return nil, e
	}
	v.at, v.until = asked, until
	if v.until.After(validity.expires) {
		v.until = validity.expires
	}
	return v, nil
}

// checkAnswerType refuses an active token that is not an access token: providers also answer about refresh and ID tokens (leaks.md TK-7).
func checkAnswerType(claims map[string]any) *Error {
	for name, wanted := range map[string][]string{
		"token_type": {"Bearer", "DPoP"},
		"typ":        {"Bearer", "DPoP", "at+jwt", "JWT"},
		"token_use":  {"access_token", "access"},
	} {
		value, given := claims[name]
		if !given {
			continue
		}
		text, _ := value.(string)
		if !containsFold(wanted, text) {
			return badToken(ReasonType, name)
		}
	}
	_, bound := claims[bindingClaim]
	if kind, _ := claims["token_type"].(string); strings.EqualFold(kind, schemeDPoP) && !bound {
		return badToken(ReasonBinding, bindingClaim)
	}
	return nil
}

func containsFold(list []string, text string) bool {
	for _, element := range list {
		if strings.EqualFold(element, text) {
			return true
		}
	}
	return false
}

// endpoint is the address to ask: as configured, or from the provider's metadata (RFC 8414 §2), looked up at most once per interval until
// it is known, and again after a request there failed.
func (s *introspector) endpoint(ctx context.Context) (string, error) {
	if s.rule.Endpoint != "" {
		return s.rule.Endpoint, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.issuer.now()
	since := now.Sub(s.attempted)
	if known, left := s.discovered != "", !s.attempted.IsZero() && since >= 0 && since < s.atLeast; known && !s.doubted || left {
		return s.discovered, s.problem
	}
	s.attempted = now
	what := "introspection_endpoint"
	if s.userinfo != nil {
		what = "userinfo_endpoint"
	}
	found, err := s.fetch.discover(ctx, s.issuer.URL, what)
	switch {
	case err == nil:
		s.discovered, s.doubted, s.problem = found, false, nil
	case s.discovered == "": // otherwise the known one is still the best we have
		s.problem = err
	}
	return s.discovered, s.problem
}

// doubt makes the next question look the endpoint up again.
func (s *introspector) doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubted = true
}

// run looks the endpoint up before the first caller needs it.
func (s *introspector) run(ctx context.Context) {
	for {
		lookup, cancel := context.WithTimeout(ctx, s.rule.Timeout)
		_, err := s.endpoint(lookup)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.atLeast):
		}
	}
}

// ready is nil if the endpoint is known. Whether the issuer answers is seen only when there is a token to ask about.
func (s *introspector) ready() error {
	if s.rule.Endpoint != "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.discovered != "" {
		return nil
	}
	return s.unavailable(s.problem)
}

func (s *introspector) unavailable(err error) error {
	return fmt.Errorf("issuer %s: %w: %w", s.issuer.URL, ErrIntrospectionUnavailable, err)
}
