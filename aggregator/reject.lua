#!lua flags=allow-oom
-- Sets the first entry of a partition's stream aside, because applying it failed three times in a row: the
-- partition must go on. Its hits count as damaged; the entry is kept whole for a look at it.
--
-- KEYS  1 luot:{pNN}:hits  2 luot:{pNN}:producers  3 luot:{pNN}:rejected (stream)
-- ARGV  1 head             id of the entry
--       2 after            the id next to it
--       3 hits             how many hits it holds
--       4 reason           the error, for the operator
-- Answers 'ok', or 'stale' when the stream does not begin with head.

local stream, producers, rejected = KEYS[1], KEYS[2], KEYS[3]
for i, wanted in ipairs({ 'stream', 'hash', 'stream' }) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= wanted then
    return redis.error_reply('LUOT ' .. KEYS[i] .. ' is of a wrong type')
  end
end
if not redis.acl_check_cmd('HSET', producers, 'f', 'v') or not redis.acl_check_cmd('XTRIM', stream, 'MINID', '0') then
  return redis.error_reply('NOPERM LUOT: the user of redis.url may not HSET or XTRIM')
end
local count = tonumber(ARGV[3])
local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
if not count or #first == 0 or first[1][1] ~= ARGV[1] then
  return 'stale'
end

local fields, entry = first[1][2], {}
for i = 1, #fields, 2 do
  entry[fields[i]] = fields[i + 1]
end
local producer, last, bytes = entry.p or '', tonumber(entry.l or '0') or 0, #(entry.h or '')
fields[#fields + 1] = 'reason'
fields[#fields + 1] = ARGV[4]
redis.call('XADD', rejected, '*', unpack(fields))

local held = redis.call('HMGET', producers, producer .. ':applied', 'applied', 'bytes', 'damaged')
local before = tonumber(held[1] or '0') or 0
redis.call('HSET', producers, 'tip', ARGV[1],
  producer .. ':applied', string.format('%.0f', math.max(before, last)),
  'applied', string.format('%.0f', (tonumber(held[2] or '0') or 0) + math.max(0, last - before)),
  'bytes', string.format('%.0f', math.max(0, (tonumber(held[3] or '0') or 0) - bytes)),
  'damaged', string.format('%.0f', (tonumber(held[4] or '0') or 0) + count))
redis.call('XTRIM', stream, 'MINID', '=', ARGV[2])
return 'ok'
