#!lua flags=no-writes
-- Which commands the user of this connection may not use (ACL). Nothing is run, and no key is touched.
--
-- ARGV  1 a name of a key of luot's
--       2 and on: commands with their arguments, parted by spaces; KEY stands for that name
-- Answers those that are not permitted.

local missing = {}
for i = 2, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[i], '%S+') do
    words[#words + 1] = word == 'KEY' and ARGV[1] or word
  end
  if not redis.acl_check_cmd(unpack(words)) then
    missing[#missing + 1] = words[1]
  end
end
return missing
