-- ARGV[4]: the document.
if life > 0 then
  redis.call('SET', KEYS[1], ARGV[4], 'PX', life)
else
  redis.call('SET', KEYS[1], ARGV[4])
end
if tombstone then redis.call('DEL', KEYS[2]) end
return 1
