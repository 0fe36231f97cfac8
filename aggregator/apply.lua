-- Makes the additions of one folded batch, takes its entries off the stream and moves the offsets, all or
-- nothing (the second compare-and-set of docs/exactly-once.md). steps.lua is put before it.
--
-- KEYS  1 luot:{pNN}:hits        stream
--       2 luot:{pNN}:producers   hash (its fields: ship.lua)
--       3 luot:{pNN}:ids         zset: ten-minute set T -> ids in it
--       4 luot:{pNN}:lease       string
--       5... the keys that the steps name by their index
-- ARGV  1 head                   id of the first entry of the batch
--       2 upto                   id of its last entry
--       3 after                  the id next to upto: everything below it is trimmed
--       4 bytes                  of the batch's hits, as counted by ship.lua
--       5 tip                    id of the last entry that was applied, as the fold believes ("" = it does not rest
--                                on it)
--       6... steps (steps.lua), and two of its own:
--         O n (producer applied watermark)*n
--         L owner milliseconds         prolong the lease if it is the owner's
-- Answers 'ok', or 'stale' when the stream no longer begins with head or no longer holds upto, or another entry
-- was applied last: somebody else has applied it, nothing was changed.

local stream, producers, id_index, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local head, upto, after, batch_bytes = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
if #first == 0 or first[1][1] ~= head then
  return 'stale'
end
if head ~= upto and #redis.call('XRANGE', stream, upto, upto, 'COUNT', 1) == 0 then
  return 'stale'
end

if ARGV[5] ~= '' and redis.call('TYPE', producers).ok == 'hash' and redis.call('HGET', producers, 'tip') ~= ARGV[5] then
  return 'stale'
end

function steps.O(at)
  local count, sum, new = tonumber(ARGV[at]), 0, {}
  for i = 0, count - 1 do
    local producer, applied, watermark = ARGV[at + 1 + 3 * i], ARGV[at + 2 + 3 * i], ARGV[at + 3 + 3 * i]
    local held = redis.call('HMGET', producers, producer .. ':applied', producer .. ':watermark')
    local before = whole(held[1] or '0', producer)
    sum = sum + math.max(0, whole(applied, 'an offset') - before)
    new[#new + 1] = producer .. ':applied'
    new[#new + 1] = math.max(before, tonumber(applied) or 0)
    new[#new + 1] = producer .. ':watermark'
    -- Of its last hit, also where a clock was set back: the sets of ids that begin then are not past. 0: no hit.
    local last, former = whole(watermark, 'a watermark'), whole(held[2] or '0', producer)
    new[#new + 1] = last > 0 and last or former
  end
  new[#new + 1] = 'tip'
  new[#new + 1] = upto
  local held = redis.call('HMGET', producers, 'applied', 'bytes')
  new[#new + 1] = 'applied'
  new[#new + 1] = whole(held[1] or '0', 'applied') + sum
  new[#new + 1] = 'bytes'
  new[#new + 1] = math.max(0, whole(held[2] or '0', 'bytes') - (batch_bytes or 0))
  later_pairs('HSET', producers, new)
  return at + 1 + 3 * count
end

function steps.L(at)
  whole(ARGV[at + 1], 'a time')
  if not failure and redis.call('GET', lease) == ARGV[at] then
    local milliseconds = ARGV[at + 1]
    later(function()
      redis.call('PEXPIRE', lease, milliseconds)
    end)
  end
  return at + 2
end

check_kind(stream, 'stream')
check_kind(producers, 'hash')
check_kind(id_index, 'zset')
check_kind(lease, 'string')
must(batch_bytes, 'no number of bytes')
local denied = may_call({ { 'HSET', producers, 'f', 'v' }, { 'ZADD', producers, '0', 'm' }, { 'SADD', producers, 'm' },
  { 'PFADD', producers, 'm' }, { 'XTRIM', stream, 'MINID', '0' }, { 'PEXPIRE', lease, '1' },
  { 'PEXPIREAT', lease, '1' }, { 'UNLINK', lease }, { 'APPEND', stream, 'x' }, { 'RPUSH', stream, 'x' } })
if denied then
  return redis.error_reply(denied)
end
local wrong = take_steps(6)
if wrong then
  return redis.error_reply('LUOT apply: ' .. wrong)
end
local unwritten = write_all()
if unwritten then
  return unwritten
end
redis.call('XTRIM', stream, 'MINID', '=', after)
if redis.call('XLEN', stream) == 0 then
  redis.call('HSET', producers, 'bytes', '0')
end
return 'ok'
