#!lua flags=allow-oom
-- Forgets what a partition's watermark has passed: sets of hit ids, and visitors whose visit has ended. The
-- watermark is worked out here, so that nothing can come between it and what is forgotten. Retires logs that
-- nobody has on a disk any more.
--
-- KEYS  1 luot:{pNN}:producers   hash (its fields: ship.lua)
--       2 luot:{pNN}:ids         zset: ten-minute set T -> ids in it
--       3 luot:{pNN}:retired     hash: producer -> shipped, lost, chain: all that is kept of a log for good, so
--                                that a copy which turns up later ships nothing a second time (retire.lua)
--       4... the sets of ids that ARGV names, then `seen` and `visits` of each site
-- ARGV  1 dedupe window          milliseconds
--       2 visit gap              milliseconds
--       3 silent after           milliseconds in which nothing was heard of a producer, though this script ran: it
--                                no longer holds the watermark back, unless hits of it wait in the stream
--       4 retire after           the same, after which it is retired once all its hits are applied
--       5 most                   visitors forgotten at once, of all sites together
--       6 early                  so many of the sets go whatever the watermark (there are too many ids)
--       7... T of each set, in the order of KEYS
-- Answers { low watermark ("" = none), silent producers, sets dropped early, "1" if visitors are left to forget,
-- retired logs that are kept }.

local producers, id_index, retired = KEYS[1], KEYS[2], KEYS[3]
local window, gap, silent_after = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local retire_after, most, early = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local first_set, most_retired = 4, 100
local first_site = first_set + #ARGV - 6

for i = 1, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  local is_visits = i > first_site and (i - first_site) % 2 == 1
  local wanted = (i == 1 or i == 3 or is_visits) and 'hash' or (i == 2 or i >= first_site) and 'zset' or 'set'
  if kind ~= 'none' and kind ~= wanted then
    return redis.error_reply('LUOT ' .. KEYS[i] .. ' is a ' .. kind .. ', not a ' .. wanted)
  end
end
if not (window and gap and silent_after and retire_after and most and early) then
  return redis.error_reply('LUOT tidy: bad arguments')
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local all, of = redis.call('HGETALL', producers), {}
local tidied = 0
for i = 1, #all, 2 do
  local producer, field = string.match(all[i], '^(%x+):(%a+)$')
  if producer then
    of[producer] = of[producer] or {}
    of[producer][field] = all[i + 1]
  elseif all[i] == 'tidied' then
    tidied = tonumber(all[i + 1]) or 0
  end
end
-- Silence is time in which this ran. While Redis or all aggregators were away, or where the clock was set, nobody
-- could be heard: no collector that comes back later than another is silent by that.
local gap_in_runs = now - tidied
local shift = gap_in_runs > 600000 and gap_in_runs or 0
for producer, p in pairs(of) do
  local heard = tonumber(p.heard)
  if heard and (shift > 0 or heard > now) then
    p.heard = string.format('%.0f', math.min(heard + shift, now))
    redis.call('HSET', producers, producer .. ':heard', p.heard)
  end
end
if math.abs(gap_in_runs) >= 60000 and next(of) then
  redis.call('HSET', producers, 'tidied', string.format('%.0f', now))
end
local low, silent, gone = nil, 0, {}
for producer, p in pairs(of) do
  local waits = (p.shipped or '0') ~= (p.applied or '0')
  local unheard_for = now - (tonumber(p.heard) or now)
  if not waits and unheard_for > retire_after and #gone < most_retired then
    gone[#gone + 1] = producer
  elseif not waits and unheard_for > silent_after then
    silent = silent + 1
  elseif p.shipped then
    low = math.min(low or math.huge, tonumber(p.watermark) or 0)
  end
end

for _, producer in ipairs(gone) do
  local p = of[producer]
  if p.shipped and p.shipped ~= '0' then
    redis.call('HSET', retired, producer, p.shipped .. ' ' .. (p.lost or '0') .. ' ' .. (p.chain or ''))
  end
  for field in pairs(p) do
    redis.call('HDEL', producers, producer .. ':' .. field)
  end
end

local dropped = 0
for i = 1, first_site - first_set do
  local ten_minutes = tonumber(ARGV[6 + i])
  local overdue = low and (ten_minutes + 1) * 600000 + window < low
  if overdue or i <= early then
    redis.call('UNLINK', KEYS[first_set - 1 + i])
    redis.call('ZREM', id_index, ARGV[6 + i])
    dropped = dropped + (overdue and 0 or 1)
  end
end
local left = most
for i = first_site, low and #KEYS or 0, 2 do
  while left > 0 do
    local old = redis.call('ZRANGE', KEYS[i], '-inf', '(' .. string.format('%.0f', low - gap), 'BYSCORE', 'LIMIT', 0,
      math.min(left, 500))
    if #old == 0 then
      break
    end
    redis.call('ZREM', KEYS[i], unpack(old))
    redis.call('HDEL', KEYS[i + 1], unpack(old))
    left = left - #old
  end
end
return { low and string.format('%.0f', low) or '', silent, dropped, left == 0 and '1' or '0',
  redis.call('HLEN', retired) }
