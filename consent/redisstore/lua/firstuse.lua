-- KEYS: meta, what was used. ARGV: 5 how long to remember it (milliseconds), 6 who uses it
local user = redis.call('GET', KEYS[2])
if user and user ~= ARGV[6] then return {'TAKEN', meta[4]} end
-- Written again on a repeat: replicas confirm what the connection wrote.
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[5])
return {'OK', meta[4]}
