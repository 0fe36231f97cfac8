#!lua flags=allow-oom
-- Asks how far the logs of a collector have got in one partition, and moves the watermarks of the idle ones.
-- A log asks although no hit comes, so that a Redis that fell back is noticed. allow-oom: a full Redis must
-- not look like one that is away.
--
-- KEYS  1 luot:{pNN}:producers   hash (its fields: ship.lua)
--       2 luot:{pNN}:retired     hash (retire.lua)
-- ARGV  1 now                    milliseconds of Unix time: every hit that these logs took before it is in
--                                the end that stands beside their names
--       2... producer, end       16 hex digits; the offset of its last hit in this partition, "" while the
--                                log is not read to its end, "?" to be told no more than where it is
-- Answers shipped, applied, chain, lost for each producer, in their order, as one flat list of strings.
--
-- One that is not known yet is registered with shipped = 0: without a watermark it holds those of all others
-- back until its hits are there. One that has been retired goes on where it was: ship.lua brings it back with the
-- next hit, this with a stated end. The watermark moves only when all up to `end` is shipped and applied: after a
-- fall-back, what Redis lost is older than now and still to come. It moves back as well, with a clock that was
-- set back. A collector's clock that is ahead moves it no further than Redis' own.
-- "?" is no sign of life: who has less of a log than Redis cannot say that nothing more is to come of it (another
-- machine may have the rest), nor may it hold the watermark as long as it has the file.

local producers, retired, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= 'hash' then
    return redis.error_reply('LUOT ' .. key .. ' is of a wrong type')
  end
end
if not now or #ARGV % 2 ~= 1 then
  return redis.error_reply('LUOT ask: bad arguments')
end

local time = redis.call('TIME')
local ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local watermark = math.min(now, ms - 5000)

local answer, returning = {}, {}
for i = 2, #ARGV, 2 do
  local producer, ending = ARGV[i], ARGV[i + 1]
  local held = redis.call('HMGET', producers, producer .. ':shipped', producer .. ':applied', producer .. ':chain',
    producer .. ':watermark', producer .. ':heard', producer .. ':lost')
  local is_known = held[1]
  local before = not is_known and redis.call('HGET', retired, producer)
  if not is_known then
    local shipped, lost, chain = string.match(before or '0 0 ', '^(%d+) (%d+) (%x*)$')
    if not shipped then
      return redis.error_reply('LUOT ' .. retired .. ' holds no position of ' .. producer ..
        ' (luot verify): nothing is shipped until it is put right')
    end
    held[1], held[2], held[3], held[6] = shipped, shipped, chain, lost
  end
  local shipped, applied = held[1], held[2] or '0'
  local new = {}
  local is_sign_of_life = ending ~= '?' and (is_known or not before or ending ~= '')
  if not is_known and not before then
    new = { producer .. ':shipped', shipped }
  elseif before and is_sign_of_life then
    new = { producer .. ':shipped', shipped, producer .. ':applied', applied, producer .. ':chain', held[3],
      producer .. ':lost', held[6] }
    returning[#returning + 1] = producer
  end
  -- In steps of ten minutes and ten seconds: each is a write to the append-only file, the windows are hours.
  if (is_sign_of_life or #new > 0) and math.abs(ms - (tonumber(held[5]) or 0)) >= 600000 then
    new[#new + 1] = producer .. ':heard'
    new[#new + 1] = string.format('%.0f', ms)
  end
  if ending == shipped and applied == shipped and math.abs(watermark - (tonumber(held[4]) or 0)) >= 10000 then
    new[#new + 1] = producer .. ':watermark'
    new[#new + 1] = string.format('%.0f', watermark)
  end
  if #new > 0 then
    redis.call('HSET', producers, unpack(new))
  end
  answer[#answer + 1] = shipped
  answer[#answer + 1] = applied
  answer[#answer + 1] = held[3] or ''
  answer[#answer + 1] = held[6] or '0'
end
for _, producer in ipairs(returning) do
  redis.call('HDEL', retired, producer)
end
return answer
