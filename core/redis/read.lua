#!lua flags=no-writes
-- Several reads at one moment. In place of MULTI, which a full Redis refuses whatever it holds.
--
-- KEYS  all keys that are read
-- ARGV  for each read: its name, the index of its key, how many arguments follow, and these
-- Answers their replies in order; an error of one is the error of all.
local answers, at = {}, 1
while at <= #ARGV do
  local count = tonumber(ARGV[at + 2])
  answers[#answers + 1] = redis.call(ARGV[at], KEYS[tonumber(ARGV[at + 1])], unpack(ARGV, at + 3, at + 2 + count))
  at = at + 3 + count
end
return answers
