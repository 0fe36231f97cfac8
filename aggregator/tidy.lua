#!lua flags=allow-oom
-- Forgets what a partition's watermark has passed: sets of hit ids, and visitors whose visit has ended. The
-- watermark is worked out here, so that nothing can come between it and what is forgotten.
--
-- KEYS  1 luot:{pNN}:producers   hash (its fields: ship.lua)
--       2 luot:{pNN}:ids         zset: ten-minute set T -> ids in it
--       3... the sets of ids that ARGV names, then the sites' `seen` sets
-- ARGV  1 dedupe window          milliseconds
--       2 visit gap              milliseconds
--       3 silent after           milliseconds in which nothing was heard of a producer: it no longer holds the
--                                watermark back, unless hits of it wait in the stream
--       4 most                   visitors forgotten at once, of all sites together
--       5 early                  so many of the sets go whatever the watermark (there are too many ids)
--       6... T of each set, in the order of KEYS
-- Answers { low watermark ("" = none), silent producers, sets dropped early, "1" if visitors are left to forget }.

local producers, id_index = KEYS[1], KEYS[2]
local window, gap, silent_after = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local most, early = tonumber(ARGV[4]), tonumber(ARGV[5])
local first_site = 3 + #ARGV - 5

for i = 1, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  local wanted = i == 1 and 'hash' or (i == 2 or i >= first_site) and 'zset' or 'set'
  if kind ~= 'none' and kind ~= wanted then
    return redis.error_reply('LUOT ' .. KEYS[i] .. ' is a ' .. kind .. ', not a ' .. wanted)
  end
end
if not (window and gap and silent_after and most and early) then
  return redis.error_reply('LUOT tidy: bad arguments')
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local all, of = redis.call('HGETALL', producers), {}
for i = 1, #all, 2 do
  local producer, field = string.match(all[i], '^(%x+):(%a+)$')
  if producer then
    of[producer] = of[producer] or {}
    of[producer][field] = all[i + 1]
  end
end
local low, silent = nil, 0
for _, p in pairs(of) do
  local waits = (p.shipped or '0') ~= (p.applied or '0')
  if not waits and now - (tonumber(p.heard) or now) > silent_after then
    silent = silent + 1
  elseif p.shipped then
    low = math.min(low or math.huge, tonumber(p.watermark) or 0)
  end
end

local dropped = 0
for i = 1, first_site - 3 do
  local ten_minutes = tonumber(ARGV[5 + i])
  local overdue = low and (ten_minutes + 1) * 600000 + window < low
  if overdue or i <= early then
    redis.call('UNLINK', KEYS[2 + i])
    redis.call('ZREM', id_index, ARGV[5 + i])
    dropped = dropped + (overdue and 0 or 1)
  end
end
local left = most
for i = first_site, low and #KEYS or 0 do
  while left > 0 do
    local old = redis.call('ZRANGE', KEYS[i], '-inf', '(' .. string.format('%.0f', low - gap), 'BYSCORE', 'LIMIT', 0,
      math.min(left, 500))
    if #old == 0 then
      break
    end
    redis.call('ZREM', KEYS[i], unpack(old))
    left = left - #old
  end
end
return { low and string.format('%.0f', low) or '', silent, dropped, left == 0 and '1' or '0' }
