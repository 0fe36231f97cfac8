#!lua flags=allow-oom
-- Takes or keeps the lease of a partition. Leases only save work: correctness rests on apply.lua's compare.
--
-- KEYS  1 luot:{pNN}:lease
-- ARGV  1 owner         2 milliseconds     3 "1" = also prolong it if it is the owner's (an idle partition;
--                                              a busy one is prolonged by apply.lua, on progress)
-- Answers 1 when the lease is the owner's, else 0.
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if holder ~= ARGV[1] then
  return 0
end
if ARGV[3] == '1' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
