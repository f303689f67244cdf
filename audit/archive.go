package audit

import "context"

// Outbox is where the store keeps events until they are archived: one ordered list per shard.
type Outbox interface {
	// Shards is how many shards there are, numbered from 0.
	Shards() int
	// Read gives the oldest entries after a position ("" = from the start), at most max, in order.
	Read(ctx context.Context, shard int, after string, max int64) ([]Entry, error)
	// Trim removes all entries up to and with a position.
	Trim(ctx context.Context, shard int, through string) error
}

// Entry is one event in the outbox.
type Entry struct {
	// Position orders the entries of a shard: a number, or two with a dash between them as Redis streams have; compared as numbers.
	Position string
	Payload  []byte // the event's JSON as appended
	Sequence uint64 // the shard's consent sequence at that time
}
