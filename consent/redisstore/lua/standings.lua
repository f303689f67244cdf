-- KEYS, of each shard: meta, then of each person: person, history. ARGV, of each shard: highest sequence seen, how many persons.
-- Returns the time, and of each shard its status, its sequence, and everything on file for each person, at one instant.
local reply, k, a = {at}, 1, 4
while KEYS[k] do
  local shard, persons = open(KEYS[k], ARGV[a]), tonumber(ARGV[a + 1])
  if shard[1] == 'OK' then
    for i = 1, persons do
      local p = try('HMGET', KEYS[k + 2 * i - 1], 'gen', 'at', 'val')
      if p.err then
        p = 'WRONG'
      elseif not p[1] and call('EXISTS', KEYS[k + 2 * i]) == 1 then
        p = 'BROKEN' -- a person without a standing but with a history lost it: that is not "nothing on file"
      end
      shard[i + 2] = p
    end
  end
  reply[#reply + 1] = shard
  k, a = k + 1 + 2 * persons, a + 2
end
return reply
