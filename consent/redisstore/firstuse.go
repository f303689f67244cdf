package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"zorgsluis/consent"
)

// FirstUse reports whether a digest is used for the first time on any instance, and remembers it for kept. It implements
// authn.Replays: a DPoP proof is good for one request. The key holds only a keyed hash of the digest. After a failover without
// confirming replicas, a use that was not on disk may be forgotten.
func (s *Store) FirstUse(ctx context.Context, digest string, kept time.Duration) (bool, error) {
	if digest == "" || kept < time.Millisecond {
		return false, fmt.Errorf("first use: %w", ErrInvalid)
	}
	hash := consent.PersonKey(s.secret.hmac("first use", digest))
	shard := s.shardOf(hash)
	c := call{
		script: &firstUseScript, shard: shard, keys: []string{keysOf(shard).used(string(hash))},
		args: []any{kept.Milliseconds(), rand.Text()}, replicas: s.o.Replicas,
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	// Not on the connections for changes: many requests must not delay those.
	r, err := s.over(ctx, s.o.Client, c)
	if worthRepeating(err) && ctx.Err() == nil {
		// One repeat settles a lost reply: this call has its own random name as the user.
		s.counters.repeats.Add(1)
		r, err = s.over(ctx, s.o.Client, c)
	}
	if err != nil {
		return false, fmt.Errorf("first use: %w", err)
	}
	return r.status == statusOK, nil
}
