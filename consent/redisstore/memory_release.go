//go:build release

package redisstore

import "errors"

// StartMemory is for the demo, which release builds do not have.
func StartMemory() (*Embedded, error) {
	return nil, errors.New("start redis in memory: not in a release")
}
