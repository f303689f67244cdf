-- KEYS: meta, outbox. ARGV: 5 the first position that stays
-- When memory is full, the first write of a script must be one that frees some; then the others are allowed too.
redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[5])
-- For the archive: one that does not reach this far was restored from an old copy, or cut.
redis.call('HSET', KEYS[1], 'trimmed', ARGV[5])
return {'OK', meta[4]}
