package redisstore

import (
	"cmp"
	"context"
	"iter"
	"runtime"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// batcher gathers the commits, or the standings, of all concurrent requests for one master and sends them together: while one batch
// is in flight the next one fills. With appendfsync always this is a group commit: one fsync for all of them.
type batcher struct {
	store *Store
	key   string // a key of any shard that the master holds
	queue chan *ask
}

// run sends batches until the store is closed.
func (b *batcher) run() {
	asks := make([]*ask, 0, b.store.o.BatchCalls)
	for {
		select {
		case <-b.store.closed:
			return
		case a := <-b.queue:
			asks = b.gather(append(asks[:0], a))
			b.send(asks)
			clear(asks)
		}
	}
}

// gather takes the waiting asks, up to the size of a batch, without those that nobody waits for, and groups them by shard. First it
// lets the other goroutines run that can: under load some of them are about to ask, and a larger batch costs each of them less.
func (b *batcher) gather(asks []*ask) []*ask {
	runtime.Gosched()
	for len(asks) < cap(asks) {
		select {
		case a := <-b.queue:
			asks = append(asks, a)
			continue
		default:
		}
		break
	}
	asks = slices.DeleteFunc(asks, func(a *ask) bool { return a.left.Load() })
	slices.SortStableFunc(asks, func(a, b *ask) int { return cmp.Compare(a.shard, b.shard) })
	return asks
}

// send runs one batch, with a deadline of its own: a caller that leaves must not cancel the others.
func (b *batcher) send(asks []*ask) {
	if len(asks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.store.attempt())
	defer cancel()
	b.store.counters.batches.Add(1)
	client, err := master(ctx, b.store.o.Client, b.key)
	if err != nil {
		for _, a := range asks {
			a.answer <- answer{err: unavailable(err)}
		}
		return
	}
	if asks[0].kind == standings {
		b.store.look(ctx, client, asks)
		return
	}
	r := b.store.commitsOf(ctx, asks)
	b.store.exec(ctx, client, r, asks[0].replicas)
	b.store.deliver(asks, r)
}

// shards yields the asks of each shard.
func shards(asks []*ask) iter.Seq[[]*ask] {
	return func(yield func([]*ask) bool) {
		for len(asks) > 0 {
			n := 1
			for n < len(asks) && asks[n].shard == asks[0].shard {
				n++
			}
			if !yield(asks[:n]) {
				return
			}
			asks = asks[n:]
		}
	}
}

// commitsOf makes the script call of a batch of commits. The sequences are read at the last moment before sending: whatever was
// seen until then must be in the store when the script runs.
func (s *Store) commitsOf(ctx context.Context, asks []*ask) *run {
	args := make([]any, 3, 16+10*len(asks))
	for group := range shards(asks) {
		k := s.keys[group[0].shard]
		args = append(args, k.meta(), k.outbox())
		for _, a := range group {
			args = append(args, &a.keys[0], &a.keys[1])
		}
	}
	keys := len(args) - 3
	args = append(args, s.id, s.o.Shards, s.check, s.elementsKept())
	for group := range shards(asks) {
		args = append(args, s.sequences.seen(group[0].shard), len(group))
		for _, a := range group {
			args = append(args, &a.generation, &a.notAfter, a.attempt(), a.payload)
		}
	}
	return newRun(ctx, &commitsScript, keys, args)
}

// deliver answers the commits of one run. Anything but an exact reply of the script is an error for all of them.
func (s *Store) deliver(asks []*ask, r *run) {
	groups := slices.Collect(shards(asks))
	values, err := r.cmd.Slice()
	all := reply{values: values}
	if err == nil && len(values) != len(groups) {
		err = errReply
	}
	for i, group := range groups {
		shard, err := s.shardOfReply(all, err, i, group)
		for n, a := range group {
			if err != nil {
				a.answer <- answer{err: unavailable(err)}
				continue
			}
			answer := committed(shard.text(2 + n))
			answer.sequence = shard.sequence
			if answer.err == nil && r.confirmed < a.replicas {
				answer.err = errReplicas
			}
			s.saw(a.shard, shard.sequence, answer.err == nil && answer.status == statusOK)
			a.answer <- answer
		}
	}
}

// shardOfReply returns what the script replied for one shard, or err if it is not nil.
func (s *Store) shardOfReply(all reply, err error, i int, group []*ask) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	shard, err := all.list(i)
	if err != nil {
		return reply{}, err
	}
	if shard.sequence, err = strconv.ParseUint(shard.text(1), 10, 64); err != nil {
		return reply{}, errReply
	}
	if err := heed(group[0].shard, shard.text(0)); err != nil {
		return reply{}, err
	}
	if shard.text(0) != statusOK || len(shard.values) != 2+len(group) {
		return reply{}, errReply
	}
	return shard, nil
}

// batcherOf returns the batcher of the shard's master. Standings do not wait for commits: while a batch of commits waits for the
// disk, standings are read, and more commits gather for the next fsync. A single server, or one behind Sentinel, holds all shards.
// In a cluster every shard has its own batcher, because any shard may move to another master at any time, and a script there may
// use keys of one slot only.
func (s *Store) batcherOf(kind kind, shard int) *batcher {
	return s.batchers[kind][shard%len(s.batchers[kind])]
}

// startBatchers starts as many batchers as the topology needs.
func (s *Store) startBatchers() {
	count := 1
	if _, cluster := s.o.Client.(*redis.ClusterClient); cluster {
		count = s.o.Shards
	}
	for kind := range s.batchers {
		for shard := range count {
			b := &batcher{store: s, key: keysOf(shard).meta(), queue: make(chan *ask, s.o.QueuedCalls)}
			s.batchers[kind] = append(s.batchers[kind], b)
			s.running.Go(b.run)
		}
	}
}
