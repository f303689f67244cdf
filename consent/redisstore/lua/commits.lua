-- KEYS, of each shard: meta, outbox, then of each event: person, the person's events; or twice the events about nobody.
-- ARGV: 4 events kept; of each shard: highest sequence seen, how many events; of each event: generation decided on ('': any), not
-- after (microseconds or ''), id where an attempt before this may have recorded it (or ''), payload.
-- Returns the time, and of each shard its status, its sequence, and of each event its stamp or why it was not recorded.
local kept = tonumber(ARGV[4])
local minute = 60000000

-- What an attempt before this one recorded stays: where it must not be released any more it is SPENT, and there is no second event that
-- tells another outcome of the same request. It is among the newest of its list. Where that many came within the last minute, nobody can
-- tell any more.
local function find(list, id)
  local events = try('LRANGE', list, 0, -1)
  if events.err then return 'WRONG' end
  for i, event in ipairs(events) do
    if string.find(event, '"id":"' .. id .. '"', 1, true) then
      call('LSET', list, i - 1, event) -- a write, so that a WAIT behind it covers the first attempt
      return match(event, '^%d+')
    end
  end
  if #events >= kept and now - tonumber(match(events[#events], '^%d+')) < minute then return 'UNSURE' end
end

-- Everything of an event is checked before anything of it is written. A key of a wrong type fails at the first write; what else fails
-- there (memory, disk, not the master) fails for all and is the second result.
local function commit(k, a, outbox, seq)
  local person, list, generation, after, id, payload = KEYS[k], KEYS[k + 1], ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local known
  if id ~= '' then
    known = find(list, id)
    if known == 'WRONG' or known == 'UNSURE' then return known end
  end
  if generation ~= '' then
    local gen = try('HGET', person, 'gen')
    if type(gen) == 'table' then return 'WRONG' end
    if (gen or '0') ~= generation then return known and 'SPENT' or 'MOVED' end
  end
  if after ~= '' and now >= tonumber(after) then return known and 'SPENT' or 'LATE' end
  if known then return known end
  local entry = at .. ' ' .. payload
  if person == list then entry = string.sub(entry, 1, 80) end -- of those about nobody the id is enough
  local length = try('LPUSH', list, entry)
  if type(length) == 'table' then
    if match(length.err, '^WRONGTYPE') then return 'WRONG' end
    return 'FAILED', length
  end
  call('XADD', outbox, '*', 't', at, 'q', seq, 'e', payload)
  if length >= kept + 64 then call('LTRIM', list, 0, kept - 1) end
  return at
end

local reply, k, a = {at}, 1, 5
while KEYS[k] do
  local shard, outbox, events = open(KEYS[k], ARGV[a]), KEYS[k + 1], tonumber(ARGV[a + 1])
  k, a = k + 2, a + 2
  if shard[1] == 'OK' and type(try('XLEN', outbox)) == 'table' then shard = {'WRONG', '0'} end
  if shard[1] == 'OK' then
    for i = 0, events - 1 do
      local result, failure = commit(k + 2 * i, a + 4 * i, outbox, shard[2])
      if failure then return failure end
      shard[i + 3] = result
    end
  end
  reply[#reply + 1] = shard
  k, a = k + 2 * events, a + 4 * events
end
return reply
