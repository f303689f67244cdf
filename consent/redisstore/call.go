package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// call is one run of a script with the prelude.
type call struct {
	script   *script
	shard    int
	keys     []string // after the shard's meta
	args     []any    // after those of the prelude (ARGV[1..4])
	replicas int      // how many replicas must confirm
}

// reply is a script's reply; values are those after status and sequence.
type reply struct {
	status   string
	sequence uint64
	values   []any
}

// The statuses of scripts. The first three are the prelude's.
const (
	statusGone  = "GONE"  // no meta key
	statusOther = "OTHER" // another store, other shards or other secrets
	statusLost  = "LOST"  // the sequence is lower than one that was seen

	statusOK     = "OK"
	statusMoved  = "MOVED"  // not the expected generation
	statusLate   = "LATE"   // past not_after
	statusKnown  = "KNOWN"  // the request was done before
	statusTaken  = "TAKEN"  // a new id exists already
	statusBroken = "BROKEN" // the length of the history is not the generation
	statusOver   = "OVER"   // a limit is reached
	statusSpent  = "SPENT"  // recorded by an earlier attempt, but MOVED or LATE since
	statusUnsure = "UNSURE" // too many events since to tell whether this one was recorded
	statusWrong  = "WRONG"  // a key of a wrong type
)

// errWrongType: something else has overwritten a key of the store.
var errWrongType = fmt.Errorf("%w: a key of a wrong type", ErrSealed)

// errReply: a text, number or list is missing or of another type. It is never taken for an empty one.
var errReply = fmt.Errorf("%w: unexpected reply", audit.ErrUnavailable)

// text returns a text, or "" if there is none.
func (r reply) text(i int) string {
	if i >= len(r.values) {
		return ""
	}
	s, _ := r.values[i].(string)
	return s
}

// instant returns a stamp, in microseconds since 1970, which must be present.
func (r reply) instant(i int) (time.Time, error) {
	n, err := strconv.ParseInt(r.text(i), 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}, errReply
	}
	return instant(n), nil
}

// list returns a list, which may be empty.
func (r reply) list(i int) (reply, error) {
	if i < len(r.values) {
		if list, ok := r.values[i].([]any); ok {
			return reply{values: list}, nil
		}
	}
	return reply{}, errReply
}

// stored reads a person's hash from three values: generation, stamp, sealed value.
func (r reply) stored(i int) (stored, error) {
	generation, err1 := strconv.ParseUint(r.text(i), 10, 64)
	at, err2 := strconv.ParseInt(r.text(i+1), 10, 64)
	v := stored{generation, at, r.text(i + 2)}
	if err1 != nil || err2 != nil || (generation > 0) != (at > 0) || (generation > 0) != (v.value != "") {
		return stored{}, fmt.Errorf("%w: a person's hash", ErrSealed)
	}
	return v, nil
}

// stored is a person's hash, all zero if there is none.
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

// waitFor is how long a WAIT may block: less than the pipeline's deadline, so that its reply is still read.
func (s *Store) waitFor() time.Duration { return s.attempt() * 3 / 4 }

// read parses the reply of a script. Anything but an exact reply is an error: half a reply must never be read as "nothing on file".
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

// heed returns an error for a status that means a wrong or damaged shard.
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

// saw remembers the sequence of a shard. With replicas, only a write that they confirmed counts: what only the master had can be
// gone after a failover without having been acknowledged to anybody, and remembering it would mean refusing the new master.
func (s *Store) saw(shard int, sequence uint64, confirmed bool) {
	if confirmed || s.o.Replicas == 0 {
		s.sequences.note(shard, sequence)
	}
}

// direct runs one call on the connections for changes, apart from the batches.
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

// command builds the Redis command of a call. The sequence is read at the last moment before sending: whatever was seen until then
// must be in the store when the script runs.
func (s *Store) command(ctx context.Context, c call) *run {
	args := make([]any, 3, 8+len(c.keys)+len(c.args))
	args = append(args, keysOf(c.shard).meta())
	for _, k := range c.keys {
		args = append(args, k)
	}
	args = append(args, s.id, s.o.Shards, s.check, s.sequences.seen(c.shard))
	return newRun(ctx, c.script, 1+len(c.keys), append(args, c.args...))
}

// settled is direct, with one repeat if the outcome is unknown.
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

// attempt is how long one attempt of a call may take: half of the call, to leave time for settling a lost reply.
func (s *Store) attempt() time.Duration { return s.o.Timeout / 2 }
