package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Metadata is what callers need of what a provider publishes about itself (OpenID Connect Discovery 1.0 §3, RFC 8414 §2, SMART App Launch).
// A member that is missing or malformed is empty.
type Metadata struct {
	Issuer                string
	TokenEndpoint         string
	AuthorizationEndpoint string
	IntrospectionEndpoint string
	RevocationEndpoint    string
	GrantTypes            []string
	ResponseTypes         []string
	Scopes                []string
	ClientAuthentication  []string // token_endpoint_auth_methods_supported
	CodeChallengeMethods  []string
}

// metadata caches what one provider publishes, so that callers' requests do not become requests to the provider.
type metadata struct {
	mu        sync.Mutex // held during a fetch: concurrent callers want the same
	known     Metadata
	fetched   time.Time // zero: never
	attempted time.Time
	problem   error
}

// Metadata returns what an issuer's provider publishes: as of the last refresh, or, while it is away, for as long as its keys count. The
// error wraps [ErrKeysUnavailable].
func (a *Authenticator) Metadata(ctx context.Context, url string) (Metadata, error) {
	i, known := a.issuers[url]
	if !known {
		return Metadata{}, errors.New("metadata: no such issuer")
	}
	m, rule, now := &i.metadata, i.keys.rule, a.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	since := func(t time.Time) time.Duration {
		if t.IsZero() || now.Before(t) {
			return time.Duration(1<<63 - 1)
		}
		return now.Sub(t)
	}
	if since(m.fetched) >= rule.every && since(m.attempted) >= rule.atLeast {
		m.attempted = now
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyWait)
		defer cancel()
		found, err := i.keys.fetch.metadata(ctx, url)
		if m.problem = err; err == nil {
			m.known, m.fetched = found, now
		}
	}
	if since(m.fetched) > rule.maxStale {
		return Metadata{}, fmt.Errorf("issuer %s: %w: %w", url, ErrKeysUnavailable, m.problem)
	}
	return m.known, nil
}

func (f fetcher) metadata(ctx context.Context, issuer string) (Metadata, error) {
	body, err := f.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return Metadata{}, fmt.Errorf("discovery: %w", err)
	}
	document, err := parseObject(body)
	if err != nil {
		return Metadata{}, fmt.Errorf("discovery: %w", err)
	}
	if document["issuer"] != issuer {
		return Metadata{}, errors.New("discovery: the document is of another issuer")
	}
	endpoint := func(name string) string {
		address, _ := document[name].(string)
		if _, err := parseEndpoint(address); err != nil {
			return ""
		}
		return address
	}
	words := func(name string) (found []string) {
		list, _ := document[name].([]any)
		for _, element := range list {
			if word, ok := claimText(element); ok {
				found = append(found, word)
			}
		}
		return found
	}
	return Metadata{
		Issuer:                issuer,
		TokenEndpoint:         endpoint("token_endpoint"),
		AuthorizationEndpoint: endpoint("authorization_endpoint"),
		IntrospectionEndpoint: endpoint("introspection_endpoint"),
		RevocationEndpoint:    endpoint("revocation_endpoint"),
		GrantTypes:            words("grant_types_supported"),
		ResponseTypes:         words("response_types_supported"),
		Scopes:                words("scopes_supported"),
		ClientAuthentication:  words("token_endpoint_auth_methods_supported"),
		CodeChallengeMethods:  words("code_challenge_methods_supported"),
	}, nil
}

// ProofAlgorithms are the algorithms for signing DPoP proofs.
func ProofAlgorithms() []string { return slices.Clone(proofAlgorithms) }
