-- KEYS: document, tombstone. ARGV[1]: the version that is to be there; digits beyond all versions count as the highest.
local function is_there(version)
  return version and (version == ARGV[1] or (ARGV[1] == '9223372036854775807' and version > ARGV[1]))
end
if is_there(version_of_document(KEYS[1])) then
  redis.call('DEL', KEYS[1], KEYS[2])
  return 1
end
if is_there(version_of_tombstone(KEYS[2])) then
  redis.call('DEL', KEYS[2])
  return 1
end
return 0
