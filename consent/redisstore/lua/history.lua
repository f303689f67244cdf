-- KEYS: meta, person, history. Returns the present value with all versions, at one instant.
local p = redis.call('HMGET', KEYS[2], 'gen', 'at', 'val')
return {'OK', meta[4], p[1] or '0', p[2] or '0', p[3] or '', redis.call('LRANGE', KEYS[3], 0, -1)}
