package authn

import (
	"crypto/sha256"
	"sync"
	"time"

	"zorgsluis/policy"
)

// verified is a token whose signature and claims were checked, with everything that must be checked again on every use.
type verified struct {
	subject  policy.Subject
	validity times
	binding  binding
	issuer   *issuer
	key      keyIdentity
	at       time.Time // when it was verified

	// Set only if the issuer was asked: until when its answer counts, and why it refused an opaque token, if it did.
	until   time.Time
	refusal *Error
}

// holds reports whether the verification still counts: the key is in the current set, and the check, or the issuer's answer, is not too
// old. If the clock went back, it does not.
func (v *verified) holds(now time.Time, age time.Duration) bool {
	if !v.until.IsZero() && (now.Before(v.at) || !now.Before(v.until)) {
		return false
	}
	if v.key == (keyIdentity{}) && !v.until.IsZero() {
		return true // an opaque token, or a refusal of one
	}
	ring := v.issuer.keys.current()
	if ring == nil || !ring.holds(v.key) {
		return false
	}
	since := now.Sub(v.at)
	return since >= 0 && since < age
}

// tokenDigest identifies a token by all of its bytes: issuer, audience, claims and signature.
type tokenDigest [sha256.Size]byte

func digestOf(raw string) tokenDigest {
	var buffer [2 << 10]byte // most tokens fit, without an allocation
	return sha256.Sum256(append(buffer[:0], raw...))
}

const cacheShards = 16

// tokenCache caches verified tokens, bounded. Its keys are digests of whole tokens, so an entry is found only for exactly the same token;
// callers must check verified.holds and the times.
type tokenCache struct {
	perShard int
	shards   [cacheShards]cacheShard
}

type cacheShard struct {
	mu      sync.Mutex
	entries map[tokenDigest]*verified
}

func newTokenCache(entries int) *tokenCache {
	c := &tokenCache{perShard: (entries + cacheShards - 1) / cacheShards}
	for i := range c.shards {
		c.shards[i].entries = make(map[tokenDigest]*verified)
	}
	return c
}

func (c *tokenCache) shard(d tokenDigest) *cacheShard { return &c.shards[d[0]%cacheShards] }

func (c *tokenCache) get(d tokenDigest) *verified {
	shard := c.shard(d)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	return shard.entries[d]
}

func (c *tokenCache) drop(d tokenDigest) {
	shard := c.shard(d)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	delete(shard.entries, d)
}

// put adds a token. In a full shard it replaces another: Go's map order picks which, and a caller cannot influence it.
func (c *tokenCache) put(d tokenDigest, v *verified) {
	if c.perShard == 0 {
		return
	}
	shard := c.shard(d)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if _, known := shard.entries[d]; !known && len(shard.entries) >= c.perShard {
		for other := range shard.entries {
			delete(shard.entries, other)
			break
		}
	}
	shard.entries[d] = v
}
