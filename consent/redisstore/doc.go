// Package redisstore keeps what patients decided, and the access events, in Redis: standings with their history, break-glass
// declarations, and the outbox from which the archive is filled. It is the place where promises 2 and 3 of README are kept: an
// event is durable before anything leaves, and no release passes under a standing that has changed.
//
// It decides nothing and logs nothing. It takes no consent from memory either: every read goes to the master, and is opened anew.
// What it remembers can only make it refuse: the highest sequence of each shard, and the highest generation of each person.
//
// # Layout
//
// Persons are spread over a fixed number of shards; {sNN} is a hash tag, so that all keys of a shard live in one slot of a cluster
// and one script can touch them.
//
//	zs:{sNN}:meta                 hash: store, shards, check, seq. Every script checks it first
//	zs:{sNN}:p:<person>           hash: gen, at (stamp of the latest write, µs), val (sealed standing)
//	zs:{sNN}:p:<person>:history   list: one sealed version per generation, each with the hash of the one before
//	zs:{sNN}:p:<person>:events    list: the person's newest access events; by it a repeated commit finds what it recorded before
//	zs:{sNN}:nobody               list: the ids of the newest events about nobody, for the same
//	zs:{sNN}:events               stream: the outbox; the archiver reads and trims it
//	zs:{sNN}:i:<id>               index: of a consent or declaration the person, of the event of a change (one minute) its time
//	zs:{sNN}:r:<hash>             a request that changed something (seven days): generation, stamp, event id
//	zs:{sNN}:reviews              sorted set: declarations that nobody reviewed yet
//	zs:{sNN}:b:<hash>             list: when one professional declared emergencies
//
// <person> is a pseudonym ([Store.Key]); values are sealed with a key that Redis does not have.
//
// # Speed
//
// redis-server is one thread, and everybody waits for it. So the commits of all requests in flight go there together (batcher): as one
// script, which checks the meta key of each shard once, and then every commit on its own. And so do the standings, in one pipeline. What
// is wrong with one says nothing about another. In a cluster each shard has batches of its own.
//
// # Topologies
//
// Any that go-redis' UniversalClient speaks: one server, Sentinel, Cluster. Reads go to masters only. Clients come from
// [NewClient], which turns off what would repeat a write or outlive a deadline.
package redisstore
