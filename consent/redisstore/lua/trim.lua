-- KEYS: meta, outbox. ARGV: 5 the first position that stays
return {'OK', meta[4], redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[5])}
