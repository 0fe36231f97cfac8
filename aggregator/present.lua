#!lua flags=allow-oom
-- Enters an aggregator in the list of those at work, and counts them, so that each takes its share of leases.
--
-- KEYS  1 luot:aggregators   zset: owner -> Unix time in ms until which it is believed to be at work
-- ARGV  1 owner
--       2 milliseconds       0: it leaves
-- Answers how many are at work.

local list, owner, milliseconds = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', list, '-inf', string.format('%.0f', now))
if milliseconds > 0 then
  redis.call('ZADD', list, string.format('%.0f', now + milliseconds), owner)
else
  redis.call('ZREM', list, owner)
end
return redis.call('ZCARD', list)
