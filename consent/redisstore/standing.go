package redisstore

import (
	"context"
	"fmt"
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
	r, err := s.do(ctx, call{script: &standingScript, shard: shard, keys: []string{keysOf(shard).person(person)}})
	if err != nil {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w", err)
	}
	now := r.instant(0)
	st, err := s.take(person, r.sequence, seen, stored{r.number(1), int64(r.number(2)), r.text(3)})
	if err != nil {
		return consent.Standing{}, time.Time{}, fmt.Errorf("standing: %w", err)
	}
	return st, now, nil
}

// stored is a person's hash.
type stored struct {
	generation uint64
	at         int64 // microseconds
	value      string
}

// take opens what is stored for a person, after making sure that it is not older than what was seen before asking.
func (s *Store) take(person consent.PersonKey, sequence uint64, seen version, v stored) (consent.Standing, error) {
	now := version{era(sequence), v.generation}
	if now.lost(seen) {
		s.counters.lost.Add(1)
		return consent.Standing{}, fmt.Errorf("%w: a person's generation went back", ErrDataLost)
	}
	if v.generation == 0 {
		if v.value != "" {
			return consent.Standing{}, fmt.Errorf("%w: value without generation", ErrSealed)
		}
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
	s.generations.note(person, now)
	return st, nil
}
