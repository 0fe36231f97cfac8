#!lua
-- Asks how far the idle logs of a collector have got in one partition, and moves their watermarks. An
-- idle log asks so that a Redis that fell back is noticed although no hit comes.
--
-- KEYS  1 luot:{pNN}:producers   hash (its fields: ship.lua)
-- ARGV  1 now                    milliseconds of Unix time: every hit that these logs took before it is
--                                shipped already, so nothing older can come from them; one that is not known
--                                yet is registered with shipped = 0, so that its watermark counts from now on.
--                                "" = only answer, write nothing
--       2... producers           16 hex digits each
-- Answers shipped, applied, chain for each producer, in their order, as one flat list of strings.

local producers, now = KEYS[1], tonumber(ARGV[1])
local kind = redis.call('TYPE', producers).ok
if kind ~= 'none' and kind ~= 'hash' then
  return redis.error_reply('LUOT ' .. producers .. ' is of a wrong type')
end

local answer = {}
for i = 2, #ARGV do
  local producer = ARGV[i]
  local held = redis.call('HMGET', producers, producer .. ':shipped', producer .. ':applied', producer .. ':chain',
    producer .. ':watermark')
  local shipped, applied = held[1] or '0', held[2] or '0'
  if now and not held[1] then
    redis.call('HSET', producers, producer .. ':shipped', '0')
  end
  -- In steps of ten seconds: each is a write to the append-only file, and the windows are hours.
  if now and applied == shipped and now - tonumber(held[4] or '0') >= 10000 then
    redis.call('HSET', producers, producer .. ':watermark', ARGV[1])
  end
  answer[#answer + 1] = shipped
  answer[#answer + 1] = applied
  answer[#answer + 1] = held[3] or ''
end
return answer
