#!lua flags=allow-oom
-- Makes the additions of one folded batch, takes its entries off the stream and moves the offsets, all or
-- nothing (the second compare-and-set of docs/exactly-once.md). allow-oom: else a full Redis could never
-- be drained. Redis does not roll a script back, so everything is read and checked before the first write.
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
--       5... steps, each a letter and its arguments (k = index into KEYS, n = how many follow):
--         H k n (field delta)*n        add to the fields of a hash
--         Z k n (member delta)*n       add to the scores of a sorted set
--         P k day month totals n id*n  HyperLogLog of a day; visitors of the day hash, and visitor_days of
--                                      the month and totals hashes, follow; never above the day's views
--         S k T n id*n                 remember hit ids in the set of ten minutes T
--         G k n (score member)*n       sorted set of times, which only grow
--         C k below                    drop members of that set with a score below, 500 at most
--         D k T                        drop the set of ids T
--         O n (producer applied watermark)*n
--         L owner milliseconds         prolong the lease if it is the owner's
-- Answers 'ok', or 'stale' when the stream no longer begins with head or no longer holds upto: somebody
-- else has applied it, nothing was changed.

local stream, producers, id_index, lease = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local head, upto, after, batch_bytes = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local most = 500             -- members of one variadic call
local limit = 9007199254740992  -- 2^53: beyond it a number is no longer exact

local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
if #first == 0 or first[1][1] ~= head then
  return 'stale'
end
if head ~= upto and #redis.call('XRANGE', stream, upto, upto, 'COUNT', 1) == 0 then
  return 'stale'
end

local arguments, tonumber, format = ARGV, tonumber, string.format

local function text(number)
  return format('%d', number)
end

local failure
local function must(condition, what)
  if not condition and not failure then
    failure = what
  end
  return condition
end

local function check_kind(key, wanted)
  if must(key, 'a key index out of range') then
    local kind = redis.call('TYPE', key).ok
    if kind ~= 'none' and kind ~= wanted then
      must(false, key .. ' is a ' .. kind .. ', not a ' .. wanted)
    end
  end
end

-- Called for every member of a batch: the words for people are put together only when it fails.
local function whole(value, what, field)
  local number = tonumber(value)
  if not number or number % 1 ~= 0 or number <= -limit or number >= limit then
    must(false, what .. (field and ' ' .. field or '') .. ' is no whole number')
  end
  return number or 0
end

-- A write for later: command, key, values, how many of them belong together, and what else it needs.
local writes = {}
local function later(what, key, values, width, ...)
  writes[#writes + 1] = { what, key, values, width, 1, #values, ... }
end

-- The same for `count` arguments from `at` on, where they stand.
local function later_arguments(what, key, at, count, width, ...)
  must(at + count - 1 <= #arguments, 'steps cut short')
  writes[#writes + 1] = { what, key, arguments, width, at, at + count - 1, ... }
end

-- Runs command over values[first .. last] in calls of at most `most` groups of `width` values.
local function in_parts(command, key, values, width, first, last, option)
  local step = most * width
  for from = first, last, step do
    local upper = math.min(from + step - 1, last)
    if option then
      redis.call(command, key, option, unpack(values, from, upper))
    else
      redis.call(command, key, unpack(values, from, upper))
    end
  end
end

-- Reads the present values of names in a hash or sorted set, in parts.
local function present(command, key, names)
  local values = {}
  for from = 1, #names, most do
    local part = redis.call(command, key, unpack(names, from, math.min(from + most - 1, #names)))
    for i = 1, #part do
      values[from + i - 1] = part[i]
    end
  end
  return values
end

local steps = {}

function steps.H(at)
  local key, count = KEYS[tonumber(arguments[at])], tonumber(arguments[at + 1])
  check_kind(key, 'hash')
  if failure then return at end
  local fields = {}
  for i = 1, count do
    fields[i] = arguments[at + 2 * i]
  end
  local old, new = present('HMGET', key, fields), {}
  for i = 1, count do
    local value = whole(old[i] or '0', key, fields[i]) + whole(arguments[at + 2 * i + 1], 'an addition')
    new[2 * i - 1] = fields[i]
    new[2 * i] = text(whole(value, key, fields[i]))
  end
  later('HSET', key, new, 2)
  return at + 2 + 2 * count
end

function steps.Z(at)
  local key, count = KEYS[tonumber(arguments[at])], tonumber(arguments[at + 1])
  check_kind(key, 'zset')
  if failure then return at end
  local members = {}
  for i = 1, count do
    members[i] = arguments[at + 2 * i]
  end
  local old, new = present('ZMSCORE', key, members), {}
  for i = 1, count do
    local value = tonumber(old[i] or '0') + whole(arguments[at + 2 * i + 1], 'an addition')
    new[2 * i - 1] = text(whole(value, key))
    new[2 * i] = members[i]
  end
  later('ZADD', key, new, 2)
  return at + 2 + 2 * count
end

function steps.P(at)
  local key, day = KEYS[tonumber(arguments[at])], KEYS[tonumber(arguments[at + 1])]
  local month, totals, count = KEYS[tonumber(arguments[at + 2])], KEYS[tonumber(arguments[at + 3])], tonumber(arguments[at + 4])
  check_kind(key, 'string')
  check_kind(day, 'hash')
  check_kind(month, 'hash')
  check_kind(totals, 'hash')
  if failure then return at end
  must(redis.call('STRLEN', key) == 0 or redis.call('GETRANGE', key, 0, 3) == 'HYLL', key .. ' is no HyperLogLog')
  whole(redis.call('HGET', day, 'visitors') or '0', day)
  whole(redis.call('HGET', month, 'visitor_days') or '0', month)
  whole(redis.call('HGET', totals, 'visitor_days') or '0', totals)
  later_arguments('VISITORS', key, at + 5, count, 1, day, month, totals)
  return at + 5 + count
end

function steps.S(at)
  local key, set, count = KEYS[tonumber(arguments[at])], arguments[at + 1], tonumber(arguments[at + 2])
  check_kind(key, 'set')
  later_arguments('IDS', key, at + 3, count, 1, set)
  return at + 3 + count
end

function steps.G(at)
  local key, count = KEYS[tonumber(arguments[at])], tonumber(arguments[at + 1])
  check_kind(key, 'zset')
  for i = 1, count do
    whole(arguments[at + 2 * i], 'a time')
  end
  later_arguments('ZADD', key, at + 2, 2 * count, 2, 'GT')
  return at + 2 + 2 * count
end

function steps.C(at)
  local key = KEYS[tonumber(arguments[at])]
  check_kind(key, 'zset')
  whole(arguments[at + 1], 'a time')
  if failure then return at end
  local old = redis.call('ZRANGE', key, '-inf', '(' .. arguments[at + 1], 'BYSCORE', 'LIMIT', 0, most)
  if #old > 0 then
    later('ZREM', key, old, 1)
  end
  return at + 2
end

function steps.D(at)
  local key = KEYS[tonumber(arguments[at])]
  check_kind(key, 'set')
  later('DROP', key, {}, 1, arguments[at + 1])
  return at + 2
end

function steps.O(at)
  local count, sum, new = tonumber(arguments[at]), 0, {}
  for i = 0, count - 1 do
    local producer, applied, watermark = arguments[at + 1 + 3 * i], arguments[at + 2 + 3 * i], arguments[at + 3 + 3 * i]
    local held = redis.call('HMGET', producers, producer .. ':applied', producer .. ':watermark')
    local before = whole(held[1] or '0', producer)
    sum = sum + math.max(0, whole(applied, 'an offset') - before)
    new[#new + 1] = producer .. ':applied'
    new[#new + 1] = text(math.max(before, tonumber(applied) or 0))
    new[#new + 1] = producer .. ':watermark'
    new[#new + 1] = text(math.max(whole(held[2] or '0', producer), whole(watermark, 'a watermark')))
  end
  local held = redis.call('HMGET', producers, 'applied', 'bytes')
  new[#new + 1] = 'applied'
  new[#new + 1] = text(whole(held[1] or '0', 'applied') + sum)
  new[#new + 1] = 'bytes'
  new[#new + 1] = text(math.max(0, whole(held[2] or '0', 'bytes') - (batch_bytes or 0)))
  later('HSET', producers, new, 2)
  return at + 1 + 3 * count
end

function steps.L(at)
  whole(arguments[at + 1], 'a time')
  if not failure and redis.call('GET', lease) == arguments[at] then
    later('LEASE', lease, {}, 1, arguments[at + 1])
  end
  return at + 2
end

check_kind(stream, 'stream')
check_kind(producers, 'hash')
check_kind(id_index, 'zset')
check_kind(lease, 'string')
must(batch_bytes, 'no number of bytes')
local at = 5
while not failure and at <= #arguments do
  local step = steps[arguments[at]]
  if must(step, 'an unknown step') then
    at = step(at + 1)
  end
end
must(at == #arguments + 1, 'steps cut short')
if failure then
  return redis.error_reply('LUOT apply: ' .. failure)
end

for _, write in ipairs(writes) do
  local what, key, values, width, first, last, option = unpack(write, 1, 7)
  if what == 'VISITORS' then
    local day, month, totals = option, write[8], write[9]
    in_parts('PFADD', key, values, 1, first, last)
    local held = redis.call('HMGET', day, 'visitors', 'views')
    local now = math.min(redis.call('PFCOUNT', key), tonumber(held[2] or '0'))
    local more = now - tonumber(held[1] or '0')
    if more > 0 then
      redis.call('HSET', day, 'visitors', text(now))
      redis.call('HINCRBY', month, 'visitor_days', text(more))
      redis.call('HINCRBY', totals, 'visitor_days', text(more))
    end
  elseif what == 'IDS' then
    in_parts('SADD', key, values, 1, first, last)
    redis.call('ZADD', id_index, redis.call('SCARD', key), option)
  elseif what == 'DROP' then
    redis.call('UNLINK', key)
    redis.call('ZREM', id_index, option)
  elseif what == 'LEASE' then
    redis.call('PEXPIRE', lease, option)
  else
    in_parts(what, key, values, width, first, last, option)
  end
end
redis.call('XTRIM', stream, 'MINID', '=', after)
if redis.call('XLEN', stream) == 0 then
  redis.call('HSET', producers, 'bytes', '0')
end
return 'ok'
