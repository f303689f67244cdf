-- KEYS: meta, reviews. ARGV: 5 how many. Oldest first.
return {'OK', meta[4], redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[5]) - 1, 'WITHSCORES')}
