package e2e_test

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"zorgsluis/internal/demo"
)

// TestPromise7FailsShutAndQuickly: each part that a request needs is missing, or slow, in turn: Redis, the identity provider, the source,
// capacity. Each causes a clear error in bounded time; nothing opens, nothing hangs, and all is well again when the part is back.
func TestPromise7FailsShutAndQuickly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := search("Condition", demo.Karena())
	gp := demo.GP()
	g, _ := w.start("limits: {", "limits: { in_flight: 4,", "timeout: 8s", "timeout: 3s")

	t.Run("Redis hangs", func(t *testing.T) {
		w.redis.Freeze()
		for _, q := range []question{ask, get("/nothing")} {
			g.ask(gp, q).wantUnavailable(t, "hangs")
		}
		w.redis.Thaw()
		w.recovers(g, gp, ask)
	})
	t.Run("Redis is away", func(t *testing.T) {
		w.redis.Kill()
		g.ask(gp, ask).wantUnavailable(t, "away")
		w.redis.Run()
		w.recovers(g, gp, ask)
	})
	t.Run("the source is slow", func(t *testing.T) {
		block := w.source.Block()
		t.Cleanup(block.Release)
		r := g.ask(gp, ask).wantStatus(t, http.StatusGatewayTimeout, "slow")
		r.wantNothing(t, "slow")
		if r.took > 3*time.Second+soon {
			t.Errorf("answered after %s, the source has three seconds", r.took)
		}
		block.Release()
		w.source.Intercept(nil)
	})
	t.Run("there is no room", func(t *testing.T) {
		block := w.source.Block()
		t.Cleanup(block.Release)
		var held []<-chan reply
		for range 3 { // of four places, of which one source takes three quarters
			held = append(held, g.later(gp, ask))
			receive(t, block.Arrived, "the source to be asked")
		}
		r := g.ask(gp, ask)
		r.wantUnavailable(t, "one more than there is room for")
		if n := len(w.eventsOf(r.id)); n != 0 {
			t.Errorf("what was shed has %d events, want none: it is counted only", n)
		}
		block.Release()
		w.source.Intercept(nil)
		for _, answered := range held {
			receive(t, answered, "the answer").wantStatus(t, http.StatusOK, "those that had room")
		}
		w.recovers(g, gp, ask)
	})
	t.Run("the caller is slow", func(t *testing.T) {
		// A request whose headers never end must not take up capacity: it has none before it is read.
		for range 8 {
			idle, err := net.Dial("tcp", strings.TrimPrefix(g.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer idle.Close()
			if _, err := idle.Write([]byte("GET /fhir/demo/Condition HTTP/1.1\r\nHost: x\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		w.recovers(g, gp, ask)
	})
	if strings.Contains(g.logged(), tokenOf(t, gp)) {
		t.Error("the log holds a token")
	}
}

// TestIdentityProviderAway: a gateway starts without the identity provider, refuses what it cannot verify, serves once the provider is there,
// and continues for a while with the known keys when it is away again.
func TestIdentityProviderAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, err := demo.NewIssuer(demo.IssuerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	own.SetDown(true)
	w.issuer = own
	token, err := own.Token(demo.GP().Claims)
	if err != nil {
		t.Fatal(err)
	}
	gp, ask := demo.GP(), search("Condition", demo.Karena())
	ask.token = token
	g, _ := w.start()
	g.ask(gp, ask).wantUnavailable(t, "no keys")
	if status, _ := g.readiness(); status != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d, want 503", status)
	}
	g.ask(demo.Caller{}, get("/fhir/demo/metadata")).wantStatus(t, http.StatusOK, "what needs no keys")
	own.SetDown(false)
	w.recovers(g, gp, ask) // after the minimum time between two attempts
	fetches := own.KeyFetches()
	own.SetDown(true)
	g.ask(gp, ask).wantStatus(t, http.StatusOK, "with keys that are known")
	forged := ask
	forged.token = token[:len(token)-8] + "AAAAAAAA"
	for range 20 {
		g.ask(gp, forged).wantStatus(t, http.StatusUnauthorized, "a bad signature")
	}
	if n := own.KeyFetches() - fetches; n > 1 {
		t.Errorf("bad signatures made the gateway fetch keys %d times", n)
	}
}
