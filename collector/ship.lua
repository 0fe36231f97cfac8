#!lua
-- Adds one entry to a partition's stream, if and only if the log has got as far as the shipper believes
-- (the first compare-and-set of docs/exactly-once.md). Not allow-oom: a full Redis refuses it before
-- anything was written, and the spool is the buffer.
--
-- KEYS  1 luot:{pNN}:hits        stream
--       2 luot:{pNN}:producers   hash
--       3 luot:{pNN}:retired     hash (retire.lua): a log that is there goes on where it was
-- ARGV  1 producer               16 hex digits
--       2 prev                   offset of the last hit shipped so far, as the shipper believes
--       3 last                   offset of the last hit of this entry, declared losses included
--       4 lost                   hits in (prev, last] that the log no longer has
--       5 prev_chain             chained checksum at prev ("" = not known, not compared)
--       6 chain                  chained checksum at last ("" = not known)
--       7 nonce                  53 random bits, decimal: makes the entry's id unique for ever
--       8 bound                  bytes that may wait in the stream of one partition
--       9 format                 version of the hits' encoding
--      10 hits                   the encoded hits, may be empty when all of (prev, last] is lost
-- Answers { status, shipped, applied, chain } as strings. status:
--   ok      the entry was added
--   moved   shipped is not prev: go on from the shipped that is answered, nothing was changed
--   forked  shipped is prev, but with another content before it: a copied spool; stop this log
--   full    more bytes would wait than bound: try again later, nothing was changed
--
-- Fields of the producers hash: P:shipped, P:applied, P:lost, P:watermark, P:chain, P:heard (when Redis last
-- heard of it, in steps of ten minutes) per producer P; and for the partition: bytes (waiting in the stream), last_ms (of the newest entry's id), applied (hits applied,
-- of all producers together), tip (entry applied last), lost,
-- damaged, unconfigured.

local stream, producers, retired = KEYS[1], KEYS[2], KEYS[3]
local producer, prev, last, lost = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local prev_chain, chain, nonce, bound = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local format, hits = ARGV[9], ARGV[10]

local function kind_is(key, wanted)
  local kind = redis.call('TYPE', key).ok
  return kind == 'none' or kind == wanted
end

if not kind_is(stream, 'stream') or not kind_is(producers, 'hash') or not kind_is(retired, 'hash') then
  return redis.error_reply('LUOT ' .. KEYS[2] .. ', its stream or its retired logs are of a wrong type')
end
local new, gone = tonumber(last), tonumber(lost)
if not new or not gone or not tonumber(prev) or new <= tonumber(prev) or gone < 0 or not tonumber(bound) then
  return redis.error_reply('LUOT ship: bad offsets')
end

if not redis.acl_check_cmd('HSET', producers, 'f', 'v') then
  return redis.error_reply('NOPERM LUOT: the user of redis.url may not HSET')
end

local held = redis.call('HMGET', producers, producer .. ':shipped', producer .. ':applied',
  producer .. ':chain', producer .. ':lost', 'bytes', 'last_ms', 'lost', producer .. ':heard')
local before = not held[1] and redis.call('HGET', retired, producer)
if before then
  held[1], held[4], held[3] = string.match(before, '^(%d+) (%d+) (%x*)$')
  held[2] = held[1]
  if not held[1] then
    return redis.error_reply('LUOT ' .. retired .. ' holds no position of ' .. producer)
  end
end
local shipped, applied, known = held[1] or '0', held[2] or '0', held[3] or ''
if shipped ~= prev then
  return { 'moved', shipped, applied, known }
end
if prev_chain ~= '' and known ~= '' and prev_chain ~= known then
  return { 'forked', shipped, applied, known }
end
local bytes, last_ms = tonumber(held[5] or '0'), tonumber(held[6] or '0')
local lost_of_it, lost_of_all = tonumber(held[4] or '0'), tonumber(held[7] or '0')
if not bytes or not last_ms or not lost_of_it or not lost_of_all then
  return redis.error_reply('LUOT ' .. producers .. ' holds what is no number')
end
if bytes > 0 and bytes + #hits > tonumber(bound) then
  return { 'full', shipped, applied, known }
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ms = string.format('%.0f', math.max(now, last_ms + 1))
-- The first write; should it fail, nothing has been changed. An entry is added even when all of it is
-- lost: the aggregator moves applied on with it.
local added = redis.pcall('XADD', stream, ms .. '-' .. nonce, 'v', format, 'p', producer, 'f', prev, 'l', last,
  'h', hits)
if type(added) == 'table' and added.err then
  return added
end
redis.call('HSET', producers, producer .. ':shipped', last, producer .. ':chain', chain, 'last_ms', ms,
  'bytes', string.format('%.0f', bytes + #hits))
if before then
  redis.call('HSET', producers, producer .. ':applied', applied, producer .. ':lost', held[4])
  redis.call('HDEL', retired, producer)
end
if gone > 0 then
  redis.call('HSET', producers, producer .. ':lost', string.format('%.0f', lost_of_it + gone),
    'lost', string.format('%.0f', lost_of_all + gone))
end
if math.abs(now - (tonumber(held[8]) or 0)) >= 600000 then
  redis.call('HSET', producers, producer .. ':heard', string.format('%.0f', now))
end
return { 'ok', last, applied, chain }
