package direct

import "slices"

// Idle returns how many connections are kept while not in use.
func Idle(t *Transport) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.idle)
}

// Stirred reports whether something has arrived on each kept connection.
func Stirred(t *Transport) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(t.idle, (*connection).quiet)
}
