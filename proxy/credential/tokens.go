// Package credential authenticates the gateway to sources and to systems that follow the archive: by OAuth 2.0 client credentials (RFC 6749
// §4.4), where the client authenticates with a signed assertion (RFC 7523) or its certificate (RFC 8705), or by a header with a fixed
// value. A credential goes to the one source that it is for and to nobody else. The package does not know what is requested of a source.
package credential

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Times of token renewal.
const (
	askWithin      = 5 * time.Second  // one request to the token endpoint
	leastRetry     = time.Second      // after the first failure; doubled with each further one
	mostRetry      = 30 * time.Second // between two requests to a failing endpoint
	unsaidLifetime = 5 * time.Minute  // of a token without expires_in, which is only recommended (RFC 6749 §5.1)
	mostLifetime   = 24 * time.Hour
	mostMargin     = 5 * time.Second // how long before its end a token is last used: it must arrive in time
	leastBetween   = 5 * time.Second // between two replacements of a token that the source refused
)

// maxToken limits a token, in bytes: it is sent with every request.
const maxToken = 8 << 10

// Options say where tokens come from. All but Scopes and Parameters are required; Assertion is nil if Client presents a certificate.
type Options struct {
	TokenURL   string
	ClientID   string
	Scopes     []string
	Parameters url.Values                                  // additional: resource (RFC 8707), audience
	Assertion  func(now time.Time) (jwt string, err error) // client_assertion, a new one for each request
	Transport  http.RoundTripper                           // to the token endpoint; redirects are not followed
}

// Tokens keeps an access token for a source, and renews it in the background before it expires. At most one request is under way, however
// many wait for it. While the endpoint is unavailable, the current token is used until it expires. Tokens is safe for concurrent use.
type Tokens struct {
	options Options
	client  *http.Client

	mu       sync.Mutex
	token    string
	renewAt  time.Time
	expires  time.Time
	asking   *question
	failure  error // of the last request
	failures uint64
	inRow    int
	retryAt  time.Time // no request before
	replaced time.Time // when a refused token was last replaced
}

// question is a request to the endpoint that is under way.
type question struct {
	done chan struct{}
	err  error // valid once done is closed
}

// NewTokens returns Tokens without a token yet.
func NewTokens(o Options) *Tokens {
	return &Tokens{options: o, client: &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run renews the token until ctx ends, and calls failed after each failed request.
func (t *Tokens) Run(ctx context.Context, failed func(error)) {
	for ctx.Err() == nil {
		if wait := time.Until(t.due()); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			continue // a request may have been made in the meantime
		}
		t.mu.Lock()
		asking := t.ask()
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-asking.done:
		}
		if asking.err != nil {
			failed(asking.err)
		}
	}
}

// due returns when the token is to be renewed.
func (t *Tokens) due() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.retryAt.After(t.renewAt) {
		return t.retryAt
	}
	return t.renewAt
}

// Token returns a token that has not expired, and waits for one if there is none. Its error reveals nothing of any token.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	if t.usable() {
		defer t.mu.Unlock()
		return t.token, nil
	}
	return t.wait(ctx, "")
}

// Replace returns another token than the one that the source refused. A source that refuses every token causes a request every five
// seconds, not one for each of its own.
func (t *Tokens) Replace(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	if t.token != refused && t.usable() {
		defer t.mu.Unlock()
		return t.token, nil
	}
	if t.asking == nil {
		if time.Since(t.replaced) < leastBetween {
			t.mu.Unlock()
			return "", errors.New("source token: refused, and replaced a moment ago")
		}
		t.replaced = time.Now()
	}
	return t.wait(ctx, refused)
}

// wait returns the token of the request under way, or of a new one, but not the refused token. It is called with the lock held, and
// releases it.
func (t *Tokens) wait(ctx context.Context, refused string) (string, error) {
	if t.asking == nil && time.Now().Before(t.retryAt) {
		defer t.mu.Unlock()
		return "", t.failure
	}
	asking := t.ask()
	t.mu.Unlock()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("source token: %w", ctx.Err())
	case <-asking.done:
	}
	if asking.err != nil {
		return "", asking.err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.usable() || t.token == refused {
		return "", errors.New("source token: the new one cannot be used")
	}
	return t.token, nil
}

func (t *Tokens) usable() bool { return t.token != "" && time.Now().Before(t.expires) }

// ask starts a request for a token, unless one is under way. It belongs to no caller: one who hangs up does not cancel it for the others.
func (t *Tokens) ask() *question {
	if t.asking != nil {
		return t.asking
	}
	asking := &question{done: make(chan struct{})}
	t.asking = asking
	go func() {
		defer close(asking.done)
		ctx, cancel := context.WithTimeout(context.Background(), askWithin)
		defer cancel()
		asked := time.Now()
		token, lifetime, err := t.fetch(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.asking, asking.err, t.failure = nil, err, err
		if err != nil {
			t.failures++
			t.inRow++
			t.retryAt = time.Now().Add(jittered(min(mostRetry, leastRetry<<min(t.inRow-1, 10))))
			return
		}
		t.inRow, t.retryAt = 0, time.Time{}
		t.token, t.expires = token, asked.Add(lifetime-min(mostMargin, lifetime/10))
		t.renewAt = asked.Add(jittered(lifetime * 8 / 10))
	}()
	return asking
}

// jittered returns d less up to a fifth, so that instances do not ask at the same moment.
func jittered(d time.Duration) time.Duration { return d - rand.N(d/5+1) }

// State returns the error of the last request for a token.
func (t *Tokens) State() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// Failures counts the failed requests.
func (t *Tokens) Failures() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

// Expires returns when the current token is no longer used; zero if there is none.
func (t *Tokens) Expires() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.expires
}

// fetch requests a token. Errors of oauth2 contain the endpoint's answer, which may be anything: none of it is passed on.
func (t *Tokens) fetch(ctx context.Context) (string, time.Duration, error) {
	o := t.options
	parameters := maps.Clone(o.Parameters)
	if parameters == nil {
		parameters = url.Values{}
	}
	if o.Assertion != nil {
		assertion, err := o.Assertion(time.Now())
		if err != nil {
			return "", 0, errors.New("source token: the assertion could not be signed")
		}
		parameters.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		parameters.Set("client_assertion", assertion)
	}
	config := clientcredentials.Config{
		ClientID: o.ClientID, TokenURL: o.TokenURL, Scopes: o.Scopes, EndpointParams: parameters, AuthStyle: oauth2.AuthStyleInParams,
	}
	asked := time.Now()
	token, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return "", 0, told(ctx, err)
	}
	lifetime := unsaidLifetime
	if !token.Expiry.IsZero() {
		lifetime = min(token.Expiry.Sub(asked), mostLifetime)
	}
	switch {
	case !strings.EqualFold(token.TokenType, "Bearer"):
		return "", 0, errors.New("source token: not of type Bearer")
	case len(token.AccessToken) > maxToken || !token68.MatchString(token.AccessToken):
		return "", 0, errors.New("source token: not of the form of RFC 6750")
	case lifetime < time.Second:
		return "", 0, errors.New("source token: has ended already")
	}
	return token.AccessToken, lifetime, nil
}

// token68 is the form of a bearer token (RFC 6750 §2.1).
var token68 = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// refusals are the error codes of a token endpoint (RFC 6749 §5.2, RFC 8707 §2). No others are repeated.
var refusals = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target",
}

// told rewrites an error of oauth2 in our own words. It wraps a timeout (net.Error) if time ran out.
func told(ctx context.Context, err error) error {
	var refused *oauth2.RetrieveError
	var network net.Error
	var address *url.Error
	switch {
	case ctx.Err() != nil, errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("source token: the endpoint does not answer: %w", os.ErrDeadlineExceeded)
	case errors.As(err, &refused) && slices.Contains(refusals, refused.ErrorCode):
		return fmt.Errorf("source token: the endpoint refuses: %s", refused.ErrorCode)
	case errors.As(err, &refused):
		return fmt.Errorf("source token: the endpoint answers with status %d", refused.Response.StatusCode)
	case errors.As(err, &address):
		return fmt.Errorf("source token: %w", address.Err) // of the connection: no answer yet
	default:
		return errors.New("source token: the endpoint gives no usable answer")
	}
}
