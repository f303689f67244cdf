package authn

import (
	"context"
	"net/http"
	"time"

	"zorgsluis/policy"
)

// ByToken is Authenticate for just a bearer token, even one that no header could carry.
func ByToken(ctx context.Context, a *Authenticator, token string) (policy.Subject, error) {
	return a.authenticate(ctx, credentials{scheme: schemeBearer, token: token}, Request{})
}

// BearerToken is the token in a request.
func BearerToken(h http.Header, rawQuery string) (string, error) {
	c, err := readCredentials(h, rawQuery)
	return c.token, err
}

// Kept counts the tokens in the cache.
func Kept(a *Authenticator) int {
	total := 0
	for i := range a.cache.shards {
		total += len(a.cache.shards[i].entries)
	}
	return total
}

// VerifiedAt is when the kept tokens were verified.
func VerifiedAt(a *Authenticator) (at []time.Time) {
	for i := range a.cache.shards {
		for _, v := range a.cache.shards[i].entries {
			at = append(at, v.at)
		}
	}
	return at
}
