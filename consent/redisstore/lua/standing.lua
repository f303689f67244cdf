-- KEYS: meta, person. Everything on file for one person, at one instant.
local p = redis.call('HMGET', KEYS[2], 'gen', 'at', 'val')
return {'OK', meta[4], string.format('%.0f', now), p[1] or '0', p[2] or '0', p[3] or ''}
