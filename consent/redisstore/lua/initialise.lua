-- KEYS: meta. ARGV: store id, shard count, check value, sequence. Has no prelude, like accept and commits.
if redis.call('EXISTS', KEYS[1]) == 1 then return {'THERE', '0'} end
redis.call('HSET', KEYS[1], 'store', ARGV[1], 'shards', ARGV[2], 'check', ARGV[3], 'seq', ARGV[4])
return {'OK', ARGV[4]}
