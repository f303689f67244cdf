package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// startProxy puts toxiproxy in front of an address until the test ends.
func startProxy(t testing.TB, target string) *toxiproxy.Proxy {
	t.Helper()
	return startProxyAt(t, "127.0.0.1:0", target)
}

func startProxyAt(t testing.TB, listen, target string) *toxiproxy.Proxy {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // one of the toxics has its own logger
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := toxiproxy.NewProxy(server, t.Name(), listen, target)
	if err := p.Start(); err != nil {
		t.Fatalf("toxiproxy: %v", err)
	}
	t.Cleanup(p.Stop)
	return p
}

// toxics are faults between a gateway and Redis, each in both directions. Some affect only a part of the connections.
func toxics() []string {
	faults := []string{
		`"type": "latency", "attributes": {"latency": 10, "jitter": 40}`,
		`"type": "slicer", "attributes": {"average_size": 40, "size_variation": 30, "delay": 20}`,
		`"type": "bandwidth", "attributes": {"rate": 200}`,
		`"type": "reset_peer", "toxicity": 0.5, "attributes": {"timeout": 0}`,
		`"type": "reset_peer", "toxicity": 0.5, "attributes": {"timeout": 15}`,
		`"type": "timeout", "toxicity": 0.5, "attributes": {"timeout": 60}`,
		`"type": "latency", "toxicity": 0.5, "attributes": {"latency": 1500}`,
	}
	for range 5 { // cuts anywhere: in the middle of a commit, of its reply, between them
		faults = append(faults, fmt.Sprintf(`"type": "limit_data", "attributes": {"bytes": %d}`, 1+rand.IntN(6000)))
	}
	return faults
}

// inject makes proxies affect the traffic in one direction (upstream: to Redis), until heal.
func inject(t testing.TB, stream, fault string, proxies ...*toxiproxy.Proxy) {
	t.Helper()
	for _, p := range proxies {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name": "fault", "stream": %q, %s}`, stream, fault))); err != nil {
			t.Fatalf("toxic: %v", err)
		}
	}
}

func heal(t testing.TB, proxies ...*toxiproxy.Proxy) {
	t.Helper()
	for _, p := range proxies {
		if err := p.Toxics.RemoveToxic(t.Context(), "fault"); err != nil {
			t.Fatalf("toxic: %v", err)
		}
	}
}

// poison keeps each fault in each direction active for this many answers.
func poison(t testing.TB, l *load, answers int, faults []string, proxies ...*toxiproxy.Proxy) {
	t.Helper()
	for _, fault := range faults {
		for _, stream := range []string{"upstream", "downstream"} {
			inject(t, stream, fault, proxies...)
			n := l.answered() + answers
			until(t, endWithin, "answers with "+fault, func() bool { return l.answered() >= n })
			heal(t, proxies...)
		}
	}
}
