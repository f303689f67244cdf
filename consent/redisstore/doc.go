// Package redisstore stores consents and access events in Redis: standings with their history, break-glass declarations, and the
// outbox from which the archive is filled. It keeps promises 2 and 3 of README: an event is durable before anything is released, and
// no release is committed under a standing that has changed.
//
// It decides nothing and logs nothing. It caches no consent: every read goes to the master, and the result is decrypted anew. What it
// remembers can only make it refuse: the highest sequence of each shard and the highest generation of each person.
//
// # Layout
//
// Persons are spread over a fixed number of shards; {sNN} is a hash tag, so that all keys of a shard are in one slot of a cluster
// and one script can use them.
//
//	zs:{sNN}:meta                 hash: store, shards, check, seq; also repeated, trimmed. Every script checks it first
//	zs:{sNN}:p:<person>           hash: gen, at (stamp of the latest write, µs), val (sealed standing)
//	zs:{sNN}:p:<person>:history   list: one sealed version per generation, each with the hash of the one before
//	zs:{sNN}:p:<person>:events    list: the person's newest access events, each a stamp and the event; a repeated commit looks here
//	zs:{sNN}:nobody               list: stamps and ids of the newest events about nobody, for the same purpose
//	zs:{sNN}:events               stream: the outbox; the archiver reads and trims it
//	zs:{sNN}:i:<id>               index of a consent or declaration: the person
//	zs:{sNN}:r:<hash>             a request that changed something (seven days): generation, stamp, event id
//	zs:{sNN}:u:<hash>             who used a digest first (FirstUse)
//	zs:{sNN}:probe                written to see whether writes are accepted
//	zs:{sNN}:reviews              sorted set: declarations not yet reviewed
//	zs:{sNN}:b:<hash>             list: when one professional declared emergencies
//	zs:{s00}:catalogue            sealed: what the names in consents mean (SetCatalogue)
//
// <person> is a pseudonym ([Store.Key]); values are sealed with a key that Redis does not have.
//
// # Speed
//
// redis-server has one thread, which everybody waits for. So the commits of all concurrent requests are sent together (batcher), as one
// script that checks the meta key of each shard once and then each commit separately. Standings are sent together as well, in one
// pipeline. A failure of one says nothing about the others. In a cluster each shard has batches of its own.
//
// # Topologies
//
// Any that go-redis' UniversalClient supports: one server, Sentinel, Cluster. Reads go to masters only. Clients come from
// [NewClient], which turns off what would repeat a write or outlive a deadline.
package redisstore
