package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/consent"
)

// Standing reads the standing of a person at the master, in one batched round trip, with the time of Redis at that instant. If
// nothing is on file, it is the zero Standing. Every error except ErrInvalid wraps audit.ErrUnavailable.
func (s *Store) Standing(ctx context.Context, person consent.PersonKey) (consent.Standing, time.Time, error) {
	if err := checkKey(person); err != nil {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w", err)
	}
	shard := s.shardOf(person)
	seen := s.generations.seen(person) // before asking: others may note a newer generation meanwhile
	a := newAsk()
	a.kind, a.shard = standings, shard
	a.keys[1] = s.keys[shard].history(person)
	a.keys[0] = strings.TrimSuffix(a.keys[1], historySuffix)
	r, err := s.do(ctx, a)
	if err != nil {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w", err)
	}
	if r.status != statusOK {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w: a history without a standing", ErrDataLost)
	}
	st, err := s.take(person, r.sequence, seen, r.stored)
	if err != nil {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w", err)
	}
	return st, r.now, nil
}

// glance is what a batch of standings reads about one shard: its meta key before and after the standings.
type glance struct {
	asks          []*ask
	seen          uint64 // the highest sequence seen before asking
	before, after *redis.StringSliceCmd
}

// look reads standings in one pipeline. A script would cost the server twice as much, because values would pass through Lua, and a
// server whose memory is full refuses transactions. Without either, this holds: each person's hash is read at one instant; whatever
// is read between two sights of the right meta key is of that store (as in lookAtOutbox); and a history that existed before the
// hash was read still exists.
func (s *Store) look(ctx context.Context, client *redis.Client, asks []*ask) {
	pipe := client.Pipeline()
	clock := pipe.Time(ctx)
	glances := make([]glance, 0, len(asks))
	args := make([]any, 0, 19*len(asks)) // of all commands
	command := func(a ...any) []any {
		args = append(args, a...)
		return args[len(args)-len(a) : len(args) : len(args)]
	}
	for group := range shards(asks) {
		meta := s.keys[group[0].shard].meta()
		sight := func() *redis.StringSliceCmd {
			cmd := redis.NewStringSliceCmd(ctx, command("hmget", meta, "store", "shards", "check", "seq")...)
			pipe.Process(ctx, cmd)
			return cmd
		}
		g := glance{asks: group, seen: s.sequences.seen(group[0].shard), before: sight()}
		for _, a := range group {
			a.history = redis.NewIntCmd(ctx, command("exists", &a.keys[1])...)
			a.person = redis.NewSliceCmd(ctx, command("hmget", &a.keys[0], "gen", "at", "val")...)
			pipe.Process(ctx, a.history)
			pipe.Process(ctx, a.person)
		}
		g.after = sight()
		glances = append(glances, g)
	}
	pipe.Exec(ctx) // each command has its own error
	now, err := clock.Result()
	if err == nil && now.UnixMicro() <= 0 {
		err = errReply
	}
	if err == nil {
		err = s.inStep(now)
	}
	for _, g := range glances {
		sequence, err := s.heedGlance(g, err)
		for _, a := range g.asks {
			if err != nil {
				a.answer <- answer{err: unavailable(err)}
				continue
			}
			answer := a.standing()
			answer.now, answer.sequence = now.UTC(), sequence
			a.answer <- answer
		}
	}
}

// heedGlance returns err, or an error if the shard was not the expected one before and after; otherwise its sequence.
func (s *Store) heedGlance(g glance, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	var sequences [2]uint64
	for i, sight := range []*redis.StringSliceCmd{g.before, g.after} {
		m, err := parseSight(sight)
		if err != nil {
			return 0, err
		}
		if err := s.heedMeta(g.asks[0].shard, m, g.seen); err != nil {
			return 0, err
		}
		sequences[i] = m.sequence
	}
	if era(sequences[0]) != era(sequences[1]) {
		return 0, errReply // the store was accepted (Accept) in between: generations cannot be compared
	}
	return sequences[0], nil
}

// parseSight reads a meta key from an HMGET reply: one that lacks a field counts as absent.
func parseSight(cmd *redis.StringSliceCmd) (meta, error) {
	values, err := cmd.Result()
	switch {
	case hasReply(err, "WRONGTYPE "):
		return meta{}, errWrongType
	case err != nil:
		return meta{}, err
	case len(values) != 4:
		return meta{}, errReply
	case slices.Contains(values, ""):
		return meta{}, nil
	}
	m := meta{present: true, store: values[0], shards: values[1], check: values[2]}
	if m.sequence, err = strconv.ParseUint(values[3], 10, 64); err != nil {
		return meta{}, errReply
	}
	return m, nil
}

// standing turns the replies about this person into an answer.
func (a *ask) standing() answer {
	values, err := a.person.Result()
	switch {
	case hasReply(err, "WRONGTYPE "):
		return answer{err: errWrongType}
	case err != nil:
		return answer{err: unavailable(err)}
	case a.history.Err() != nil:
		return answer{err: unavailable(a.history.Err())}
	case len(values) != 3:
		return answer{err: errReply}
	case values[0] == nil && a.history.Val() != 0:
		return answer{status: statusBroken} // a history without a standing means that the standing was lost, not "nothing on file"
	}
	v, err := parseStored(values)
	return answer{status: statusOK, stored: v, err: err}
}

// take opens what is stored for a person, after making sure that it is not older than what was seen before asking.
func (s *Store) take(person consent.PersonKey, sequence uint64, seen version, v stored) (consent.Standing, error) {
	now := version{era(sequence), v.generation}
	if err := s.notLost(now, seen); err != nil {
		return consent.Standing{}, err
	}
	if v.generation == 0 {
		return consent.Standing{}, nil
	}
	plain, err := s.sealer.open(kindStanding, person, v.generation, v.value)
	if err != nil {
		return consent.Standing{}, err
	}
	st, err := s.decode(person, plain, v.generation, v.at)
	if err != nil {
		return consent.Standing{}, err
	}
	if s.o.Replicas == 0 { // otherwise Commit notes it, when the replicas have confirmed (saw)
		s.generations.note(person, now)
	}
	return st, nil
}

// notLost returns ErrDataLost if a version is older than what was seen.
func (s *Store) notLost(now, seen version) error {
	if now.lost(seen) {
		s.counters.lost.Add(1)
		return fmt.Errorf("%w: a person's generation went back", ErrDataLost)
	}
	return nil
}
