-- KEYS: document, tombstone. ARGV: version, first version of the next epoch, ...
local document = version_of_document(KEYS[1])
local tombstone = version_of_tombstone(KEYS[2])
local stored = document
if tombstone and (not stored or tombstone > stored) then stored = tombstone end
if stored and stored >= ARGV[2] then return stored end
if stored and stored > ARGV[1] then return 0 end

