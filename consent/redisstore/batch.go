package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"zorgsluis/audit"
)

// batcher gathers the calls of all requests in flight for one master and sends them together: while one pipeline is under way the
// next one fills. With appendfsync always that is a group commit: one fsync for all of them (limits.md B.4).
type batcher struct {
	store *Store
	key   string // any key of a shard that the master holds
	queue chan *call
}

// run sends until the store is closed.
func (b *batcher) run() {
	calls := make([]*call, 0, b.store.o.BatchCalls)
	for {
		select {
		case <-b.store.closed:
			return
		case c := <-b.queue:
			calls = b.gather(append(calls[:0], c))
			b.send(calls)
		}
	}
}

// gather takes what waits, up to the size of a batch, and leaves out the calls that nobody waits for any more. Writes come first.
func (b *batcher) gather(calls []*call) []*call {
	for len(calls) < cap(calls) {
		select {
		case c := <-b.queue:
			calls = append(calls, c)
			continue
		default:
		}
		break
	}
	calls = slices.DeleteFunc(calls, func(c *call) bool {
		select {
		case <-c.gone:
			return true
		default:
			return false
		}
	})
	slices.SortStableFunc(calls, func(a, b *call) int { return writes(b) - writes(a) })
	return calls
}

func writes(c *call) int {
	if c.script == &commitScript {
		return 1
	}
	return 0
}

// send runs one batch. Its deadline is its own: a caller that leaves must not take the others with it.
func (b *batcher) send(calls []*call) {
	if len(calls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.store.attempt())
	defer cancel()
	b.store.counters.batches.Add(1)
	client, err := master(ctx, b.store.o.Client, b.key)
	if err != nil {
		for _, c := range calls {
			c.answer <- answer{err: unavailable(err)}
		}
		return
	}
	b.store.send(ctx, client, calls)
}

// do queues a call and waits for its answer. One whose fate is unknown is repeated once: calls are idempotent.
func (s *Store) do(ctx context.Context, c call) (reply, error) {
	s.counters.calls.Add(1)
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > s.o.Timeout { // else the caller's own is enough
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.o.Timeout)
		defer cancel()
	}
	r, err := s.enqueue(ctx, c)
	if err != nil && worthRepeating(err) && ctx.Err() == nil {
		s.counters.repeats.Add(1)
		if movedAway(err) {
			refresh(ctx, s.o.Client)
		}
		r, err = s.enqueue(ctx, c)
	}
	return r, err
}

// enqueue is one attempt of do. When the context ends the caller is answered at once, whatever the batch does.
func (s *Store) enqueue(ctx context.Context, c call) (reply, error) {
	answers := make(chan answer, 1) // the batch never waits for us
	c.answer, c.gone = answers, ctx.Done()
	select {
	case <-s.closed:
		return reply{}, errClosed
	case s.batcherOf(c.shard).queue <- &c:
	default:
		s.counters.shed.Add(1)
		return reply{}, errOverloaded
	}
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
		return reply{}, fmt.Errorf("%w: %w", audit.ErrUnavailable, ctx.Err())
	case <-s.closed:
		return reply{}, errClosed
	}
}

// batcherOf gives the batcher of the shard's master. One server, or one behind Sentinel, holds all shards; in a cluster every
// shard has a batcher of its own, because any shard may move to another master at any time.
func (s *Store) batcherOf(shard int) *batcher { return s.batchers[shard%len(s.batchers)] }

// startBatchers starts as many batchers as the topology needs.
func (s *Store) startBatchers() {
	count := 1
	if _, cluster := s.o.Client.(*redis.ClusterClient); cluster {
		count = s.o.Shards
	}
	for shard := range count {
		b := &batcher{store: s, key: keysOf(shard).meta(), queue: make(chan *call, s.o.QueuedCalls)}
		s.batchers = append(s.batchers, b)
		s.running.Go(b.run)
	}
}
