// Package credential shows sources, and systems that follow the archive, who the gateway is: by OAuth 2.0 client credentials (RFC 6749 §4.4), whose client authenticates
// itself with a signed assertion (RFC 7523) or with its certificate (RFC 8705), or by a header of which the value is known. What it
// holds goes to the one source that it is for and to nobody else. It does not know what is asked of a source.
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

// The times of renewal.
const (
	askWithin      = 5 * time.Second  // one question to the token endpoint
	leastRetry     = time.Second      // after the first failure; doubled with each
	mostRetry      = 30 * time.Second // between two questions to an endpoint that fails
	unsaidLifetime = 5 * time.Minute  // of a token without expires_in, which is only recommended (RFC 6749 §5.1)
	mostLifetime   = 24 * time.Hour
	mostMargin     = 5 * time.Second // before its end, when a token is not used any more: it must arrive in time
	leastBetween   = 5 * time.Second // between two tokens that are replaced because the source refused them
)

// maxToken bounds a token, in bytes: it is sent with every request.
const maxToken = 8 << 10

// Options say where tokens come from. All but Scopes and Parameters are required; Assertion is nil where Client shows a certificate.
type Options struct {
	TokenURL   string
	ClientID   string
	Scopes     []string
	Parameters url.Values                                  // more of them: resource (RFC 8707), audience
	Assertion  func(now time.Time) (jwt string, err error) // client_assertion, for each question its own
	Transport  http.RoundTripper                           // to the token endpoint; redirects are not followed
}

// Tokens keeps an access token for a source. It is renewed in the background before it ends; one question is asked at a time, whoever
// waits for it. While the endpoint is away, the token that is known serves until it ends. It is safe for concurrent use.
type Tokens struct {
	options Options
	client  *http.Client

	mu       sync.Mutex
	token    string
	renewAt  time.Time
	expires  time.Time
	asking   *question
	failure  error // of the last question
	failures uint64
	inRow    int
	retryAt  time.Time // nobody asks before
	replaced time.Time // when a refused token was last replaced
}

// question is one that is on its way to the endpoint.
type question struct {
	done chan struct{}
	err  error // once done is closed
}

// NewTokens makes Tokens that know none yet.
func NewTokens(o Options) *Tokens {
	return &Tokens{options: o, client: &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Run renews the token until ctx ends. failed is told of each question that failed.
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
			continue // somebody else may have asked in the meantime
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

// due is when the token is to be renewed.
func (t *Tokens) due() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.retryAt.After(t.renewAt) {
		return t.retryAt
	}
	return t.renewAt
}

// Token gives a token that has not ended, and waits for one where there is none. An error says nothing of any token.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	if t.usable() {
		defer t.mu.Unlock()
		return t.token, nil
	}
	return t.wait(ctx, "")
}

// Replace gives another token than the one that the source refused. A source that refuses every token causes a question every five
// seconds, not one for each request.
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

// wait gives the token of the question that is being asked, or of a new one; not the one that was refused. It is called with the lock,
// and gives it back.
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

// ask asks for a token, unless that is being done. The question is nobody's own: a caller who hangs up does not end it for the others.
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

// jittered is up to a fifth less, so that the instances do not ask at the same moment.
func jittered(d time.Duration) time.Duration { return d - rand.N(d/5+1) }

// State is what went wrong when a token was last asked for.
func (t *Tokens) State() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// Failures counts the questions that failed.
func (t *Tokens) Failures() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failures
}

// Expires is when the token that is known is not used any more; zero where there is none.
func (t *Tokens) Expires() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.expires
}

// fetch asks the endpoint. The errors of oauth2 hold what the endpoint said, which may be anything: none of that is told.
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

// refusals are the error codes of a token endpoint (RFC 6749 §5.2, RFC 8707 §2). Others are not repeated.
var refusals = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target",
}

// told is an error of oauth2 in words that are ours. It is one of time (net.Error) where time ran out.
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
		return fmt.Errorf("source token: %w", address.Err) // of the connection: nothing was said yet
	default:
		return errors.New("source token: the endpoint gives no usable answer")
	}
}
