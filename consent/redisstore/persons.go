package redisstore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"zorgsluis/consent"
)

// scanCount is roughly the number of keys per step of a scan.
const scanCount = 1000

// Persons calls each with the key of every person who has a standing or a history, in no order; a history without a standing means
// data loss. Persons added or removed meanwhile may be missing, and a person may be given twice. An error of each ends it and is returned.
func (s *Store) Persons(ctx context.Context, each func(consent.PersonKey) error) error {
	var one sync.Mutex // masters are scanned concurrently
	err := s.forEachMaster(ctx, func(ctx context.Context, client *redis.Client) error {
		for cursor := uint64(0); ; {
			found, next, err := client.Scan(ctx, cursor, "zs:{s*}:p:*", scanCount).Result()
			if err != nil {
				return unavailable(err)
			}
			persons, err := personsAmong(ctx, client, found)
			if err != nil {
				return unavailable(err)
			}
			one.Lock()
			for _, person := range persons {
				if err = each(person); err != nil {
					break
				}
			}
			one.Unlock()
			if cursor = next; err != nil || cursor == 0 {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("persons: %w", err)
	}
	return nil
}

// personsAmong returns the persons of keys: by the key of the standing, or of the history if there is no standing.
func personsAmong(ctx context.Context, client *redis.Client, found []string) ([]consent.PersonKey, error) {
	var persons, left []consent.PersonKey
	var standings []*redis.IntCmd
	pipe := client.Pipeline()
	for _, key := range found {
		shard, person, _ := strings.Cut(key, "}:p:")
		person, isHistory := strings.CutSuffix(person, historySuffix)
		switch {
		case checkKey(consent.PersonKey(person)) != nil:
		case isHistory:
			left = append(left, consent.PersonKey(person))
			standings = append(standings, pipe.Exists(ctx, shard+"}:p:"+person))
		default:
			persons = append(persons, consent.PersonKey(person))
		}
	}
	if len(left) == 0 {
		return persons, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	for i, there := range standings {
		if there.Val() == 0 {
			persons = append(persons, left[i])
		}
	}
	return persons, nil
}
