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
	statusSpent  = "SPENT"  // recorded by an attempt before, and MOVED or LATE since
	statusUnsure = "UNSURE" // too much came since to tell whether an event was recorded
	statusWrong  = "WRONG"  // a key of a wrong type
)

// errWrongType: somebody put something else in the place of a key of ours.
var errWrongType = fmt.Errorf("%w: a key of a wrong type", ErrSealed)

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

// waitFor is how long a WAIT may block: less than what the pipeline has, so that its answer is still read.
func (s *Store) waitFor() time.Duration { return s.attempt() * 3 / 4 }

// read makes a reply of what came. What is not exactly a reply of the script is an error: half an answer must never be read as
// "nothing on file".
func (s *Store) read(c call, cmd *redis.Cmd) (reply, error) {
	values, err := cmd.Slice()
	if err != nil {
		return reply{}, unavailable(err)
	}
	r := reply{values: values}
	r.status = r.text(0)
	r.sequence, err = strconv.ParseUint(r.text(1), 10, 64)
	if err != nil || r.status == statusOK && len(values) != 2+c.script.values {
		return reply{}, errReply
	}
	r.values = values[2:]
	if err := heed(c.shard, r.status); err != nil {
		return reply{}, err
	}
	return r, nil
}

// heed makes an error of the status of a shard that is not the one that it must be.
func heed(shard int, status string) error {
	switch status {
	case statusOK, statusMoved, statusKnown, statusTaken, statusBroken, statusOver:
		return nil
	case statusGone, statusLost:
		return fmt.Errorf("%w (shard %d)", ErrDataLost, shard)
	case statusOther:
		return fmt.Errorf("%w (shard %d)", ErrStoreMismatch, shard)
	case statusWrong:
		return errWrongType
	}
	return errReply
}

// saw notes the sequence of a shard. Where there are replicas only one that they confirmed counts, which takes a write: what a master saw
// alone can be gone after a failover without having been promised to anybody, and whoever remembered it would refuse the new master.
func (s *Store) saw(shard int, sequence uint64, confirmed bool) {
	if confirmed || s.o.Replicas == 0 {
		s.sequences.note(shard, sequence)
	}
}

// direct runs one call on the connections of changes, apart from the batches.
func (s *Store) direct(ctx context.Context, c call) (reply, error) {
	return s.over(ctx, s.o.Changes, c)
}

// over runs one call on the connections of a client.
func (s *Store) over(ctx context.Context, to redis.UniversalClient, c call) (reply, error) {
	client, err := master(ctx, to, keysOf(c.shard).meta())
	if err != nil {
		return reply{}, unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.attempt())
	defer cancel()
	run := s.command(ctx, c)
	s.exec(ctx, client, run, c.replicas)
	r, err := s.read(c, run.cmd)
	if err == nil {
		s.saw(c.shard, r.sequence, c.script == &changeScript && r.status == statusOK && run.confirmed >= c.replicas)
	}
	if err == nil && run.confirmed < c.replicas {
		err = errReplicas
	}
	if movedAway(err) {
		refresh(ctx, to)
	}
	return r, err
}

// command is the call in Redis' words. The sequence is read here, at the last moment before sending: whatever was seen until now
// must be there when the script runs.
func (s *Store) command(ctx context.Context, c call) *run {
	args := make([]any, 3, 8+len(c.keys)+len(c.args))
	args = append(args, keysOf(c.shard).meta())
	for _, k := range c.keys {
		args = append(args, k)
	}
	args = append(args, s.id, s.o.Shards, s.check, s.sequences.seen(c.shard))
	return newRun(ctx, c.script, 1+len(c.keys), append(args, c.args...))
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
