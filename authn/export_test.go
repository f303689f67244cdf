package authn

// Kept counts the tokens in the cache.
func Kept(a *Authenticator) int {
	total := 0
	for i := range a.cache.shards {
		total += len(a.cache.shards[i].entries)
	}
	return total
}
