-- KEYS: meta, outbox. ARGV: store id, shard count, check value, sequence, last archived position (or '').
-- Accepts a meta key of the same store, or none.
local meta = redis.call('HMGET', KEYS[1], 'store', 'shards', 'check', 'seq')
if meta[1] and (meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] or meta[3] ~= ARGV[3]) then return {'OTHER', '0'} end
if meta[4] and tonumber(meta[4]) >= tonumber(ARGV[4]) then return {'OTHER', '0'} end
-- New entries come after all archived ones, whatever this server's clock says.
if ARGV[5] ~= '' and redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XDEL', KEYS[2], redis.call('XADD', KEYS[2], ARGV[5], 'e', ''))
elseif ARGV[5] ~= '' then
  local added = redis.pcall('XADD', KEYS[2], ARGV[5], 'e', '') -- an error means that they already do
  if type(added) == 'string' then redis.call('XDEL', KEYS[2], added) end
end
redis.call('HSET', KEYS[1], 'store', ARGV[1], 'shards', ARGV[2], 'check', ARGV[3], 'seq', ARGV[4])
return {'OK', ARGV[4]}
