-- KEYS: meta, person, history, request. ARGV: 5 life of the request key (seconds)
-- Returns what a change starts from or, if the request was done before, the version that it made.
local request = redis.call('GET', KEYS[4])
if request then
  redis.call('EXPIRE', KEYS[4], ARGV[5]) -- a write, so that a WAIT after it covers the change
  local made = tonumber(string.match(request, '^%d+'))
  return {'KNOWN', meta[4], request, redis.call('LINDEX', KEYS[3], made - 1) or ''}
end
local p = redis.call('HMGET', KEYS[2], 'gen', 'at', 'val')
return {'OK', meta[4], string.format('%.0f', now), p[1] or '0', p[2] or '0', p[3] or '', redis.call('LINDEX', KEYS[3], -1) or ''}
