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
	confirmed int // how many replicas have everything that the pipeline wrote
}

// newRun puts a script into Redis' words.
func newRun(ctx context.Context, sc *script, keys int, args []any) *run {
	args[0], args[1], args[2] = "evalsha", sc.sha, keys // the caller leaves room for these
	return &run{script: sc, cmd: redis.NewCmd(ctx, args...)}
}

// exec runs scripts in one pipeline, on one connection of the master. Those that the server does not know were not run; they are
// loaded, and run then.
//
// Those that write come first: go-redis looks at the first reply when it decides whether the connection still leads to a master.
func (s *Store) exec(ctx context.Context, client *redis.Client, replicas int, runs ...*run) {
	s.pipeline(ctx, client, replicas, runs)
	var unknown []*run
	for _, r := range runs {
		if hasReply(r.cmd.Err(), "NOSCRIPT ") {
			unknown = append(unknown, r)
		}
	}
	if len(unknown) == 0 {
		return
	}
	err := load(ctx, client, unknown)
	for _, r := range unknown {
		if r.cmd = redis.NewCmd(ctx, r.cmd.Args()...); err != nil {
			r.cmd.SetErr(err)
		}
	}
	if err != nil {
		return
	}
	s.pipeline(ctx, client, replicas, unknown)
	for _, r := range unknown {
		if hasReply(r.cmd.Err(), "NOSCRIPT ") {
			r.cmd.SetErr(fmt.Errorf("%w: script vanished", audit.ErrUnavailable))
		}
	}
}

// pipeline sends the scripts, and a WAIT behind them where replicas must confirm what they write.
func (s *Store) pipeline(ctx context.Context, client *redis.Client, replicas int, runs []*run) {
	pipe := client.Pipeline()
	for _, r := range runs {
		pipe.Process(ctx, r.cmd) // queues; errors come with Exec
	}
	var wait *redis.IntCmd
	if replicas > 0 {
		wait = redis.NewIntCmd(ctx, "wait", replicas, s.waitFor().Milliseconds())
		pipe.Process(ctx, wait)
	}
	pipe.Exec(ctx) // each command has its own error
	if wait == nil || wait.Err() != nil {
		return
	}
	for _, r := range runs {
		r.confirmed = int(wait.Val())
	}
}

// load makes scripts known to the server.
func load(ctx context.Context, client *redis.Client, runs []*run) error {
	pipe := client.Pipeline()
	for _, r := range runs {
		pipe.ScriptLoad(ctx, r.script.source)
	}
	_, err := pipe.Exec(ctx)
	return err
}
