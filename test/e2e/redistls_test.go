package e2e_test

import (
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"zorgsluis/audit"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/internal/demo"
)

// TestRedisOverTLS: the gateway uses only a Redis that the configured authority certifies, and a changed file applies to connections made
// afterwards.
func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	w, a, others := newWorld(t), newAuthority(t), newAuthority(t)
	port, shown := redistest.FreePort(t), 0
	show := func(of *authority) { // Redis reads files whose names changed
		shown++
		i, n := of.issue(curveKey(t), "127.0.0.1", time.Hour), strconv.Itoa(shown)
		w.redis.Do("CONFIG", "SET", "tls-auth-clients", "no", "tls-port", port, "tls-cert-file", w.write("redis.pem"+n, i.certificate),
			"tls-key-file", w.write("redis.key"+n, i.key), "tls-ca-cert-file", w.write("redis-ca.pem"+n, of.pem))
		w.redis.Do("CLIENT", "KILL", "TYPE", "normal")
	}
	show(a)
	w.write("trusted.pem", a.pem)
	w.redisAddress = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	g, _ := w.start(`addresses: ["{redis}"]`, `addresses: ["{redis}"], tls_ca_file: trusted.pem`)
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	w.wantEvent(g.ask(gp, ask).wantStatus(t, http.StatusOK, "over TLS"), audit.OutcomePermit, "ok-consent")
	show(others)
	until(t, endWithin, "the connections that were there to be gone", func() bool { return g.ask(gp, ask).status == http.StatusServiceUnavailable })
	g.ask(gp, ask).wantUnavailable(t, "a Redis for whom nobody vouches")
	w.write("trusted.pem", others.pem)
	g.hangUp()
	w.recovers(g, gp, ask)
	show(a)
	until(t, endWithin, "the one before to be refused", func() bool { return g.ask(gp, ask).status == http.StatusServiceUnavailable })
}
