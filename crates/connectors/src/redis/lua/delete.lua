-- ARGV[3]: milliseconds that the tombstone lives. A replay may lengthen that: it must outlive every replay.
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1
