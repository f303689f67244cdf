package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// keyWait bounds how long a request waits for a fetch. The fetch continues; the caller may retry.
const keyWait = time.Second

// firstRetry is how soon a failed fetch is repeated; each further failure doubles the wait, up to refreshRule.atLeast.
const firstRetry = time.Second

// refreshRule says how often a provider's keys are fetched, and how long they count while it does not answer.
type refreshRule struct {
	every    time.Duration // in the background
	atLeast  time.Duration // between two fetches, whatever the cause
	maxStale time.Duration // after the last good fetch
}

// keySet holds the keys of one issuer. go-oidc's own set fetches for every token with an unknown kid or a bad signature and never forgets a
// key. This one fetches in the background, for an unknown kid at most once per interval, and never for a bad signature; keys that the
// provider removed are gone with the next fetch.
type keySet struct {
	issuer     string
	configured string // address of the keys; "": discovery
	fetch      fetcher
	rule       refreshRule
	now        func() time.Time
	crowd      *crowd

	ring atomic.Pointer[keyring] // nil until the first good fetch

	mu        sync.Mutex
	attempted time.Time     // start of the last fetch, or end of a failed one
	failures  int           // failed fetches in a row
	flight    chan struct{} // closed when the fetch under way ends; nil: none
	problem   error         // why the last fetch failed, or nil
}

// current returns the keys that may be used now; nil if none were ever fetched, or too long ago.
func (s *keySet) current() *keyring {
	ring := s.ring.Load()
	if ring == nil || s.now().Sub(ring.fetched) > s.rule.maxStale {
		return nil
	}
	return ring
}

// candidates returns the keys that may have signed a token. For an unknown kid, or without a set, it first asks the provider, as far as the
// interval allows. The error wraps [ErrKeysUnavailable] or is an [*Error].
func (s *keySet) candidates(ctx context.Context, keyID, algorithm string) ([]*verificationKey, error) {
	ring := s.current()
	if ring != nil {
		if fit, known := ring.candidates(keyID, algorithm); known {
			return orNoKey(fit)
		}
	}
	if !s.crowd.enter("") {
		return nil, fmt.Errorf("issuer %s: %w: %w", s.issuer, ErrKeysUnavailable, errCrowd)
	}
	defer s.crowd.leave("")
	wait, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	if err := s.refresh(wait); err != nil {
		return nil, err
	}
	if ring = s.current(); ring == nil {
		return nil, s.unavailable()
	}
	fit, known := ring.candidates(keyID, algorithm)
	if !known && s.lastProblem() != nil {
		// The provider does not answer and the key may be new: the token cannot be judged.
		return nil, s.unavailable()
	}
	return orNoKey(fit)
}

func orNoKey(fit []*verificationKey) ([]*verificationKey, error) {
	if len(fit) == 0 {
		return nil, badToken(ReasonKey, "kid")
	}
	return fit, nil
}

// refresh starts a fetch, or joins the one under way, and waits for its end or the caller's. Within the interval it does nothing. The fetch
// belongs to no caller: one that hangs up does not end it for the others.
func (s *keySet) refresh(ctx context.Context) error {
	s.mu.Lock()
	if s.flight == nil {
		now := s.now()
		if since := now.Sub(s.attempted); !s.attempted.IsZero() && since >= 0 && since < s.pause() {
			s.mu.Unlock()
			return nil
		}
		s.attempted = now
		s.flight = make(chan struct{})
		go s.fly(context.WithoutCancel(ctx), s.flight)
	}
	flight := s.flight
	s.mu.Unlock()

	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("issuer %s: %w: %w", s.issuer, ErrKeysUnavailable, ctx.Err())
	}
}

// pause is how long the provider is left alone after a fetch. After a failure it is asked again sooner: a gateway that starts together with
// its provider must not refuse callers for the whole interval. The caller holds the lock.
func (s *keySet) pause() time.Duration {
	if s.failures == 0 {
		return s.rule.atLeast
	}
	return min(s.rule.atLeast, firstRetry<<min(s.failures-1, 16))
}

// fly does one fetch and closes done.
func (s *keySet) fly(ctx context.Context, done chan struct{}) {
	defer close(done)
	ctx, cancel := context.WithTimeout(ctx, 2*fetchTimeout)
	defer cancel()
	ring, err := s.load(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight = nil
	s.problem = err
	if err != nil {
		s.failures++
		s.attempted = s.now()
		return
	}
	s.failures = 0
	s.ring.Store(ring)
}

// load fetches the keys from where discovery now says they are: an old address may still answer with keys that the provider has abandoned,
// and without those it signs with.
func (s *keySet) load(ctx context.Context) (*keyring, error) {
	address := s.configured
	if address == "" {
		var err error
		if address, err = s.fetch.discover(ctx, s.issuer, "jwks_uri"); err != nil {
			return nil, err
		}
	}
	// The age of the keys counts from before the request: the answer may be that old.
	asked := s.now()
	body, err := s.fetch.get(ctx, address)
	if err != nil {
		return nil, err
	}
	return parseKeySet(body, asked)
}

// run fetches until ctx ends: immediately, then at every interval, sooner after a failure.
func (s *keySet) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		// The loop checks for the end of ctx; every other result is kept in problem.
		_ = s.refresh(ctx)
		timer.Reset(s.next())
	}
}

// next is how long to wait before the next fetch in the background.
func (s *keySet) next() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem != nil {
		return s.pause()
	}
	return s.rule.every
}

func (s *keySet) lastProblem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// unavailable tells the operator why there are no keys.
func (s *keySet) unavailable() error {
	problem := s.lastProblem()
	if problem == nil {
		problem = errors.New("not fetched yet")
	}
	return fmt.Errorf("issuer %s: %w: %w", s.issuer, ErrKeysUnavailable, problem)
}

// ready is nil if tokens signed with one of these algorithms can be verified now.
func (s *keySet) ready(algorithms []string) error {
	ring := s.current()
	if ring == nil {
		return s.unavailable()
	}
	for _, algorithm := range algorithms {
		if slices.ContainsFunc(ring.keys, func(k *verificationKey) bool { return k.fits(algorithm) }) {
			return nil
		}
	}
	return fmt.Errorf("issuer %s: its key set has no key for %q", s.issuer, algorithms)
}
