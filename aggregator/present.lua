#!lua flags=allow-oom
-- Enters an aggregator in the list of those at work, so that each takes its share of leases.
--
-- KEYS  1 luot:aggregators   hash: owner -> "SINCE UNTIL", Unix time in ms: since when it has been there without a
--                            gap, and until when it is believed to be
-- ARGV  1 owner
--       2 milliseconds       that it is believed in; 0: it leaves, or counts the others only
--       3 settled            who has been there for so many milliseconds counts: one that dies young over and
--                            over again takes nothing from the others
-- Answers how many others are at work.

local list, owner, lasts, settled = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local all, others, mine = redis.call('HGETALL', list), 0, now
for i = 1, #all, 2 do
  local since, till = string.match(all[i + 1], '^(%d+) (%d+)$')
  since, till = tonumber(since), tonumber(till)
  -- Beyond what it can be believed in: the clock was set back.
  local is_there = till and till > now and since <= now and till <= now + 60000
  if all[i] == owner then
    mine = is_there and since or now
  elseif not is_there then
    redis.call('HDEL', list, all[i])
  elseif now - since >= settled then
    others = others + 1
  end
end
if lasts > 0 then
  redis.call('HSET', list, owner, string.format('%.0f %.0f', mine, now + lasts))
else
  redis.call('HDEL', list, owner)
end
return others
