#!lua flags=allow-oom
-- One step of closing a day: of a breakdown's rows only the first stay, the rest goes to "(other)", so that the sum
-- of the rows stays. A step done twice changes nothing. allow-oom: it makes room.
--
-- KEYS  1 luot:{pNN}:S:day:D:<breakdown>  zset
--       2 luot:{pNN}:S:day:D              hash, whose field `cut` says that not all rows are there
-- ARGV  1 stay   rows that stay, without "(other)"
--       2 most   rows that this step takes
-- Answers { rows that went, rows that have still to go }.

local key, day, stay, most = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
for i, wanted in ipairs({ 'zset', 'hash' }) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    return redis.error_reply('LUOT ' .. KEYS[i] .. ' is a ' .. kind .. ', not a ' .. wanted)
  end
end
if not (stay and most) then
  return redis.error_reply('LUOT close: bad arguments')
end
for _, call in ipairs({ { 'ZREM', key, 'm' }, { 'ZADD', key, '1', 'm' }, { 'HSET', day, 'f', 'v' } }) do
  if not redis.acl_check_cmd(unpack(call)) then
    return redis.error_reply('NOPERM LUOT: the user of redis.url may not ' .. call[1])
  end
end

local other = redis.call('ZSCORE', key, '(other)')
local surplus = redis.call('ZCARD', key) - (other and 1 or 0) - stay
if surplus <= 0 then
  return { 0, 0 }
end
local count = math.min(surplus, most)
-- One row more than go: "(other)" may be among them.
local rows = redis.call('ZRANGE', key, 0, count, 'WITHSCORES')
local gone, sum = {}, tonumber(other or 0)
for i = 1, #rows, 2 do
  if rows[i] ~= '(other)' and #gone < count then
    gone[#gone + 1] = rows[i]
    sum = sum + tonumber(rows[i + 1])
  end
end
-- Written before others go: a key that lost all its members would lose its end, too.
redis.call('ZADD', key, string.format('%.0f', sum), '(other)')
redis.call('ZREM', key, unpack(gone))
redis.call('HSET', day, 'cut', '1')
return { count, surplus - count }
