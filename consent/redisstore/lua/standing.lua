-- KEYS: meta, person, history. Everything on file for one person, at one instant.
local p = redis.call('HMGET', KEYS[2], 'gen', 'at', 'val')
-- A person without a standing but with a history lost it: that is not "nothing on file".
if not p[1] and redis.call('EXISTS', KEYS[3]) == 1 then return {'BROKEN', meta[4]} end
return {'OK', meta[4], string.format('%.0f', now), p[1] or '0', p[2] or '0', p[3] or ''}
