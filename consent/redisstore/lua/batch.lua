-- Stands before the two scripts that serve a batch: several shards in one call (in a cluster, one). ARGV[1..3] are store id, shard
-- count and check value of the secrets. Nothing is read or written of a shard that is not the one the caller knows. Errors of single
-- keys are told as statuses: an error inside of a reply would end it.
local call, try, tonumber, type, match = redis.call, redis.pcall, tonumber, type, string.match
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2] -- microseconds: exact in a double until the year 2255
local at = string.format('%.0f', now)
local store, shards, check = ARGV[1], ARGV[2], ARGV[3]

-- The status of a shard and its sequence, by its meta key and the highest sequence that the caller has seen; and the ids that repeats
-- recorded lately (commits.lua).
local function open(key, seen)
  local meta = try('HMGET', key, 'store', 'shards', 'check', 'seq', 'repeated')
  if meta.err then return {'WRONG', '0'} end
  if not (meta[1] and meta[2] and meta[3] and meta[4]) then return {'GONE', '0'} end
  local seq = tonumber(meta[4])
  if meta[1] ~= store or meta[2] ~= shards or meta[3] ~= check or not seq then return {'OTHER', '0'} end
  if seq < tonumber(seen) then return {'LOST', meta[4]} end
  return {'OK', meta[4]}, meta[5] or ''
end
