package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"zorgsluis/consent"
)

// ReviewItem is a break-glass declaration that is not yet reviewed.
type ReviewItem struct {
	Declaration consent.DeclarationID
	Person      consent.PersonKey
	DeclaredAt  time.Time
}

// OpenReviews lists the declarations that wait for a review, oldest first within a shard, at most 1,000 per shard.
func (s *Store) OpenReviews(ctx context.Context) ([]ReviewItem, error) {
	var items []ReviewItem
	for shard := range s.o.Shards {
		r, err := s.settled(ctx, call{
			script: &reviewsScript, shard: shard, keys: []string{keysOf(shard).reviews()}, args: []any{maxReviews},
		})
		if err != nil {
			return nil, fmt.Errorf("open reviews: %w", err)
		}
		list, err := r.list(0)
		if err != nil {
			return nil, fmt.Errorf("open reviews: %w", err)
		}
		for i := 0; i+1 < len(list.values); i += 2 {
			id, person, _ := strings.Cut(list.text(i), " ")
			at, err := strconv.ParseFloat(list.text(i+1), 64)
			if err != nil || checkKey(consent.PersonKey(person)) != nil {
				return nil, fmt.Errorf("open reviews: %w: damaged entry", ErrSealed)
			}
			items = append(items, ReviewItem{consent.DeclarationID(id), consent.PersonKey(person), instant(int64(at))})
		}
	}
	return items, nil
}

// reviewMember renders a declaration for the index of open reviews.
func reviewMember(id consent.DeclarationID, person consent.PersonKey) string {
	return string(id) + " " + string(person)
}

// Lookup returns the person of a consent record or declaration by its id, or ErrNotFound.
func (s *Store) Lookup(ctx context.Context, id string) (consent.PersonKey, error) {
	shard, err := s.shardOfID(id)
	if err != nil {
		return "", fmt.Errorf("lookup: %w", ErrNotFound) // not an id of ours, so it cannot exist
	}
	r, err := s.settled(ctx, call{script: &lookupScript, shard: shard, keys: []string{keysOf(shard).index(id)}})
	if err != nil {
		return "", fmt.Errorf("lookup: %w", err)
	}
	person := consent.PersonKey(r.text(0))
	if checkKey(person) != nil {
		return "", fmt.Errorf("lookup: %w", ErrNotFound) // absent, or the id of an event
	}
	return person, nil
}

// CountDeclaration counts a break-glass declaration of a professional across all instances, and reports whether it is within the
// limit for every window of that length. One over the limit is not counted.
func (s *Store) CountDeclaration(ctx context.Context, professional string, window time.Duration, limit int) (bool, error) {
	if professional == "" || window < time.Millisecond || limit < 1 {
		return false, fmt.Errorf("count declaration: %w", ErrInvalid)
	}
	hash := consent.PersonKey(s.secret.hmac("professional", professional))
	shard := s.shardOf(hash)
	// Not repeated after a lost reply: counting twice would be too strict, and the caller may ask again.
	r, err := s.direct(ctx, call{
		script: &countScript, shard: shard, keys: []string{keysOf(shard).declarations(string(hash))},
		args: []any{window.Microseconds(), limit}, replicas: s.o.Replicas, // a failover must not give a new allowance
	})
	if err != nil {
		return false, fmt.Errorf("count declaration: %w", err)
	}
	return r.status == statusOK, nil
}
