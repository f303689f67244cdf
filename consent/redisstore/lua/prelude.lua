-- Precedes all scripts except commits, initialise and accept. KEYS[1] is the shard's meta; ARGV[1..4] are store id, shard count,
-- check value of the secrets, and the highest sequence that the caller has seen. Nothing is read or written in a store other than
-- the expected one.
local meta = redis.call('HMGET', KEYS[1], 'store', 'shards', 'check', 'seq')
if not (meta[1] and meta[2] and meta[3] and meta[4]) then return {'GONE', '0'} end
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] or meta[3] ~= ARGV[3] then return {'OTHER', '0'} end
local seq = tonumber(meta[4])
if not seq then return {'OTHER', '0'} end
if seq < tonumber(ARGV[4]) then return {'LOST', meta[4]} end
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2] -- microseconds: exact in a double until the year 2255
