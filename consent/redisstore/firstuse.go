package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"zorgsluis/consent"
)

// FirstUse reports whether nobody, on any instance, has used what has this digest, and remembers for so long that somebody has now. It
// implements authn.Replays: a DPoP proof is good for one request. The key holds a keyed hash of the digest and nothing else. After
// a failover without replicas that confirm, a use that was not written to disk may be forgotten.
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
	// Not on the connections of consent changes: requests, of which there are many, must not hold those up.
	r, err := s.over(ctx, s.o.Client, c)
	if worthRepeating(err) && ctx.Err() == nil {
		// A lost reply is settled by one repeat: who used it first is known by a name of this call's own.
		s.counters.repeats.Add(1)
		r, err = s.over(ctx, s.o.Client, c)
	}
	if err != nil {
		return false, fmt.Errorf("first use: %w", err)
	}
	return r.status == statusOK, nil
}
