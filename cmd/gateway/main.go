// Command gateway is Zorgsluis: the configuration, the wiring of all parts, and the operator commands. It decides nothing about patients
// itself.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// main only handles signals and the exit code, so that tests can run everything else.
func main() {
	os.Exit(mainCode())
}

func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// The first signal asks for a graceful stop; after it the next one has its usual effect, for those who cannot wait.
	defer context.AfterFunc(ctx, stop)()
	// A closing terminal must not end a gateway with requests in flight. serve reloads files on SIGHUP.
	signal.Ignore(syscall.SIGHUP)
	// Libraries log to standard error, which is a JSON log here: go-redis what it returns as errors as well, and net/http what a source sent on a
	// connection without being asked, which can be a patient's record.
	log.SetOutput(io.Discard)
	redis.SetLogger(quiet{})
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// quiet is a go-redis logger that discards everything.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}
