package authn

import (
	"errors"
	"sync"
)

// errCrowd is why nobody was asked.
var errCrowd = errors.New("too many wait to become known")

// crowd bounds who waits for an issuer to say who they are: each of them has a place of the requests in flight, and those who are known need
// none of this. The zero crowd has no room.
type crowd struct {
	most, each int // of all together, and of those from one place

	mu   sync.Mutex
	all  int
	from map[string]int
}

func newCrowd(most int) *crowd {
	return &crowd{most: most, each: max(most/2, 1), from: map[string]int{}}
}

// enter takes a place for somebody from somewhere, until leave is called; false: there is none.
func (c *crowd) enter(from string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || c.from[from] >= c.each {
		return false
	}
	c.all++
	c.from[from]++
	return true
}

func (c *crowd) leave(from string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.from[from]--; c.from[from] == 0 {
		delete(c.from, from)
	}
}
