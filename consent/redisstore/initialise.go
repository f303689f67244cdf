package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// Initialise makes a new store, once. It refuses if Redis has any key of a store, or if the options know one (StoreID with
// Watermarks): an emptied Redis would otherwise turn every refusal of a patient into "unknown". The new store gets Options.StoreID,
// or a random id. Accept completes an interrupted one.
func Initialise(ctx context.Context, o Options) error {
	s, err := newStore(o)
	if err != nil {
		return fmt.Errorf("initialise store: %w", err)
	}
	if len(s.o.Watermarks) > 0 {
		return fmt.Errorf("initialise store: %w: the archive knows a store already", ErrDataLost)
	}
	if err := s.mustBeEmpty(ctx); err != nil {
		return fmt.Errorf("initialise store: %w", err)
	}
	if s.id == "" {
		s.id = rand.Text()
	}
	for shard := range s.o.Shards {
		if err := s.writeMeta(ctx, &initialiseScript, shard, 0, ""); err != nil {
			return fmt.Errorf("initialise store: %w", err)
		}
	}
	return nil
}

// Accept lets the gateway continue with a store that lost data, after an operator has looked at it. The sequences are raised above
// all that was seen (Options.Watermarks), and instances forget the generations that they remember; new outbox entries come after
// the archived ones (Options.Archived). If the store is gone altogether, Options.StoreID must name it. Another store, or other
// secrets, are never accepted. note, which may be nil, is called before anything is written.
func Accept(ctx context.Context, o Options, note func(audit.Acceptance) error) error {
	s, err := newStore(o)
	if err != nil {
		return fmt.Errorf("accept store: %w", err)
	}
	metas, err := s.metas(ctx)
	if err != nil {
		return fmt.Errorf("accept store: %w", err)
	}
	highest, after, trimmed := uint64(0), map[int]string{}, map[int]string{}
	for shard, m := range metas {
		if m.present && s.id == "" {
			s.id = m.store
		}
		if m.present {
			if err := s.accepts(m); err != nil {
				return fmt.Errorf("accept store: %w (shard %d)", err, shard)
			}
		}
		highest = max(highest, m.sequence, s.o.Watermarks[shard])
		var err1, err2 error
		after[shard], err1 = s.lastPosition(ctx, shard)
		trimmed[shard], err2 = s.Trimmed(ctx, shard)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("accept store: %w", err)
		}
	}
	if s.id == "" {
		return fmt.Errorf("accept store: %w", ErrNotInitialised)
	}
	next := (era(highest) + 1) << eraBits
	if next > 1<<53 { // scripts count in doubles
		return fmt.Errorf("accept store: %w: accepted too often", ErrInvalid)
	}
	if note != nil {
		if err := note(audit.Acceptance{Store: s.id, Sequence: next, After: after, Trimmed: trimmed}); err != nil {
			return fmt.Errorf("accept store: %w", err)
		}
	}
	for shard := range s.o.Shards {
		if err := s.writeMeta(ctx, &acceptScript, shard, next, s.o.Archived[shard]); err != nil {
			return fmt.Errorf("accept store: %w", err)
		}
	}
	return nil
}

// writeMeta runs one of the two scripts that write a meta key.
func (s *Store) writeMeta(ctx context.Context, sc *script, shard int, sequence uint64, archived string) error {
	key := keysOf(shard).meta()
	client, err := master(ctx, s.o.Changes, key)
	if err != nil {
		return unavailable(err)
	}
	args := []any{s.id, s.o.Shards, s.check, sequence, archived}
	values, err := client.Eval(ctx, sc.source, []string{key, keysOf(shard).outbox()}, args...).Slice()
	if err != nil {
		return unavailable(err)
	}
	if r := (reply{values: values}); r.text(0) != statusOK {
		return fmt.Errorf("%w: shard %d has a meta key", ErrStoreMismatch, shard)
	}
	return nil
}

// mustBeEmpty refuses a Redis that holds any key of a store, even if its meta keys were lost.
func (s *Store) mustBeEmpty(ctx context.Context) error {
	look := func(ctx context.Context, client *redis.Client) error {
		for cursor := uint64(0); ; {
			found, next, err := client.Scan(ctx, cursor, "zs:{s*", math.MaxInt16).Result()
			if err != nil {
				return unavailable(err)
			}
			if len(found) > 0 {
				return fmt.Errorf("%w: there are keys of a store", ErrStoreMismatch)
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	if cluster, ok := s.o.Changes.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, look)
	}
	return look(ctx, s.o.Changes.(*redis.Client))
}
