package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// replicated is a master with a replica under Sentinel. Sentinel and replica use their own users, so that they can be locked out of a server
// that everybody else still reaches.
type replicated struct {
	*world
	primary, replica *redistest.Server
	sentinel         string
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	users := slices.Concat(redistest.User("sentinel"), redistest.User("replica"))
	primary := redistest.Start(t, users...)
	follow := slices.Concat(users, []string{"--masteruser", "replica", "--masterauth", "replica"})
	r := &replicated{primary: primary, replica: primary.Replica(follow...)}
	r.sentinel = redistest.StartSentinel(t, primary, "sentinel")
	reach := redisstore.ClientOptions{Addresses: []string{r.sentinel}, SentinelMaster: "main"}
	w := &world{redis: primary, reach: reach, replicas: 1}
	r.world = w.set(t, fhir.R4)
	return r
}

// startAt starts a gateway that asks the Sentinel at an address for the master.
func (r *replicated) startAt(sentinel string) *gateway {
	g, _ := r.start(`addresses: ["{redis}"] }`, fmt.Sprintf(`addresses: ["%s"], sentinel_master: main, replicas: 1 }`, sentinel))
	return g
}

// TestFailover: the master loses its replica and is killed, under load, and Sentinel promotes the replica. Whatever was released has its event
// at the new master or in the archive, no acknowledged withdrawal is lost, and nothing is released after one.
func TestFailover(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	a, b := r.startAt(r.sentinel), r.startAt(r.sentinel)
	ask := search("Condition", demo.Karena())
	l := startLoadOf(6, mix(ask), a, b)
	s := r.startSwing(demo.Karena(), l)
	until(t, endWithin, "withdrawals", func() bool { return s.acknowledged() >= 3 })
	r.primary.Shut("replica") // what the master accepts from now on is lost with it
	n := l.answered()
	until(t, endWithin, "answers without a replica", func() bool { return l.answered() >= n+20 })
	r.primary.Kill()
	r.replica.Promoted()
	r.replica.Replica() // without one nothing is released
	r.goesOn(s, a, b)
	s.end()
	replies := l.end()
	s.wantKept(replies, ask)
	r.wantAllRecorded(replies)
	a.stop()
	b.stop()
	r.wantArchiveWhole()
}

// goesOn waits until withdrawals are acknowledged again and every gateway serves.
func (r *replicated) goesOn(s *swing, gateways ...*gateway) {
	r.t.Helper()
	n := s.acknowledged()
	until(r.t, endWithin, "withdrawals at the new master", func() bool { return s.acknowledged() >= n+3 })
	for _, g := range gateways {
		r.recovers(g, demo.GP(), search("Condition", demo.Milan()))
	}
}

// TestPartition: the master is cut off from its replica and from Sentinel, which promotes the replica. One gateway does not notice and still
// reaches the old master: it releases nothing, since no replica confirms. The other continues at the new one. When the network is repaired, the
// unconfirmed events of the old master are gone, and nobody had been told of them.
func TestPartition(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	news := startProxy(t, r.sentinel)
	behind, ahead := r.startAt(news.Listen), r.startAt(r.sentinel)
	gp, ask, other := demo.GP(), search("Condition", demo.Karena()), search("Condition", demo.Milan())
	l := startLoadOf(6, mix(ask), behind, ahead)
	s := r.startSwing(demo.Karena(), l)
	until(t, endWithin, "withdrawals", func() bool { return s.acknowledged() >= 3 })

	news.Stop()
	r.primary.Shut("sentinel", "replica")
	r.replica.Failover(r.sentinel)
	r.replica.Replica()
	alone := behind.ask(gp, other)
	alone.wantUnavailable(t, "at the old master, after the promotion")
	r.goesOn(s, ahead)
	r.stranded()
	r.primary.Admit("sentinel", "replica")
	r.primary.Do("replicaof", "127.0.0.1", r.replica.Port()) // what Sentinel does, too, ten seconds later
	if err := news.Start(); err != nil {
		t.Fatal(err)
	}
	r.goesOn(s, behind, ahead)
	s.end()
	replies := append(l.end(), alone)
	s.wantKept(replies, ask)
	r.wantAllRecorded(replies)
	behind.stop()
	ahead.stop()
	r.wantArchiveWhole()
}

// stranded wants the old master to have events that the new one has not: otherwise the test shows nothing.
func (r *replicated) stranded() {
	r.t.Helper()
	survive := r.perRequest()
	alone := world{t: r.t, reach: redisstore.ClientOptions{Addresses: []string{r.primary.Address()}}}
	n := 0
	for _, e := range alone.outbox() {
		if survive[e.Request] == 0 {
			n++
		}
	}
	if n == 0 {
		r.t.Error("the old master took no event after it was cut off: nothing was shown")
	}
}
