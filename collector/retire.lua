#!lua flags=allow-oom
-- Takes a log that is no longer on a collector's disk, or never had a hit in this partition, off those that are
-- asked for, once all its hits are applied. What is needed to go on where it was stays, in `retired`: the
-- collector may have had a copy of a log that another one still writes (ship.lua, ask.lua bring it back then).
--
-- KEYS  1 luot:{pNN}:producers   hash (its fields: ship.lua)
--       2 luot:{pNN}:retired     hash: producer -> "shipped lost chain"
-- ARGV  1 producer               16 hex digits
-- Answers 'ok', 'waits' while hits of it are in the stream, or 'unknown'.

local producers, retired, producer = KEYS[1], KEYS[2], ARGV[1]
for _, key in ipairs(KEYS) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= 'hash' then
    return redis.error_reply('LUOT ' .. key .. ' is of a wrong type')
  end
end
local held = redis.call('HMGET', producers, producer .. ':shipped', producer .. ':applied', producer .. ':lost',
  producer .. ':chain')
local shipped = held[1]
if not shipped then
  return 'unknown'
end
if shipped ~= (held[2] or '0') then
  return 'waits'
end
if shipped ~= '0' then
  redis.call('HSET', retired, producer, shipped .. ' ' .. (held[3] or '0') .. ' ' .. (held[4] or ''))
end
redis.call('HDEL', producers, producer .. ':shipped', producer .. ':applied', producer .. ':lost',
  producer .. ':watermark', producer .. ':chain', producer .. ':heard')
return 'ok'
