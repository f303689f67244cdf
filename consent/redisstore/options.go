package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds and lifetimes that are not configurable.
const (
	// MaxRecords bounds the consent records of one person, and the declarations.
	MaxRecords = 1000
	// MaxObjections is how many total objections may be on file beyond MaxRecords, so that there is always room to stop everything.
	MaxObjections = 100
	// MaxShards is the most that ids and keys support.
	MaxShards = 1024

	requestLife = 7 * 24 * time.Hour // of a request id

	maxAttempts  = 32   // of one change against concurrent ones
	maxReviews   = 1000 // per shard, in one reply
	minSecret    = 32   // bytes
	sealingBytes = 32   // AES-256
)

// Options configures a store. Zero values of the fields below the line get defaults; the others are required.
type Options struct {
	// Client, made by NewClient, carries the batched reads and commits. Changes, of the same kind, carries consent changes and
	// break-glass, so that they do not wait behind the others; if nil, Client carries both, on separate connections.
	Client, Changes redis.UniversalClient
	Shards          int    // how many shards; fixed when the store is initialised
	PersonSecret    []byte // at least 32 bytes: the secret behind person keys; fixed for the life of the store
	SealingKey      []byte // 32 bytes: AES-256-GCM

	// ---

	// StoreID is the store that must be found; empty accepts any. Watermarks are the highest sequences that the archive has seen,
	// by shard: a store that is behind them lost data.
	StoreID    string
	Watermarks map[int]uint64
	// Archived are the last positions in the archive, by shard, for Accept.
	Archived map[int]string
	// Replicas is the number of replicas that can be promoted. Whatever is acknowledged, a change or a release, is on all of them.
	Replicas int

	EventsPerPerson int              // newest events kept for the patient's own overview; default 500
	StandingBytes   int              // largest standing, in bytes; default 1 MiB; an eighth is reserved for ending consents
	Timeout         time.Duration    // of one call, including its repeat; default 800 ms, so that 503 follows within a second
	BatchCalls      int              // most calls in one pipeline; default 256
	QueuedCalls     int              // calls that may wait per master; default 4096; more are refused at once
	Now             func() time.Time // this machine's clock; default time.Now
	Remembered      int              // persons whose generation is remembered; default 65,536

	// Declared are server settings (CONFIG names) that the operator vouches for where the server refuses CONFIG.
	Declared map[string]string
}

// withDefaults checks the options and fills in defaults. It reports all problems at once.
func (o Options) withDefaults() (Options, error) {
	var problems []error
	require := func(ok bool, text string) {
		if !ok {
			problems = append(problems, errors.New(text))
		}
	}
	require(speaks(o.Client), "client: one made by NewClient is needed")
	require(o.Changes == nil || speaks(o.Changes), "client of changes: one made by NewClient is needed")
	require(o.Shards >= 1 && o.Shards <= MaxShards, fmt.Sprintf("shards: 1 to %d", MaxShards))
	require(len(o.PersonSecret) >= minSecret, fmt.Sprintf("person secret: at least %d bytes", minSecret))
	require(len(o.SealingKey) == sealingBytes, fmt.Sprintf("sealing key: %d bytes", sealingBytes))
	require(string(o.PersonSecret) != string(o.SealingKey), "person secret and sealing key: must differ")
	require(o.Replicas >= 0, "replicas: not below zero")
	if o.Changes == nil {
		o.Changes = o.Client
	}
	orDefault(&o.EventsPerPerson, 500)
	orDefault(&o.StandingBytes, 1<<20)
	orDefault(&o.Timeout, 800*time.Millisecond)
	orDefault(&o.BatchCalls, 256)
	orDefault(&o.QueuedCalls, 4096)
	orDefault(&o.Remembered, 1<<16)
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(problems) > 0 {
		return Options{}, fmt.Errorf("%w: %w", ErrInvalid, errors.Join(problems...))
	}
	return o, nil
}

// orDefault replaces a number that is not positive.
func orDefault[N int | time.Duration](n *N, value N) {
	if *n <= 0 {
		*n = value
	}
}
