//go:build !release

package redisstore

import (
	"fmt"
	"sync"

	"github.com/alicebob/miniredis/v2"
)

// StartMemory runs an in-process Redis that persists nothing (miniredis), for a demo without an installed redis-server. Store.Check
// fails on it, and production refuses it: Kept is false.
func StartMemory() (*Embedded, error) {
	m, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("start redis in memory: %w", err)
	}
	exited := make(chan struct{})
	stop := sync.OnceValue(func() error {
		m.Close()
		close(exited)
		return nil
	})
	return &Embedded{address: m.Addr(), exited: exited, stop: stop}, nil
}
