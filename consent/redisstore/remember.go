package redisstore

import (
	"sync"
	"sync/atomic"

	"zorgsluis/consent"
)

// eraBits is how many low bits of a sequence count changes. The bits above count how often an operator accepted a store that had
// lost data (Accept): a new era allows lower generations.
const eraBits = 32

func era(sequence uint64) uint64 { return sequence >> eraBits }

// sequences remembers the highest sequence seen of each shard.
type sequences []atomic.Uint64

func (s sequences) seen(shard int) uint64 { return s[shard].Load() }

func (s sequences) note(shard int, sequence uint64) {
	for {
		old := s[shard].Load()
		if sequence <= old || s[shard].CompareAndSwap(old, sequence) {
			return
		}
	}
}

// version is a person's generation within an era of the store.
type version struct{ era, generation uint64 }

// lost reports whether v is older than seen: a standing never goes back within an era.
func (v version) lost(seen version) bool {
	return v.era < seen.era || v.era == seen.era && v.generation < seen.generation
}

// generations remembers the highest version seen of a limited number of persons, forgetting the least recently noted. Instead of a
// list it has two maps: when the recent one is full it becomes the older one.
type generations struct {
	mu            sync.Mutex
	limit         int
	recent, older map[consent.PersonKey]version
}

func newGenerations(limit int) *generations {
	return &generations{limit: max(limit/2, 1), recent: map[consent.PersonKey]version{}}
}

func (g *generations) seen(person consent.PersonKey) version {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v, ok := g.recent[person]; ok {
		return v
	}
	return g.older[person]
}

func (g *generations) note(person consent.PersonKey, v version) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old, ok := g.recent[person]
	if !ok {
		old = g.older[person]
	}
	if v.lost(old) {
		v = old
	}
	if !ok && len(g.recent) >= g.limit {
		g.older, g.recent = g.recent, make(map[consent.PersonKey]version, g.limit)
	}
	g.recent[person] = v
}
