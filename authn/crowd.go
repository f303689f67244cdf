package authn

import (
	"errors"
	"sync"
)

// errCrowd says that the issuer was not asked because too many are waiting.
var errCrowd = errors.New("too many wait to become known")

// crowd bounds how many requests wait for an issuer to say who their caller is. Each occupies one of the requests in flight; known callers
// need no place in the crowd. The zero crowd has no room.
type crowd struct {
	most, each int // in total, and from one place

	mu   sync.Mutex
	all  int
	from map[string]int
}

func newCrowd(most int) *crowd {
	return &crowd{most: most, each: max(most/2, 1), from: map[string]int{}}
}

// enter takes a place for a caller from somewhere, until leave is called; false if there is none.
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
