package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// Store is one store in Redis. It is safe for concurrent use; several instances of the gateway, each with a Store of its own, may
// share one Redis.
type Store struct {
	opened      bool // Open is done: with replicas, only confirmed sequences are remembered from now on (saw)
	o           Options
	id          string
	check       string
	secret      *secret // of the pseudonyms
	sealer      sealer
	keys        []keys // by shard
	sequences   sequences
	generations *generations
	locks       [64]chan struct{} // held by changes, by person: this instance does not compete with itself
	batchers    [2][]*batcher     // by kind, then by master
	counters    counters
	unkept      atomic.Bool // the server could lose what it acknowledges (Check)
	outdated    atomic.Bool // the catalogue is not the one by which this process reads consents (Check)
	same        atomic.Pointer[func(catalogue []byte) error]
	closed      chan struct{}
	closing     sync.Once
	running     sync.WaitGroup
}

type counters struct{ calls, batches, repeats, shed, lost atomic.Uint64 }

// Counters are numbers since the store was opened.
type Counters struct {
	Calls   uint64 // standings read and events committed
	Batches uint64 // pipelines that carried them
	Repeats uint64 // calls repeated because their outcome was unknown
	Shed    uint64 // calls that were refused because the queue was full
	Lost    uint64 // standings that were older than what was seen before: an alarm
}

// Counters returns the present counters.
func (s *Store) Counters() Counters {
	c := &s.counters
	return Counters{c.calls.Load(), c.batches.Load(), c.repeats.Load(), c.shed.Load(), c.lost.Load()}
}

// Open opens a store that Initialise made. It refuses a store that is not the configured one (ErrStoreMismatch) or that is behind
// what the archive has seen (ErrDataLost). The caller keeps ownership of the clients.
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := newStore(o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	for shard, sequence := range s.o.Watermarks {
		if shard >= 0 && shard < s.o.Shards {
			s.sequences.note(shard, sequence)
		}
	}
	if err := s.verify(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.opened = true
	s.startBatchers()
	return s, nil
}

// newStore makes a store without asking Redis.
func newStore(o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	sealer, err := newSealer(o.SealingKey)
	if err != nil {
		return nil, err
	}
	s := &Store{
		o: o, id: o.StoreID, check: checkValue(o), secret: newSecret(o.PersonSecret), sealer: sealer,
		sequences: make(sequences, o.Shards), generations: newGenerations(o.Remembered), closed: make(chan struct{}),
	}
	for shard := range s.o.Shards {
		s.keys = append(s.keys, keysOf(shard))
	}
	for i := range s.locks {
		s.locks[i] = make(chan struct{}, 1)
	}
	return s, nil
}

// Close ends the store. Calls in flight get an error; the clients stay open.
func (s *Store) Close() {
	s.closing.Do(func() { close(s.closed) })
	s.running.Wait()
}

// StoreID is the identity of the store, from its first shard's meta key.
func (s *Store) StoreID() string { return s.id }

// Sequences returns the highest sequence seen of each shard.
func (s *Store) Sequences() map[int]uint64 {
	m := make(map[int]uint64, len(s.sequences))
	for shard := range s.sequences {
		m[shard] = s.sequences.seen(shard)
	}
	return m
}

// meta is the content of a shard's meta key.
type meta struct {
	present              bool
	store, shards, check string
	sequence             uint64
}

// verify compares every shard with the configuration and with what was seen before.
func (s *Store) verify(ctx context.Context) error {
	seen := s.Sequences() // before asking: others write meanwhile
	metas, err := s.metas(ctx)
	if err != nil {
		return err
	}
	known, missing := s.id != "", 0
	for shard, m := range metas {
		known = known || seen[shard] > 0
		if !m.present {
			missing++
		}
	}
	if missing == len(metas) && !known {
		return ErrNotInitialised
	}
	if missing > 0 {
		return fmt.Errorf("%w: %d of %d shards have no meta key", ErrDataLost, missing, len(metas))
	}
	if s.id == "" {
		s.id = metas[0].store
	}
	for shard, m := range metas {
		if err := s.accepts(m); err != nil {
			return fmt.Errorf("%w (shard %d)", err, shard)
		}
		if m.sequence < seen[shard] {
			return fmt.Errorf("%w: shard %d is behind", ErrDataLost, shard)
		}
		s.saw(shard, m.sequence, !s.opened)
	}
	return nil
}

// accepts returns an error unless the identity of a shard is the configured one.
func (s *Store) accepts(m meta) error {
	switch {
	case m.store != s.id:
		return fmt.Errorf("%w: store id", ErrStoreMismatch)
	case m.shards != strconv.Itoa(s.o.Shards):
		return fmt.Errorf("%w: shards", ErrStoreMismatch)
	case m.check != s.check:
		return fmt.Errorf("%w: secrets", ErrStoreMismatch)
	}
	return nil
}

// metas reads the meta key of every shard.
func (s *Store) metas(ctx context.Context) ([]meta, error) {
	metas := make([]meta, s.o.Shards)
	for shard := range metas {
		key := keysOf(shard).meta()
		client, err := master(ctx, s.o.Changes, key)
		if err != nil {
			return nil, unavailable(err)
		}
		m, err := readMeta(ctx, client, key)
		if err != nil {
			return nil, unavailable(err)
		}
		metas[shard] = m
	}
	return metas, nil
}

func readMeta(ctx context.Context, client *redis.Client, key string) (meta, error) {
	values, err := client.HGetAll(ctx, key).Result()
	if err != nil {
		return meta{}, err
	}
	return parseMeta(values)
}

func parseMeta(values map[string]string) (meta, error) {
	if len(values) == 0 {
		return meta{}, nil
	}
	m := meta{present: true, store: values["store"], shards: values["shards"], check: values["check"]}
	var err error
	if m.sequence, err = strconv.ParseUint(values["seq"], 10, 64); err != nil || m.store == "" {
		return meta{}, fmt.Errorf("%w: meta key is damaged", audit.ErrUnavailable)
	}
	return m, nil
}
