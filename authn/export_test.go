package authn

import "time"

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
