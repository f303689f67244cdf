-- KEYS: meta, declarations of one professional (newest first). ARGV: 5 window (microseconds), 6 limit
-- A log of instants, so that no window of this length holds more than the limit.
local oldest = redis.call('LINDEX', KEYS[2], tonumber(ARGV[6]) - 1)
if oldest and now - tonumber(oldest) < tonumber(ARGV[5]) then return {'OVER', meta[4]} end
redis.call('LPUSH', KEYS[2], string.format('%.0f', now))
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[6]) - 1)
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', tonumber(ARGV[5]) / 1000 + 1))
return {'OK', meta[4]}
