#!lua flags=allow-oom
-- One aggregator and the lease of one partition. Leases only save work: correctness rests on apply.lua's compare.
--
-- KEYS  1 luot:{pNN}:lease
-- ARGV  1 owner
--       2 milliseconds
--       3 look      changes nothing
--         keep      prolongs it if it is the owner's (an idle partition; a busy one is prolonged by apply.lua, on
--                   progress)
--         take      takes it if it is nobody's
--         release   gives it up if it is the owner's
-- Answers whose the lease is then: 'mine', 'free' or 'taken'.

local lease, owner, milliseconds, act = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local holder = redis.call('GET', lease)
if not holder and act == 'take' then
  redis.call('SET', lease, owner, 'PX', milliseconds)
  return 'mine'
end
if holder ~= owner then
  return holder and 'taken' or 'free'
end
if act == 'keep' then
  redis.call('PEXPIRE', lease, milliseconds)
elseif act == 'release' then
  redis.call('DEL', lease)
  return 'free'
end
return 'mine'
