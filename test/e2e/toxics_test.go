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

// faultProxy is toxiproxy in front of an address.
type faultProxy struct {
	*toxiproxy.Proxy
	server *toxiproxy.ApiServer
}

// startProxy puts toxiproxy in front of an address until the test ends.
func startProxy(t testing.TB, target string) *faultProxy {
	t.Helper()
	return startProxyAt(t, freeAddress(t), target) // it is stopped and started again
}

func startProxyAt(t testing.TB, listen, target string) *faultProxy {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // one of the toxics has its own logger
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := &faultProxy{toxiproxy.NewProxy(server, t.Name(), listen, target), server}
	if err := p.Start(); err != nil {
		t.Fatalf("toxiproxy: %v", err)
	}
	t.Cleanup(func() { p.Stop() })
	return p
}

// renew cuts all connections and starts without toxics at the same address. Removing a toxic from live connections can block toxiproxy for
// ever: a toxic that still writes to a connection that has just broken cannot be interrupted, and the end of that connection waits for the lock
// of the removal.
func (p *faultProxy) renew(t testing.TB) {
	t.Helper()
	p.Stop()
	p.Proxy = toxiproxy.NewProxy(p.server, p.Name, p.Listen, p.Upstream)
	if err := p.Start(); err != nil {
		t.Fatalf("toxiproxy: %v", err)
	}
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
func inject(t testing.TB, stream, fault string, proxies ...*faultProxy) {
	t.Helper()
	for _, p := range proxies {
		if _, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name": "fault", "stream": %q, %s}`, stream, fault))); err != nil {
			t.Fatalf("toxic: %v", err)
		}
	}
}

func heal(t testing.TB, proxies ...*faultProxy) {
	t.Helper()
	for _, p := range proxies {
		p.renew(t)
	}
}

// poison keeps each fault in each direction active for this many answers.
func poison(t testing.TB, l *load, answers int, faults []string, proxies ...*faultProxy) {
	t.Helper()
	for _, fault := range faults {
		for _, stream := range []string{"upstream", "downstream"} {
			inject(t, stream, fault, proxies...)
			n := l.answered() + answers
			until(t, endWithin, "answers with "+fault, func() bool { return l.answered() >= n })
			heal(t, proxies...)
			n = l.answered() + answers/4
			until(t, endWithin, "answers without it", func() bool { return l.answered() >= n })
		}
	}
}
