package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zorgsluis/consent/redisstore"
	"zorgsluis/consent/redisstore/redistest"
	"zorgsluis/fhir"
	"zorgsluis/internal/demo"
)

// clustered is three masters, each with one shard, and toxiproxy in front of each.
type clustered struct {
	*world
	nodes   []*redistest.Server
	proxies []*faultProxy
}

func newClustered(t *testing.T) *clustered {
	t.Helper()
	c := &clustered{}
	var addresses []string
	var ports []int
	for range 3 {
		address := freeAddress(t)
		_, port, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(port)
		addresses, ports = append(addresses, address), append(ports, n)
	}
	c.nodes = redistest.StartCluster(t, ports...)
	for i, n := range c.nodes {
		c.proxies = append(c.proxies, startProxyAt(t, addresses[i], n.Address()))
	}
	w := &world{redis: c.nodes[0], reach: redisstore.ClientOptions{Addresses: addresses}}
	w.secrets[0] = slices.Repeat([]byte("a"), 32) // which determines who is on which node
	c.world = w.set(t, fhir.R4)
	for i, n := range c.nodes {
		if here, _ := c.homes(n); len(here) == 0 {
			t.Fatalf("nobody is on node %d: take another secret", i)
		}
	}
	return c
}

// startHere starts a gateway on the cluster.
func (c *clustered) startHere() *gateway {
	g, _ := c.start(`addresses: ["{redis}"]`, `addresses: ["`+strings.Join(c.reach.Addresses, `", "`)+`"]`)
	return g
}

// meta returns a key in the slot of a person's shard.
func (c *clustered) meta(person demo.Person) string {
	return fmt.Sprintf("zs:{s%s}:meta", c.store.NewRecordID(person.Identifier())[:2])
}

// homes returns which people's shards a node has, and which it has not.
func (c *clustered) homes(node *redistest.Server) (here, elsewhere []demo.Person) {
	c.t.Helper()
	client := node.Client()
	for _, p := range demo.People() {
		known, err := client.HExists(c.t.Context(), c.meta(p), "seq").Result()
		switch {
		case known:
			here = append(here, p)
		case err != nil && strings.HasPrefix(err.Error(), "MOVED "):
			elsewhere = append(elsewhere, p)
		default:
			c.t.Fatalf("whose shard is it: %v, %v", known, err)
		}
	}
	return here, elsewhere
}

// TestCluster: the store is a Redis Cluster of three masters. Faults affect the connections to all of them, two shards move to other masters,
// and one master is killed, all under load, while a consent is given and withdrawn in turn: each answer has exactly one event, no acknowledged
// withdrawal is lost, and nothing is released after one. While a master is away its part is 503, and the others continue.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := newClustered(t)
	g := c.startHere()
	gp, karena, ask := demo.GP(), demo.Karena(), search("Condition", demo.Karena())
	l := startLoadOf(8, mix(ask), g)
	s := c.startSwing(karena, l)
	swings := func(what string) {
		t.Helper()
		n := s.acknowledged()
		until(t, endWithin, what, func() bool { return s.acknowledged() >= n+2 })
	}
	swings("withdrawals")
	poison(t, l, 16, toxics()[3:8], c.proxies...)
	swings("withdrawals after faults")
	redistest.MoveSlot(t, c.nodes, c.meta(karena))
	swings("withdrawals after the person's shard moved")

	dying := c.nodes[0]
	here, elsewhere := c.homes(dying)
	for _, n := range c.nodes[1:] {
		if h, e := c.homes(n); min(len(h), len(e)) > min(len(here), len(elsewhere)) {
			dying, here, elsewhere = n, h, e
		}
	}
	dying.Kill()
	for _, p := range here {
		g.ask(gp, search("Condition", p)).wantUnavailable(t, "of a shard that is away")
	}
	for _, p := range elsewhere {
		if r := g.ask(gp, search("Condition", p)); r.status != http.StatusOK && r.status != http.StatusForbidden {
			t.Errorf("of a shard that is there: got status %d, want 200 or 403", r.status)
		}
	}
	if len(here) == 0 || len(elsewhere) == 0 {
		t.Errorf("%d people were on the node that was killed and %d elsewhere: nothing was shown", len(here), len(elsewhere))
	}
	dying.Run()
	swings("withdrawals after a master was away")
	s.end()
	replies := l.end()
	for _, p := range demo.People() {
		until(t, startWithin, "everybody's shard to be back", func() bool {
			return g.ask(gp, search("Condition", p)).status != http.StatusServiceUnavailable
		})
	}
	s.wantKept(replies, ask)
	c.wantAllRecorded(replies)
	g.stop()
	c.wantArchiveWhole()
}
