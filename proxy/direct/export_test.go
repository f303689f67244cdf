package direct

// Idle returns how many connections are kept while not in use.
func Idle(t *Transport) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.idle)
}

// CloseAll closes the connections that are not in use.
func CloseAll(t *Transport) {
	for c := t.last(); c != nil; c = t.last() {
		c.Close()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sweep != nil {
		t.sweep.Stop()
	}
}
