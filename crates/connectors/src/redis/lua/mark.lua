-- KEYS: mark. ARGV: version. Calls overtake each other, so only ever upwards.
local stored = digits(redis.pcall('GET', KEYS[1]))
if not stored or stored < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
