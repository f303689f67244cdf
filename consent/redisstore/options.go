package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// The bounds and lives that are not configured.
const (
	// MaxRecords is how many consent records one person can have on file, and how many declarations.
	MaxRecords = 1000
	// MaxObjections is how many total objections may be there beside so many records: there is room to stop everything.
	MaxObjections = 100
	// MaxShards is the most that ids and keys are made for.
	MaxShards = 1024

	eventIndexLife = time.Minute        // settles lost replies: longer than any call lasts, short because it costs memory per event
	requestLife    = 7 * 24 * time.Hour // how long a request id is known

	maxAttempts  = 32   // of one change against others of the same person
	maxReviews   = 1000 // per shard, in one answer
	minSecret    = 32   // bytes
	sealingBytes = 32   // AES-256
)

// Options is what a store is made of. Zero values of the fields below the line get defaults; the others are required.
type Options struct {
	// Client, made by NewClient, carries the batched reads and commits. Changes, of the same kind, carries consent changes and
	// break-glass, so that they do not wait behind the others; nil: Client carries both, on connections of their own.
	Client, Changes redis.UniversalClient
	Shards          int    // how many shards; fixed when the store is initialised
	PersonSecret    []byte // at least 32 bytes: the secret behind person keys; fixed in version 1
	SealingKey      []byte // 32 bytes: AES-256-GCM

	// ---

	// StoreID is the store that must be found; empty: whichever is there. Watermarks are the highest sequences that the archive
	// has seen, by shard: a store that is behind them lost data.
	StoreID    string
	Watermarks map[int]uint64
	// Archived are the last positions that the archive holds, by shard: for Accept.
	Archived map[int]string
	// Replicas is how many replicas can be promoted. Whatever is acknowledged, a change or a release, is on all of them. Zero: there are none.
	Replicas int

	EventsPerPerson int           // newest events kept for the patient's own view; default 500
	StandingBytes   int           // most bytes of one standing; default 1 MiB. An eighth of it is for what ends consents
	Timeout         time.Duration // of one call, its repeat included; default 800 ms, so that 503 follows within a second
	BatchCalls      int           // most calls in one pipeline; default 256
	QueuedCalls     int           // most calls that wait per master; default 4096; more are refused at once
	Remembered      int           // persons whose generation is remembered; default 65,536

	// Declared are settings of the server (CONFIG names) that the operator vouches for where the server refuses CONFIG.
	Declared map[string]string
}

// withDefaults checks the options and fills in what may be left out. All problems are told at once.
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
	if len(problems) > 0 {
		return Options{}, fmt.Errorf("%w: %w", ErrInvalid, errors.Join(problems...))
	}
	return o, nil
}

// orDefault sets a number that is not positive.
func orDefault[N int | time.Duration](n *N, value N) {
	if *n <= 0 {
		*n = value
	}
}
