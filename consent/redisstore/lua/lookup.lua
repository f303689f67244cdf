-- KEYS: meta, index of an id
return {'OK', meta[4], redis.call('GET', KEYS[2]) or ''}
