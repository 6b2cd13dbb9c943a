-- Like delete, but the document is somebody else's: whatever version it may hold says nothing to us.
local tombstone = version_of_tombstone(KEYS[2])
if tombstone and tombstone >= ARGV[2] then return tombstone end
if tombstone and tombstone > ARGV[1] then return 0 end
