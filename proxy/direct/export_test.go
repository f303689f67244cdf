package direct

// Idle returns how many connections are kept while not in use.
func Idle(t *Transport) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.idle)
}
