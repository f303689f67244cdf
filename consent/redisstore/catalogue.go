package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
	"zorgsluis/consent"
)

// kindCatalogue is the kind of the sealed catalogue, which has no person and generation zero.
const kindCatalogue = "catalogue"

func (k keys) catalogue() string { return string(k) + "catalogue" }

// Catalogue returns what SetCatalogue stored, nil if nothing.
func (s *Store) Catalogue(ctx context.Context) ([]byte, error) {
	key := keysOf(0).catalogue()
	client, err := master(ctx, s.o.Changes, key)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", unavailable(err))
	}
	sealed, err := client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", unavailable(err))
	}
	plain, err := s.sealer.open(kindCatalogue, "", 0, sealed)
	if err != nil {
		return nil, fmt.Errorf("catalogue: %w", err)
	}
	return []byte(plain), nil
}

// SetCatalogue stores, sealed, what the names in consents mean to the users of this store.
func (s *Store) SetCatalogue(ctx context.Context, catalogue []byte) error {
	key := keysOf(0).catalogue()
	client, err := master(ctx, s.o.Changes, key)
	if err == nil {
		err = client.Set(ctx, key, s.sealer.seal(kindCatalogue, "", 0, catalogue), 0).Err()
	}
	if err != nil {
		return fmt.Errorf("catalogue: %w", unavailable(err))
	}
	return nil
}

// WatchCatalogue has every Check look at the catalogue in the store. After a Check for which same returns an error, nothing is decided or
// recorded until a Check for which it does not: this process would read consents differently than the instance that activated it.
func (s *Store) WatchCatalogue(same func(catalogue []byte) error) { s.same.Store(&same) }

// checkCatalogue looks at the catalogue for WatchCatalogue.
func (s *Store) checkCatalogue(ctx context.Context) error {
	same := s.same.Load()
	if same == nil {
		return nil
	}
	catalogue, err := s.Catalogue(ctx)
	if err != nil || catalogue == nil {
		return err
	}
	err = (*same)(catalogue)
	s.outdated.Store(err != nil)
	return err
}

// NoticeID returns the id of the event by which a person is told something once: the same for the same matter. Committing it again
// records nothing, as long as it is among the person's kept events.
func (s *Store) NoticeID(person consent.PersonKey, matter string) (audit.EventID, error) {
	if err := checkKey(person); err != nil {
		return "", fmt.Errorf("notice: %w", err)
	}
	return audit.EventID(twoDigits(s.shardOf(person)) + "-" + s.secret.hmac("notice", string(person), matter)[:2*randomBytes]), nil
}
