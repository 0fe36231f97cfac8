#!lua flags=no-writes
-- Which commands the user of this connection may not use (ACL). Nothing is run.
--
-- KEYS  1 a key of luot's
-- ARGV  commands with their arguments, parted by spaces; KEY stands for the key
-- Answers those that are not permitted.

local missing = {}
for _, text in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(text, '%S+') do
    words[#words + 1] = word == 'KEY' and KEYS[1] or word
  end
  if not redis.acl_check_cmd(unpack(words)) then
    missing[#missing + 1] = words[1]
  end
end
return missing
