-- KEYS: meta, person, history, request, outbox, the person's events, reviews, then index keys of new ids
-- ARGV: 5 expected generation, 6 sealed value, 7 sealed version, 8 event id, 9 payload, 10 elements kept, 11 life of the request key
-- (seconds), 12 person, 13 number of reviews opened, then those, then those closed
-- If the same request succeeded since load, it has raised the generation and ends this one too.
local p = redis.call('HMGET', KEYS[2], 'gen', 'at')
local gen = p[1] or '0'
if gen ~= ARGV[5] then return {'MOVED', meta[4]} end
if redis.call('LLEN', KEYS[3]) ~= tonumber(gen) then return {'BROKEN', meta[4]} end
for i = 8, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return {'TAKEN', meta[4]} end
end
-- Keys of a wrong type fail here, before anything is written.
redis.call('XLEN', KEYS[5])
redis.call('LLEN', KEYS[6])
redis.call('ZCARD', KEYS[7])

-- The stamps of one person only go forward, whatever the clock does.
local stamp = math.max(now, tonumber(p[2] or '0') + 1)
local at = string.format('%.0f', stamp)
local made = string.format('%.0f', tonumber(gen) + 1)
redis.call('HSET', KEYS[2], 'gen', made, 'at', at, 'val', ARGV[6])
redis.call('RPUSH', KEYS[3], at .. ' ' .. ARGV[7])
seq = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'seq', 1))
-- The entry also holds what is needed to redo the change in a store restored from a backup.
redis.call('XADD', KEYS[5], '*', 't', at, 'q', seq, 'e', ARGV[9], 'r', string.match(KEYS[4], '[^:]+$'), 'c', ARGV[7])
if redis.call('LPUSH', KEYS[6], ARGV[9], at) > tonumber(ARGV[10]) then
  redis.call('LTRIM', KEYS[6], 0, tonumber(ARGV[10]) - 1)
end
redis.call('SET', KEYS[4], made .. ' ' .. at .. ' ' .. ARGV[8], 'EX', ARGV[11])
for i = 8, #KEYS do redis.call('SET', KEYS[i], ARGV[12]) end
local opened = tonumber(ARGV[13])
for i = 14, #ARGV do
  if i < 14 + opened then
    redis.call('ZADD', KEYS[7], at, ARGV[i])
  else
    redis.call('ZREM', KEYS[7], ARGV[i])
  end
end
return {'OK', seq, at}
