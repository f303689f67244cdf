-- KEYS: meta. ARGV: 5 the sequence that the archive has seen. The replay is complete: from now on the store is trusted again.
if tonumber(meta[4]) < tonumber(ARGV[5]) then redis.call('HSET', KEYS[1], 'seq', ARGV[5]) end
return {'OK', ARGV[5]}
