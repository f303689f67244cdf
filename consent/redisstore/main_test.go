package redisstore_test

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9/logging"
)

// TestMain keeps go-redis from logging the failures that the tests cause.
func TestMain(m *testing.M) {
	logging.Disable()
	os.Exit(m.Run())
}
