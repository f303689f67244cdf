package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"zorgsluis/consent"
)

// Version is a past or present standing of a person: Standing.Generation is its number, Standing.Newest when it began.
type Version struct {
	consent.Standing

	// Entry is the version as stored: its stamp and its sealed content. The archive has the same bytes. Hash is its SHA-256, and
	// Previous that of the version before, as sealed in this one; both in hex, Previous empty in the first version.
	Entry          string
	Hash, Previous string

	state string // the form that was sealed
}

// History returns all versions of a person's standing, oldest first. It verifies the chain: every version opens and names the one
// before, none is missing, and the last one is the current standing. Otherwise the error is ErrSealed.
func (s *Store) History(ctx context.Context, person consent.PersonKey) ([]Version, error) {
	if err := checkKey(person); err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	shard := s.shardOf(person)
	k := keysOf(shard)
	seen := s.generations.seen(person)
	r, err := s.settled(ctx, call{script: &historyScript, shard: shard, keys: []string{k.person(person), k.history(person)}})
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	versions, err := s.chain(person, seen, r)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	return versions, nil
}

// chain verifies the entries against each other and against the stored standing.
func (s *Store) chain(person consent.PersonKey, seen version, r reply) ([]Version, error) {
	present, err := r.stored(0)
	if err != nil {
		return nil, err
	}
	entries, err := r.list(3)
	if err != nil {
		return nil, err
	}
	if err := s.notLost(version{era(r.sequence), present.generation}, seen); err != nil {
		return nil, err
	}
	if uint64(len(entries.values)) != present.generation {
		return nil, fmt.Errorf("%w: versions are missing: there are %d, and the standing is version %d", ErrSealed, len(entries.values), present.generation)
	}
	versions := make([]Version, 0, len(entries.values))
	last := ""
	for i := range entries.values {
		v, err := s.openVersion(person, uint64(i+1), entries.text(i))
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", i+1, err)
		}
		if v.Previous != hashOf(last) {
			return nil, fmt.Errorf("%w: version %d does not continue the one before", ErrSealed, i+1)
		}
		last = entries.text(i)
		versions = append(versions, v)
	}
	if present.generation == 0 {
		return versions, nil
	}
	plain, err := s.sealer.open(kindStanding, person, present.generation, present.value)
	if err != nil {
		return nil, err
	}
	newest := versions[len(versions)-1]
	if plain != newest.state || newest.Newest != instant(present.at) {
		return nil, fmt.Errorf("%w: the last version is not the standing", ErrSealed)
	}
	return versions, nil
}

// openVersion reads a stored version: "<stamp> <sealed>".
func (s *Store) openVersion(person consent.PersonKey, generation uint64, entry string) (Version, error) {
	text, sealed, _ := strings.Cut(entry, " ")
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return Version{}, fmt.Errorf("%w: version %d has no stamp", ErrSealed, generation)
	}
	small, err := s.sealer.open(kindVersion, person, generation, sealed)
	if err != nil {
		return Version{}, err
	}
	plain, err := inflate(small, 2*s.o.StandingBytes)
	if err != nil {
		return Version{}, fmt.Errorf("%w: version %d", ErrSealed, generation)
	}
	v, ok := parseVersion(string(plain))
	if !ok {
		return Version{}, fmt.Errorf("%w: version %d", ErrSealed, generation)
	}
	st, err := s.decode(person, v.state, generation, at)
	if err != nil {
		return Version{}, err
	}
	return Version{Standing: st, Entry: entry, Hash: hashOf(entry), Previous: v.previous, state: v.state}, nil
}
