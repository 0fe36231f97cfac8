-- Writes rows of breakdowns that apply.lua has put off: the first tallies of the partition's list go, and what they
-- add is added, or they are put together first, all or nothing. steps.lua is put before it.
--
-- KEYS  1 luot:{pNN}:tallies     list: tallies of batches, each begins with 8 bytes that no other has
--       2... the keys that the steps name by their index
-- ARGV  1 'add' or 'merge'
--       2 count                  so many go
--       3 first, 4 last          the 8 bytes of the first and the last of them. What goes or is put in its place is the
--                                first, what comes is the last: if both stand where they were read, all between
--                                them are what was read
--       5... add: the steps (steps.lua) of what they come to. merge: tallies that come to the same, in their place
-- Answers 'ok', or 'stale' when somebody else has done it: nothing was changed.

local list, count = KEYS[1], tonumber(ARGV[2])
check_kind(list, 'list')
must(count and count > 0, 'no number of tallies')
if failure then
  return redis.error_reply('LUOT settle: ' .. failure)
end
local function stands(at, nonce)
  return string.sub(redis.call('LINDEX', list, at) or '', 1, 8) == nonce
end
if not stands(0, ARGV[3]) or not stands(count - 1, ARGV[4]) then
  return 'stale'
end
local denied = may_call({ { 'HSET', list, 'f', 'v' }, { 'ZADD', list, '0', 'm' }, { 'PEXPIREAT', list, '1' },
  { 'LPUSH', list, 'x' }, { 'LTRIM', list, '0', '1' } })
if denied then
  return redis.error_reply(denied)
end
if ARGV[1] == 'merge' then
  redis.call('LTRIM', list, count, -1)
  for i = #ARGV, 5, -1 do
    redis.call('LPUSH', list, ARGV[i])
  end
  return 'ok'
end
local wrong = take_steps(5)
if wrong then
  return redis.error_reply('LUOT settle: ' .. wrong)
end
local unwritten = write_all()
if unwritten then
  return unwritten
end
redis.call('LTRIM', list, count, -1)
return 'ok'
