-- KEYS: meta, the person's events. ARGV: 5 how many elements
return {'OK', meta[4], redis.call('LRANGE', KEYS[2], 0, tonumber(ARGV[5]) - 1)}
