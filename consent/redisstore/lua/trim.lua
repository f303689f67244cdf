-- KEYS: meta, outbox. ARGV: 5 the first position that stays
-- Noted for the archive: one that does not reach as far was put back, or cut.
redis.call('HSET', KEYS[1], 'trimmed', ARGV[5])
redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[5])
return {'OK', meta[4]}
