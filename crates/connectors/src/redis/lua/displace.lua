-- KEYS: document, tombstone. ARGV[1]: the version that is to be there; digits beyond all versions count as the highest.
local document = version_of_document(KEYS[1])
if not document or not (document == ARGV[1] or (ARGV[1] == '9223372036854775807' and document > ARGV[1])) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
