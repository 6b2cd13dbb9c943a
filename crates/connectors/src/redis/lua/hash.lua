-- ARGV[4] and on: field and value in turn. In portions, because unpack has a limit. Without a needless DEL, because
-- the server checks its memory at the first write of a script only.
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
for first = 4, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, first, math.min(first + 999, #ARGV)))
end
if life > 0 then redis.call('PEXPIRE', KEYS[1], life) end
if tombstone then redis.call('DEL', KEYS[2]) end
return 1
