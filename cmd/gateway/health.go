package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Time limit of one check of all components, and how long its result is reused: polling readiness must not load Redis.
const (
	healthTimeout = 2 * time.Second
	healthFresh   = time.Second
)

// component is a part that a ready gateway needs, or, if it informs only, a part whose state is worth reporting.
type component struct {
	name    string
	check   func(context.Context) error
	informs bool
}

// health answers whether the process lives and whether it can serve. A stop begins with not ready, so that nobody sends new requests while
// the last ones are answered.
type health struct {
	draining   atomic.Bool
	components func() []component

	mu    sync.Mutex
	state map[string]string
	ready bool
	at    time.Time
}

// register adds the two endpoints.
func (h *health) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		// No component is checked here: restarting the gateway repairs neither Redis nor an identity provider.
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", h.readyz)
}

func (h *health) readyz(w http.ResponseWriter, r *http.Request) {
	state, ready := h.look(r.Context())
	answer := struct {
		Status     string            `json:"status"`
		Components map[string]string `json:"components"`
	}{"ready", state}
	status := http.StatusOK
	switch {
	case h.draining.Load():
		answer.Status, status = "draining", http.StatusServiceUnavailable
	case !ready:
		answer.Status, status = "not ready", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

// look checks every component concurrently, at most once per healthFresh.
func (h *health) look(ctx context.Context) (state map[string]string, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != nil && time.Since(h.at) < healthFresh {
		return h.state, h.ready
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTimeout)
	defer cancel()
	components := h.components()
	results := make([]error, len(components))
	var wg sync.WaitGroup
	for i, c := range components {
		wg.Go(func() { results[i] = c.check(ctx) })
	}
	wg.Wait()
	h.state, h.ready, h.at = make(map[string]string, len(components)), true, time.Now()
	for i, c := range components {
		h.state[c.name] = "ok"
		if results[i] != nil {
			h.state[c.name], h.ready = results[i].Error(), h.ready && c.informs
		}
	}
	return h.state, h.ready
}
