package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// run is a script with its arguments, and what came of it.
type run struct {
	script    *script
	cmd       *redis.Cmd
	confirmed int // how many replicas have what it wrote
}

// newRun puts a script into Redis' words. Before its keys, args has room for three.
func newRun(ctx context.Context, sc *script, keys int, args []any) *run {
	args[0], args[1], args[2] = "evalsha", sc.sha, keys
	return &run{script: sc, cmd: redis.NewCmd(ctx, args...)}
}

// exec runs a script at the master. One that the server does not know was not run; it is loaded, and run then.
func (s *Store) exec(ctx context.Context, client *redis.Client, r *run, replicas int) {
	s.send(ctx, client, r, replicas)
	if !hasReply(r.cmd.Err(), "NOSCRIPT ") {
		return
	}
	r.cmd = redis.NewCmd(ctx, r.cmd.Args()...)
	if err := client.ScriptLoad(ctx, r.script.source).Err(); err != nil {
		r.cmd.SetErr(err)
		return
	}
	if s.send(ctx, client, r, replicas); hasReply(r.cmd.Err(), "NOSCRIPT ") {
		r.cmd.SetErr(fmt.Errorf("%w: script vanished", audit.ErrUnavailable))
	}
}

// send sends a script, and where replicas must confirm what it writes a WAIT behind it, on the same connection.
func (s *Store) send(ctx context.Context, client *redis.Client, r *run, replicas int) {
	if replicas == 0 {
		client.Process(ctx, r.cmd) // the command has the error
		return
	}
	pipe := client.Pipeline()
	pipe.Process(ctx, r.cmd)
	wait := redis.NewIntCmd(ctx, "wait", replicas, s.waitFor().Milliseconds())
	pipe.Process(ctx, wait)
	pipe.Exec(ctx) // each command has its own error
	if wait.Err() == nil {
		r.confirmed = int(wait.Val())
	}
}
