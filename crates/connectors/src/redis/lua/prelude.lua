-- Versions are 19 digits, so that text compares as numbers do. Anybody may have put a value of any type at any key
-- (hence pcall): what is not ours has no version.
local function digits(text)
  if type(text) == 'string' and #text == 19 and not string.find(text, '%D') then return text end
end

local function version_of_document(key)
  local head = redis.pcall('GETRANGE', key, 0, 32)
  if type(head) ~= 'string' then return digits(redis.pcall('HGET', key, '_version')) end
  if string.sub(head, 1, 13) == '{"_version":"' and string.sub(head, 33, 33) == '"' then
    return digits(string.sub(head, 14, 32))
  end
end

local function version_of_tombstone(key)
  return digits(redis.pcall('GET', key))
end

