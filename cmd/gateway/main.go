// Command gateway is Zorgsluis: the configuration, the wiring of all parts, and the commands of operators. It decides nothing
// about patients; it only puts together what does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// main only signals and exits, so that everything else can be run by a test.
func main() {
	os.Exit(mainCode())
}

func mainCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// The first signal asks for a graceful stop; from then on the next one has its usual effect, for those who cannot wait.
	defer context.AfterFunc(ctx, stop)()
	// A terminal that closes must not end a gateway with requests in flight. serve reads files again on it.
	signal.Ignore(syscall.SIGHUP)
	// go-redis writes lines of its own to the standard error, which is a JSON log here. What goes wrong is returned as an error too.
	redis.SetLogger(quiet{})
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// quiet is a logger of go-redis that says nothing.
type quiet struct{}

// Printf implements the logger of go-redis.
func (quiet) Printf(context.Context, string, ...any) {}
