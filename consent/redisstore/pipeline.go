package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// run is a script call and its result.
type run struct {
	script    *script
	cmd       *redis.Cmd
	confirmed int // number of replicas that confirmed its writes
}

// newRun makes the EVALSHA of a script. args has room for three before its keys.
func newRun(ctx context.Context, sc *script, keys int, args []any) *run {
	args[0], args[1], args[2] = "evalsha", sc.sha, keys
	return &run{script: sc, cmd: redis.NewCmd(ctx, args...)}
}

// exec runs a script at the master. If the server does not know the script, nothing was run; exec loads it and repeats.
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

// send sends a script, with a WAIT after it on the same connection if replicas must confirm its writes.
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
