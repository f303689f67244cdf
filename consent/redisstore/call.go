package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// call is one run of a script that begins with the prelude.
type call struct {
	script   *script
	shard    int
	keys     []string // after the shard's meta
	args     []any    // after those of the prelude
	replicas int      // how many replicas must confirm
	gone     <-chan struct{}
	answer   chan<- answer
}

// answer is what came of a call.
type answer struct {
	reply reply
	err   error
}

// reply is what a script returned after its status and the sequence.
type reply struct {
	status   string
	sequence uint64
	values   []any
}

// The statuses of scripts. The first three are the prelude's.
const (
	statusGone  = "GONE"  // no meta key
	statusOther = "OTHER" // another store, other shards or other secrets
	statusLost  = "LOST"  // the sequence is behind what was seen

	statusOK     = "OK"
	statusMoved  = "MOVED"  // another generation
	statusLate   = "LATE"   // past not_after
	statusKnown  = "KNOWN"  // a request that was done before
	statusTaken  = "TAKEN"  // an id that exists
	statusBroken = "BROKEN" // history and generation do not agree
	statusOver   = "OVER"   // a limit is reached
)

// errReply: what should be a text, a number or a list is not. It is never taken for an empty one.
var errReply = fmt.Errorf("%w: unexpected reply", audit.ErrUnavailable)

// text gives a text, or "" where there is none.
func (r reply) text(i int) string {
	if i >= len(r.values) {
		return ""
	}
	s, _ := r.values[i].(string)
	return s
}

// instant gives a stamp: microseconds since 1970. There is always one.
func (r reply) instant(i int) (time.Time, error) {
	n, err := strconv.ParseInt(r.text(i), 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}, errReply
	}
	return instant(n), nil
}

// list gives a list, which may be empty.
func (r reply) list(i int) (reply, error) {
	if i < len(r.values) {
		if list, ok := r.values[i].([]any); ok {
			return reply{values: list}, nil
		}
	}
	return reply{}, errReply
}

// stored gives what a person's hash holds, from three values: generation, stamp, sealed value.
func (r reply) stored(i int) (stored, error) {
	generation, err1 := strconv.ParseUint(r.text(i), 10, 64)
	at, err2 := strconv.ParseInt(r.text(i+1), 10, 64)
	v := stored{generation, at, r.text(i + 2)}
	if err1 != nil || err2 != nil || (generation > 0) != (at > 0) || (generation > 0) != (v.value != "") {
		return stored{}, fmt.Errorf("%w: a person's hash", ErrSealed)
	}
	return v, nil
}

// stored is a person's hash: all zero, or nothing.
type stored struct {
	generation uint64
	at         int64 // microseconds
	value      string
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// send runs calls in one pipeline, on one connection of the master, and answers each. Calls whose script the server does not know
// were not run; the scripts are loaded and those calls repeated.
//
// Those that write come first: go-redis looks at the first reply when it decides whether the connection still leads to a master.
func (s *Store) send(ctx context.Context, client *redis.Client, calls []*call) {
	unknown := s.pipeline(ctx, client, calls)
	if len(unknown) == 0 {
		return
	}
	if err := load(ctx, client, unknown); err != nil {
		for _, c := range unknown {
			c.answer <- answer{err: unavailable(err)}
		}
		return
	}
	for _, c := range s.pipeline(ctx, client, unknown) {
		c.answer <- answer{err: fmt.Errorf("%w: script vanished", audit.ErrUnavailable)}
	}
}

// pipeline sends the calls and answers all but those whose script is unknown, which it returns.
func (s *Store) pipeline(ctx context.Context, client *redis.Client, calls []*call) (unknown []*call) {
	pipe := client.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	replicas := 0
	for i, c := range calls {
		cmds[i] = redis.NewCmd(ctx, s.command(c)...)
		pipe.Process(ctx, cmds[i]) // queues; errors come with Exec
		replicas = max(replicas, c.replicas)
	}
	var wait *redis.IntCmd
	if replicas > 0 {
		wait = redis.NewIntCmd(ctx, "wait", replicas, s.waitFor().Milliseconds())
		pipe.Process(ctx, wait)
	}
	pipe.Exec(ctx) // each command has its own error

	confirmed := 0
	if wait != nil && wait.Err() == nil {
		confirmed = int(wait.Val())
	}
	for i, c := range calls {
		if hasReply(cmds[i].Err(), "NOSCRIPT ") {
			unknown = append(unknown, c)
			continue
		}
		a := s.read(c, cmds[i])
		if a.err == nil && confirmed < c.replicas {
			a.err = errReplicas
		}
		c.answer <- a
	}
	return unknown
}

// command is the call in Redis' words. The sequence is read here, at the last moment before sending: whatever was seen until now
// must be there when the script runs.
func (s *Store) command(c *call) []any {
	cmd := make([]any, 0, 8+len(c.keys)+len(c.args))
	cmd = append(cmd, "evalsha", c.script.sha, 1+len(c.keys), keysOf(c.shard).meta())
	for _, k := range c.keys {
		cmd = append(cmd, k)
	}
	cmd = append(cmd, s.id, s.o.Shards, s.check, s.sequences.seen(c.shard))
	return append(cmd, c.args...)
}

// waitFor is how long a WAIT may block: less than what the pipeline has, so that its answer is still read.
func (s *Store) waitFor() time.Duration { return s.attempt() * 3 / 4 }

// read makes an answer of a reply. What is not exactly a reply of the script is an error: half an answer must never be read as
// "nothing on file".
func (s *Store) read(c *call, cmd *redis.Cmd) answer {
	values, err := cmd.Slice()
	if err != nil {
		return answer{err: unavailable(err)}
	}
	r := reply{values: values}
	r.status = r.text(0)
	r.sequence, err = strconv.ParseUint(r.text(1), 10, 64)
	if err != nil || r.status == statusOK && len(values) != 2+c.script.values {
		return answer{err: errReply}
	}
	r.values = values[2:]
	switch r.status {
	case statusOK, statusMoved, statusLate, statusKnown, statusTaken, statusBroken, statusOver:
		s.sequences.note(c.shard, r.sequence)
		return answer{reply: r}
	case statusGone, statusLost:
		return answer{err: fmt.Errorf("%w (shard %d)", ErrDataLost, c.shard)}
	case statusOther:
		return answer{err: fmt.Errorf("%w (shard %d)", ErrStoreMismatch, c.shard)}
	}
	return answer{err: fmt.Errorf("%w: unknown status", audit.ErrUnavailable)}
}

// load makes the scripts of these calls known to the server.
func load(ctx context.Context, client *redis.Client, calls []*call) error {
	seen := map[*script]bool{}
	pipe := client.Pipeline()
	for _, c := range calls {
		if !seen[c.script] {
			seen[c.script] = true
			pipe.ScriptLoad(ctx, c.script.source)
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}

// direct runs one call on the connections of changes, apart from the batches.
func (s *Store) direct(ctx context.Context, c call) (reply, error) {
	client, err := master(ctx, s.o.Changes, keysOf(c.shard).meta())
	if err != nil {
		return reply{}, unavailable(err)
	}
	answers := make(chan answer, 1)
	c.answer = answers
	ctx, cancel := context.WithTimeout(ctx, s.attempt())
	defer cancel()
	s.send(ctx, client, []*call{&c})
	a := <-answers
	if movedAway(a.err) {
		refresh(ctx, s.o.Changes)
	}
	return a.reply, a.err
}

// settled is direct with one repeat where the fate of the call is unknown.
func (s *Store) settled(ctx context.Context, c call) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	r, err := s.direct(ctx, c)
	if worthRepeating(err) && ctx.Err() == nil {
		s.counters.repeats.Add(1)
		r, err = s.direct(ctx, c)
	}
	return r, err
}

// attempt is how long one attempt of a call may take: half of the call, so that there is time to settle a lost reply.
func (s *Store) attempt() time.Duration { return s.o.Timeout / 2 }
