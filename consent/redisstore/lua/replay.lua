-- Records again what the archive holds and this store, restored from a backup, does not.
-- KEYS: meta, outbox; for an event about a person: the person's events; for a change: person, history, request, reviews, index keys
-- of new ids. ARGV: 5 position, 6 position before it (where the outbox must be), 7 stamp, 8 event, 9 elements kept; for a change: 10
-- expected generation, 11 sealed value, 12 sealed version, 13 life of the request key (seconds), 14 event id, 15 person, 16 number
-- of reviews opened, then those, then those closed. The sequence stays unchanged until the replay is complete (replayed.lua).
local function last()
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
local at = '0-0'
if redis.call('EXISTS', KEYS[2]) == 1 then at = last() end
if at ~= ARGV[6] then return {'MOVED', meta[4]} end
local stamp, change = ARGV[7], KEYS[4]
if change then
  local gen = redis.call('HGET', KEYS[4], 'gen') or '0'
  if gen ~= ARGV[10] then return {'MOVED', meta[4]} end
  if redis.call('LLEN', KEYS[5]) ~= tonumber(gen) then return {'BROKEN', meta[4]} end
  for i = 8, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 1 then return {'TAKEN', meta[4]} end
  end
  redis.call('ZCARD', KEYS[7]) -- a key of a wrong type fails here, before anything is written
end
if KEYS[3] then redis.call('LLEN', KEYS[3]) end

-- The outbox's last id says how far the replay came. The entry that sets it is deleted at once, since the archive has it.
redis.call('XDEL', KEYS[2], redis.call('XADD', KEYS[2], ARGV[5], 'e', ''))
if KEYS[3] and redis.call('LPUSH', KEYS[3], ARGV[8], stamp) >= tonumber(ARGV[9]) + 64 then
  redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[9]) - 1)
end
if change then
  local made = string.format('%.0f', tonumber(ARGV[10]) + 1)
  redis.call('HSET', KEYS[4], 'gen', made, 'at', stamp, 'val', ARGV[11])
  redis.call('RPUSH', KEYS[5], stamp .. ' ' .. ARGV[12])
  redis.call('SET', KEYS[6], made .. ' ' .. stamp .. ' ' .. ARGV[14], 'EX', ARGV[13])
  for i = 8, #KEYS do redis.call('SET', KEYS[i], ARGV[15]) end
  local opened = tonumber(ARGV[16])
  for i = 17, #ARGV do
    if i < 17 + opened then
      redis.call('ZADD', KEYS[7], stamp, ARGV[i])
    else
      redis.call('ZREM', KEYS[7], ARGV[i])
    end
  end
end
return {'OK', meta[4]}
