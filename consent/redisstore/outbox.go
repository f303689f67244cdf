package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// maxRead bounds one read of the outbox.
const maxRead = 10_000

var _ audit.Outbox = (*Store)(nil)

// Shards is the number of outboxes.
func (s *Store) Shards() int { return s.o.Shards }

// Read returns the oldest entries of a shard's outbox after a position ("": from the beginning), at most limit.
func (s *Store) Read(ctx context.Context, shard int, after string, limit int64) ([]audit.Entry, error) {
	from := "-"
	if after != "" {
		if _, err := parsePosition(after); err != nil {
			return nil, fmt.Errorf("read outbox: %w", err)
		}
		from = "(" + after
	}
	if shard < 0 || shard >= s.o.Shards || limit < 1 {
		return nil, fmt.Errorf("read outbox: %w", ErrInvalid)
	}
	list, err := s.readOutbox(ctx, shard, from, min(limit, maxRead))
	if worthRepeating(err) && !errors.Is(err, errReplicas) && ctx.Err() == nil {
		list, err = s.readOutbox(ctx, shard, from, min(limit, maxRead))
	}
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	entries := make([]audit.Entry, 0, len(list))
	for _, item := range list {
		e, err := parseEntry(item)
		if err != nil {
			return nil, fmt.Errorf("read outbox: %w", err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// readOutbox reads what is archived next. With replicas, all of them must have it: an event that one lacks was acknowledged to
// nobody and is lost if that one is promoted. In the archive it would precede those of the new master.
func (s *Store) readOutbox(ctx context.Context, shard int, from string, limit int64) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.attempt())
	defer cancel()
	list, err := s.lookAtOutbox(ctx, shard, from, limit, 0)
	if err == nil && len(list) > 0 && s.o.Replicas > 0 {
		return s.lookAtOutbox(ctx, shard, from, limit, s.o.Replicas)
	}
	return list, err
}

// lookAtOutbox reads the outbox of a shard, and its meta key before and after: whatever is read between two sights of the right
// meta key is of that store. It is not a script, since entries that pass through Lua cost the server several times as much, and not
// a transaction, since a server whose memory is full refuses those, and it must still be possible to empty its outbox.
func (s *Store) lookAtOutbox(ctx context.Context, shard int, from string, limit int64, replicas int) ([]any, error) {
	k := keysOf(shard)
	client, err := master(ctx, s.o.Changes, k.meta())
	if err != nil {
		return nil, unavailable(err)
	}
	seen := s.sequences.seen(shard) // before asking
	pipe := client.Pipeline()
	var written, wait *redis.Cmd
	if replicas > 0 { // a former master must say so in its first reply, so that the client drops the connection
		s.confirm(ctx, pipe, shard)
	}
	before := pipe.HGetAll(ctx, k.meta())
	entries := pipe.Do(ctx, "xrange", k.outbox(), from, "+", "count", limit)
	after := pipe.HGetAll(ctx, k.meta())
	if replicas > 0 {
		written, wait = s.confirm(ctx, pipe, shard), pipe.Do(ctx, "wait", replicas, s.waitFor().Milliseconds())
	}
	if _, err := pipe.Exec(ctx); err != nil {
		if movedAway(err) {
			refresh(ctx, s.o.Changes)
		}
		return nil, unavailable(err)
	}
	for _, values := range []map[string]string{before.Val(), after.Val()} {
		m, err := parseMeta(values)
		if err != nil {
			return nil, err
		}
		if err := s.heedMeta(shard, m, seen); err != nil {
			return nil, err
		}
	}
	list, err := entries.Slice()
	if err != nil {
		return nil, errReply
	}
	if replicas > 0 {
		return list, confirmed(written, wait, replicas)
	}
	return list, nil
}

// confirm adds to a pipeline a write that changes nothing. It sends the source: a script that the server does not know cannot be
// loaded in the middle of a pipeline.
func (s *Store) confirm(ctx context.Context, pipe redis.Pipeliner, shard int) *redis.Cmd {
	k := keysOf(shard)
	return pipe.Eval(ctx, confirmScript.source, []string{k.meta(), k.outbox()}, s.id, s.o.Shards, s.check, s.sequences.seen(shard))
}

// confirmed returns an error unless that write was made and is on the replicas, with all that precedes it.
func confirmed(written, wait *redis.Cmd, replicas int) error {
	values, err := written.Slice()
	if err != nil {
		return unavailable(err)
	}
	if (reply{values: values}).text(0) != statusOK {
		return errReply
	}
	if n, err := wait.Int(); err != nil || n < replicas {
		return errReplicas
	}
	return nil
}

// heedMeta is heed for a meta key that was read, and remembers its sequence.
func (s *Store) heedMeta(shard int, m meta, seen uint64) error {
	status := statusOK
	switch {
	case !m.present:
		status = statusGone
	case s.accepts(m) != nil:
		status = statusOther
	case m.sequence < seen:
		status = statusLost
	}
	if err := heed(shard, status); err != nil {
		return err
	}
	s.saw(shard, m.sequence, false)
	return nil
}

// Trim removes the entries of a shard's outbox up to and including a position; they are in the archive.
func (s *Store) Trim(ctx context.Context, shard int, through string) error {
	p, err := parsePosition(through)
	if err != nil || shard < 0 || shard >= s.o.Shards {
		return fmt.Errorf("trim outbox: %w", ErrInvalid)
	}
	_, err = s.settled(ctx, call{
		script: &trimScript, shard: shard, keys: []string{keysOf(shard).outbox()}, args: []any{p.next().String()},
	})
	if err != nil {
		return fmt.Errorf("trim outbox: %w", err)
	}
	return nil
}

// parseEntry reads an entry of the stream: [position, [name, value, …]].
func parseEntry(item any) (audit.Entry, error) {
	pair := reply{}
	pair.values, _ = item.([]any)
	list, err := pair.list(1)
	if err != nil {
		return audit.Entry{}, err
	}
	field := func(name string) (value string) {
		for i := 0; i+1 < len(list.values); i += 2 {
			if list.text(i) == name {
				value = list.text(i + 1)
			}
		}
		return value
	}
	at, err := strconv.ParseInt(field("t"), 10, 64)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("%w: an entry without a stamp", ErrSealed)
	}
	sequence, err := strconv.ParseUint(field("q"), 10, 64)
	if err != nil {
		return audit.Entry{}, fmt.Errorf("%w: an entry without a sequence", ErrSealed)
	}
	payload, err := timed(field("e"), instant(at))
	if err != nil {
		return audit.Entry{}, err
	}
	return audit.Entry{Position: pair.text(0), Payload: payload, Sequence: sequence, Made: madeOf(field("r"), field("c"))}, nil
}

// position is the id of a stream entry.
type position struct{ millis, number uint64 }

func parsePosition(text string) (position, error) {
	millis, number, _ := strings.Cut(text, "-")
	m, err1 := strconv.ParseUint(millis, 10, 64)
	n, err2 := strconv.ParseUint(number, 10, 64)
	if p := (position{m, n}); err1 == nil && err2 == nil && p.String() == text {
		return p, nil
	}
	return position{}, fmt.Errorf("%w: position", ErrInvalid)
}

// next is the smallest id after p.
func (p position) next() position {
	if p.number == math.MaxUint64 {
		return position{p.millis + 1, 0}
	}
	return position{p.millis, p.number + 1}
}

func (p position) String() string {
	return strconv.FormatUint(p.millis, 10) + "-" + strconv.FormatUint(p.number, 10)
}
