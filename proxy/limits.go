package proxy

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// maxCounted limits the keys that a counter remembers in one window. All further keys share one count, so an attacker who changes addresses
// gets neither a fresh allowance nor memory.
const maxCounted = 10_000

// counter counts per key in fixed windows.
type counter struct {
	mu     sync.Mutex
	window time.Duration
	start  time.Time
	counts map[string]int
}

func newCounter(window time.Duration) *counter {
	return &counter{window: window, counts: map[string]int{}}
}

// add counts one for key at now. It returns the count in the running window, and the counts of the previous window if this call closed it
// (else nil).
func (c *counter) add(key string, now time.Time) (n int, closed map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	closed = c.roll(now)
	if _, known := c.counts[key]; !known && len(c.counts) >= maxCounted {
		key = ""
	}
	c.counts[key]++
	return c.counts[key], closed
}

// count returns the count of key in the window that runs at now.
func (c *counter) count(key string, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if elapsed := now.Sub(c.start); elapsed < 0 || elapsed >= c.window {
		return 0
	}
	return c.counts[key]
}

// close ends the running window and returns its counts if it is over at now, or in any case if now is zero.
func (c *counter) close(now time.Time) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.IsZero() {
		now = c.start.Add(c.window)
	}
	return c.roll(now)
}

func (c *counter) roll(now time.Time) map[string]int {
	if elapsed := now.Sub(c.start); elapsed >= 0 && elapsed < c.window {
		return nil
	}
	closed := c.counts
	c.start, c.counts = now, map[string]int{}
	if len(closed) == 0 {
		return nil
	}
	return closed
}

// Household returns the address by which a caller is counted: for IPv6 the first of its /64, all of which one host can have.
func Household(address string) string {
	if !strings.Contains(address, ":") {
		return address
	}
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() || a.Is4In6() {
		return address
	}
	p, _ := a.WithZone("").Prefix(64) // an IPv6 address always has one
	return p.Addr().String()
}

// budget limits the memory of all bodies in flight, and each owner's share of it: one who sends or reads slowly, over many connections,
// must not keep everybody else out. It never waits: a gateway at its limit says so at once.
type budget struct {
	mu   sync.Mutex
	free int64
	each int64
	held map[string]int64 // by owner
}

func newBudget(all, each int64) *budget {
	return &budget{free: all, each: each, held: map[string]int64{}}
}

// answersBudget is for answers of sources and to callers. One caller has at most half of it, or four answers if that is more.
func answersBudget(l Limits) *budget {
	return newBudget(l.Memory, max(l.Memory/2, 4*l.ResponseBody))
}

// arrivingBudget is for bodies that are still arriving, from anyone: as much as the requests in flight may have, of which one address may
// have a quarter.
func arrivingBudget(l Limits) *budget {
	one := l.RequestBody + receiveStep
	all := int64(l.InFlight) * one
	return newBudget(all, max(all/4, one))
}

// take reserves n bytes, or nothing.
func (b *budget) take(owner string, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n < 0 || n > b.free || n > b.each-b.held[owner] {
		return false
	}
	b.free -= n
	b.held[owner] += n
	return true
}

// give returns n bytes.
func (b *budget) give(owner string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	if b.held[owner] -= n; b.held[owner] == 0 {
		delete(b.held, owner)
	}
}

// asking counts the requests that sources have not answered yet. A source that does not answer must leave room for the other sources, and all
// of them together for patients who withdraw what they permitted.
type asking struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by source
}

// enter counts one more request to a source, and reports whether it is within the limits: three quarters of the requests in flight for one
// source, seven eighths for all. leave must follow if it is.
func (a *asking) enter(source string, inFlight int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of == nil {
		a.of = map[string]int{}
	}
	if a.of[source] >= max((inFlight*3+3)/4, 1) || a.all >= max((inFlight*7+7)/8, 1) {
		return false
	}
	a.of[source]++
	a.all++
	return true
}

// leave ends one request to a source.
func (a *asking) leave(source string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[source]--
	a.all--
}
