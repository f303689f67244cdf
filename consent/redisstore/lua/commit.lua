-- KEYS: meta, outbox, index of the event id; about a person also: person, the person's events.
-- ARGV: 5 conditional, 6 generation, 7 not after (microseconds or ''), 8 payload, 9 events kept, 10 life of the index (seconds)
if ARGV[5] == '1' and (redis.call('HGET', KEYS[4], 'gen') or '0') ~= ARGV[6] then return {'MOVED', meta[4]} end
if ARGV[7] ~= '' and now >= tonumber(ARGV[7]) then return {'LATE', meta[4]} end
local known = redis.call('GET', KEYS[3])
if known then
  redis.call('EXPIRE', KEYS[3], ARGV[10]) -- a write, so that a WAIT behind it covers the first attempt
  return {'OK', meta[4], known}
end
-- A key of a wrong type fails here, before anything is written.
redis.call('XLEN', KEYS[2])
if KEYS[5] then redis.call('LLEN', KEYS[5]) end

local at = string.format('%.0f', now)
redis.call('XADD', KEYS[2], '*', 't', at, 'q', meta[4], 'e', ARGV[8])
if KEYS[5] and redis.call('LPUSH', KEYS[5], at .. ' ' .. ARGV[8]) > tonumber(ARGV[9]) then
  redis.call('LTRIM', KEYS[5], 0, tonumber(ARGV[9]) - 1)
end
redis.call('SET', KEYS[3], at, 'EX', ARGV[10])
return {'OK', meta[4], at}
