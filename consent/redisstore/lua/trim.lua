-- KEYS: meta, outbox. ARGV: 5 the first position that stays
redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[5])
return {'OK', meta[4]}
