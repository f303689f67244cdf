-- KEYS: meta, outbox
-- A write that changes nothing, so that a WAIT after it covers all that was read before it. Both commands work when memory is full.
redis.call('EXPIRE', KEYS[2], 86400)
redis.call('PERSIST', KEYS[2])
return {'OK', meta[4]}
