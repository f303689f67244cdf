-- KEYS: meta, outbox. ARGV: 5 from (exclusive, or -), 6 how many
return {'OK', meta[4], redis.call('XRANGE', KEYS[2], ARGV[5], '+', 'COUNT', ARGV[6])}
