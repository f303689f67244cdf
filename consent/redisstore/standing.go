package redisstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"zorgsluis/consent"
)

// Standing reads everything on file for a person, at the master, in one batched round trip, and Redis' own time at that instant.
// Of a person of whom nothing is on file it is the zero Standing. Every error wraps audit.ErrUnavailable, but ErrInvalid.
func (s *Store) Standing(ctx context.Context, person consent.PersonKey) (consent.Standing, time.Time, error) {
	if err := checkKey(person); err != nil {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w", err)
	}
	shard := s.shardOf(person)
	seen := s.generations.seen(person) // before asking: an answer may be older than what comes in meanwhile
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
	if s.o.Replicas == 0 { // else the commit notes it (saw)
		s.generations.note(person, now)
	}
	return st, nil
}

// notLost refuses a version that is older than what was seen.
func (s *Store) notLost(now, seen version) error {
	if now.lost(seen) {
		s.counters.lost.Add(1)
		return fmt.Errorf("%w: a person's generation went back", ErrDataLost)
	}
	return nil
}
