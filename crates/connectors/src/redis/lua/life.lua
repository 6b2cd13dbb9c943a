-- ARGV[3]: milliseconds to live, 0 for ever. Writing the same version again does not lengthen the life.
local life = tonumber(ARGV[3])
if document == ARGV[1] then
  local left = redis.call('PTTL', KEYS[1])
  if left >= 0 and (life == 0 or left < life) then life = math.max(left, 1) end
end

