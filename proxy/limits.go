package proxy

import (
	"net/netip"
	"sync"
	"time"
)

// maxCounted bounds how many keys a counter remembers in one window; beyond it all further keys share one counter, so that an
// attacker who changes addresses gets no fresh allowance and no memory.
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

// add counts one for key at now and returns the count within the running window, and what the previous window had counted when
// this call closed it (nil otherwise).
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

// count is how often key was counted in the window that runs at now.
func (c *counter) count(key string, now time.Time) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if elapsed := now.Sub(c.start); elapsed < 0 || elapsed >= c.window {
		return 0
	}
	return c.counts[key]
}

// close ends the running window when it is over at now, or anyway with a zero now.
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

// household is the address under which a caller is counted: of IPv6 the first of the /64, all of which one host can have.
func household(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is6() || a.Is4In6() {
		return address
	}
	p, _ := a.WithZone("").Prefix(64) // which an address of that family has
	return p.Addr().String()
}

// budget bounds the memory of all bodies in flight, and what one owner has of it: one who sends or reads slowly, over many connections, must
// not keep everybody else out. It never waits: a gateway at its limit says so at once.
type budget struct {
	mu   sync.Mutex
	free int64
	each int64
	held map[string]int64 // by owner
}

func newBudget(all, each int64) *budget {
	return &budget{free: all, each: each, held: map[string]int64{}}
}

// answersBudget is of what is read of sources and made for callers. One caller has half of it at most, and always enough for an answer.
func answersBudget(l Limits) *budget {
	return newBudget(l.Memory, max(l.Memory/2, 4*l.ResponseBody))
}

// arrivingBudget is of bodies that are still arriving, from whoever it may be: as much as requests in flight may have, and a quarter of that
// for one address.
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
