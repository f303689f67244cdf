-- Serves a batch: several shards in one call (in a cluster, one).
-- KEYS, for each shard: meta, outbox, then for each event: person, the person's events; or twice the events about nobody.
-- ARGV[1..4]: store id, shard count, check value of the secrets, elements kept of a list of events (each event is two: its stamp and
-- the event); for each shard: highest sequence seen, number of events; for each event: expected generation ('': any), not after
-- (microseconds or ''), id if an earlier attempt may have recorded it (or ''), payload.
-- Returns for each shard its status, its sequence, and for each event its stamp or why it was not recorded. Nothing is read or
-- written in a shard other than the expected one. Errors of single keys become statuses: an error inside a reply would end it.
local call, try, tonumber, type, match = redis.call, redis.pcall, tonumber, type, string.match
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2] -- microseconds: exact in a double until the year 2255
local at = string.format('%.0f', now)
local store, shards, check, kept = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local minute = 60000000

-- Returns the status and sequence of a shard, and the ids that repeats recorded recently (leave). seen is the highest sequence that
-- the caller has seen.
local function open(key, outbox, seen)
  local meta = try('HMGET', key, 'store', 'shards', 'check', 'seq', 'repeated')
  if meta.err then return {'WRONG', '0'} end
  if not (meta[1] and meta[2] and meta[3] and meta[4]) then return {'GONE', '0'} end
  local seq = tonumber(meta[4])
  if meta[1] ~= store or meta[2] ~= shards or meta[3] ~= check or not seq then return {'OTHER', '0'} end
  if seq < tonumber(seen) then return {'LOST', meta[4]} end
  if type(try('XLEN', outbox)) == 'table' then return {'WRONG', '0'} end
  return {'OK', meta[4]}, meta[5] or ''
end

-- Finds what an earlier attempt recorded. It stays: if it may no longer be released it is SPENT, and no second event reports
-- another outcome of the same request. It is among the newest of its list; if the whole list is younger than a minute, it may have
-- been displaced: UNSURE.
local function find(list, id)
  local elements = try('LRANGE', list, 0, -1)
  if elements.err then return 'WRONG' end
  local stamp
  for i, element in ipairs(elements) do
    stamp = match(element, '^%d+') or stamp -- in lists from before 2026-11-22 one element has both
    if string.find(element, '"id":"' .. id .. '"', 1, true) then
      call('LSET', list, i - 1, element) -- a write, so that a WAIT after it covers the first attempt
      return stamp
    end
  end
  if #elements >= kept and now - tonumber(stamp) < minute then return 'UNSURE' end
end

-- The network can delay a first attempt until after its repeat. So a repeat that records leaves the id in the shard's meta for a
-- minute, as "stamp id,stamp id,": a first attempt that finds its own id there is too late and records nothing.
local mostRepeated = 200
local function leave(meta, repeated, id)
  local kept, n = {}, 0
  for stamp, other in string.gmatch(repeated, '(%d+) ([^,]+),') do
    if now - tonumber(stamp) < minute then
      n = n + 1
      kept[n] = stamp .. ' ' .. other .. ','
    end
  end
  if n >= mostRepeated then return nil, 'UNSURE' end
  kept[n + 1] = at .. ' ' .. id .. ','
  repeated = table.concat(kept)
  local written = try('HSET', meta, 'repeated', repeated)
  if type(written) == 'table' then return nil, 'FAILED', written end
  return repeated
end

-- Checks everything about an event before writing it. A key of a wrong type fails at the first write; any other failure there
-- (memory, disk, not the master) affects all events and is the second result. shard has the meta key, the outbox, the sequence, and
-- the ids of repeats.
local function commit(k, a, shard)
  local person, list, generation, after, id, payload = KEYS[k], KEYS[k + 1], ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3]
  local known
  if id ~= '' then
    known = find(list, id)
    if known == 'WRONG' or known == 'UNSURE' then return known end
  elseif shard.repeated ~= '' and string.find(shard.repeated, ' ' .. match(payload, '^{"id":"([^"]+)"') .. ',', 1, true) then
    return 'SPENT'
  end
  if generation ~= '' then
    local gen = try('HGET', person, 'gen')
    if type(gen) == 'table' then return 'WRONG' end
    if (gen or '0') ~= generation then return known and 'SPENT' or 'MOVED' end
  end
  if after ~= '' and now >= tonumber(after) then return known and 'SPENT' or 'LATE' end
  if known then return known end
  if id ~= '' then
    local repeated, status, failure = leave(shard.meta, shard.repeated, id)
    if not repeated then return status, failure end
    shard.repeated = repeated
  end
  local event = payload
  if person == list then event = string.sub(payload, 1, 60) end -- for events about nobody the id is enough
  -- Two elements: to join stamp and event, Lua would copy and hash as many bytes again.
  local length = try('LPUSH', list, event, at)
  if type(length) == 'table' then
    if match(length.err, '^WRONGTYPE') then return 'WRONG' end
    return 'FAILED', length
  end
  call('XADD', shard.outbox, '*', 't', at, 'q', shard.seq, 'e', payload)
  if length >= kept + 64 then call('LTRIM', list, 0, kept - 1) end
  return at
end

local reply, k, a = {}, 1, 5
while KEYS[k] do
  local meta, outbox, events = KEYS[k], KEYS[k + 1], tonumber(ARGV[a + 1])
  local shard, repeated = open(meta, outbox, ARGV[a])
  k, a = k + 2, a + 2
  if shard[1] == 'OK' then
    local state = {meta = meta, outbox = outbox, seq = shard[2], repeated = repeated}
    for i = 0, events - 1 do
      local result, failure = commit(k + 2 * i, a + 4 * i, state)
      if failure then return failure end
      shard[i + 3] = result
    end
  end
  reply[#reply + 1] = shard
  k, a = k + 2 * events, a + 4 * events
end
return reply
