-- KEYS: meta, outbox. ARGV: 5 the first position that stays
-- Where memory is full the first write of a script must be one that frees some: then the others are allowed as well.
redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[5])
-- Noted for the archive: one that does not reach as far was put back, or cut.
redis.call('HSET', KEYS[1], 'trimmed', ARGV[5])
return {'OK', meta[4]}
