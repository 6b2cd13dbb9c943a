-- KEYS: mark, a hash. ARGV: version, the count that is known to be there, a token for a mark that is made or has lost
-- something. The version only rises, since calls overtake each other; the count rises with every call.
if redis.pcall('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local stored = redis.call('HMGET', KEYS[1], 'version', 'count', 'token')
local version, count, token = digits(stored[1]), tonumber(stored[2]) or 0, stored[3]
if not token or count < tonumber(ARGV[2]) then token = ARGV[3] end
if not version or version < ARGV[1] then version = ARGV[1] end
redis.call('HSET', KEYS[1], 'version', version)
redis.call('HSET', KEYS[1], 'count', count + 1)
redis.call('HSET', KEYS[1], 'token', token)
return {token, count + 1, version}
