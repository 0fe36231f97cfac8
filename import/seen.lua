#!lua
-- Puts back when visitors of a log were last seen, for an import that goes on after a pause in which tidy.lua has
-- forgotten them: a visit that the pause cut goes on. Says nothing that was not true: these lines are applied.
--
-- KEYS  1 luot:{pNN}:producers   hash (its fields: collector/ship.lua)
--       2 luot:{pNN}:S:seen      zset
-- ARGV  1 producer               16 hex digits
--       2 shipped                lines, as the importer believes
--       3 times                  16 decimal digits each, Unix time in milliseconds
--       4 visitors               8 bytes each, as apply.lua keeps them
-- Answers 'ok', or 'waits' when not all up to `shipped` is applied, or more is shipped: while lines of a log wait,
-- its watermark stands, and nothing was forgotten.

local producers, seen, producer, shipped, times, ids = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
for key, wanted in pairs({ [producers] = 'hash', [seen] = 'zset' }) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= wanted then
    return redis.error_reply('LUOT ' .. key .. ' is a ' .. kind .. ', not a ' .. wanted)
  end
end
if not ids or #ids == 0 or #ids % 8 ~= 0 or #ids > 8 * 500 or #times ~= 2 * #ids or string.find(times, '%D') then
  return redis.error_reply('LUOT seen: bad arguments')
end
local held = redis.call('HMGET', producers, producer .. ':shipped', producer .. ':applied')
if held[1] ~= shipped or (held[2] or '0') ~= shipped then
  return 'waits'
end
local values = {}
for i = 1, #ids / 8 do
  values[2 * i - 1] = string.sub(times, 16 * i - 15, 16 * i)
  values[2 * i] = string.sub(ids, 8 * i - 7, 8 * i)
end
redis.call('ZADD', seen, 'GT', unpack(values))
return 'ok'
