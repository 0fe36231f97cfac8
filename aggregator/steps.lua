#!lua flags=allow-oom
-- Additions to counts, as steps: what apply.lua and settle.lua, each put behind this text, have in common. allow-oom:
-- else a full Redis could never be drained. Redis does not roll a script back, so everything is read and checked
-- before the first write: a step checks, and says what is to be written later.
--
-- A step is a letter and its arguments (k = index into KEYS, n = how many follow):
--   H k n (field delta)*n        add to the fields of a hash
--   Z k n (member delta)*n       add to the scores of a sorted set
--   C k hash field cap ends n (member delta)*n
--                                the same in a breakdown, whose sum is that field: beyond `cap` members what would
--                                be new is added to '(other)', and what a member has not is taken from there; the
--                                key expires at `ends` (Unix time, ms; 0: never)
--   P k day month totals ids     HyperLogLog of a day; visitors of the day hash, and visitor_days of
--                                the month and totals hashes, follow; never above the day's views
--   Q index k page cap last ends ids
--                                HyperLogLog of a page and day, whose estimate is the page's in the index; of the first
--                                `cap` pages; it goes at `last`, the index at `ends` (Unix time, ms)
--   S k index T ids              remember hit ids in the set of ten minutes T, which the index lists
--   G k times ids                sorted set of times, which only grow
--   V k n (visitor visit)*n      set the fields of a hash
--   R k bytes                    append to a list
--   A k bytes                    append to a string; it may have no room: what it holds is good to know
--                                and no count
--   E k milliseconds             let the key expire so long after now
-- ids: 8 bytes each, one behind the other; times: 16 decimal digits each. One argument for all members of a
-- batch: Redis takes apart and copies each one.

local tonumber, ARGV = tonumber, ARGV  -- named often
local most = 500             -- members of one variadic call
local limit = 9007199254740992  -- 2^53: beyond it a number is no longer exact

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

-- Numbers stay numbers: Redis writes them with 17 digits, Lua's tostring() would with 14.
-- Called for every member of a batch: the words for people are put together only when it fails.
local function whole(value, what, field)
  local number = tonumber(value)
  if not number or number % 1 ~= 0 or number <= -limit or number >= limit then
    must(false, what .. (field and ' ' .. field or '') .. ' is no whole number')
  end
  return number or 0
end

-- A packed argument holds `count` members of 8 bytes.
local function check_ids(ids)
  must(ids and #ids > 0 and #ids % 8 == 0, 'ids cut short')
end

-- `count` members of `size` bytes each behind the first `from` of a packed argument, taken apart in one call:
-- a call of string.sub for each costs more.
local function members_of(packed, size, from, count)
  return { struct.unpack(string.rep('c' .. size, count), packed, size * from + 1) }
end

-- Runs command over the members of `ids`, `most` a call.
local function over_ids(command, key, ids)
  for from = 0, #ids / 8 - 1, most do
    local count = math.min(most, #ids / 8 - from)
    redis.call(command, key, unpack(members_of(ids, 8, from, count), 1, count))
  end
end

-- What is written once everything is checked. HyperLogLogs come first: nobody can look into one, so the
-- first PFADD is the last check.
local writes, visitors = {}, {}
local function later(write)
  writes[#writes + 1] = write
end

local function later_pairs(command, key, values)
  later(function()
    for from = 1, #values, 2 * most do
      redis.call(command, key, unpack(values, from, math.min(from + 2 * most - 1, #values)))
    end
  end)
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
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  check_kind(key, 'hash')
  if failure then return at end
  local fields = {}
  for i = 1, count do
    fields[i] = ARGV[at + 2 * i]
  end
  local old, new = present('HMGET', key, fields), {}
  for i = 1, count do
    local value = whole(old[i] or '0', key, fields[i]) + whole(ARGV[at + 2 * i + 1], 'an addition')
    new[2 * i - 1] = fields[i]
    new[2 * i] = whole(value, key, fields[i])
  end
  later_pairs('HSET', key, new)
  return at + 2 + 2 * count
end

function steps.Z(at)
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  check_kind(key, 'zset')
  if failure then return at end
  local members = {}
  for i = 1, count do
    members[i] = ARGV[at + 2 * i]
  end
  local old, new = present('ZMSCORE', key, members), {}
  for i = 1, count do
    new[2 * i - 1] = whole(tonumber(old[i] or 0) + whole(ARGV[at + 2 * i + 1], 'an addition'), key)
    new[2 * i] = members[i]
  end
  later_pairs('ZADD', key, new)
  return at + 2 + 2 * count
end

function steps.C(at)
  local key, hash, field = KEYS[tonumber(ARGV[at])], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  local cap, ends, count = whole(ARGV[at + 3], 'a bound'), whole(ARGV[at + 4], 'a time'), tonumber(ARGV[at + 5])
  check_kind(key, 'zset')
  check_kind(hash, 'hash')
  if failure then return end
  local members, from = { '(other)' }, at + 4
  for i = 1, count do
    members[i + 1] = ARGV[from + 2 * i]
  end
  local old, size, new = present('ZMSCORE', key, members), redis.call('ZCARD', key), {}
  local is_new, other, sum = size == 0, 0, 0
  if old[1] then
    size = size - 1
  end
  for i = 1, count do
    local member, before, delta = members[i + 1], old[i + 1], whole(ARGV[from + 1 + 2 * i], 'an addition')
    sum = sum + delta
    if member == '(other)' or (not before and (size >= cap or delta < 0)) then
      other = other + delta
    elseif delta ~= 0 then
      size = size + (before and 0 or 1)
      local value = tonumber(before or 0) + delta
      if value < 0 then
        other, value = other + value, 0
      end
      new[#new + 1] = whole(value, key)
      new[#new + 1] = member
    end
  end
  if other ~= 0 then
    new[#new + 1] = whole(tonumber(old[1] or 0) + other, key)
    new[#new + 1] = '(other)'
  end
  local whole_sum = whole(redis.call('HGET', hash, field) or '0', hash, field) + sum
  if #new == 0 then
    return from + 2 + 2 * count
  end
  later_pairs('ZADD', key, new)
  later(function()
    redis.call('HSET', hash, field, whole_sum)
    if is_new and ends > 0 then
      redis.call('PEXPIREAT', key, string.format('%.0f', ends))
    end
  end)
  return from + 2 + 2 * count
end

function steps.P(at)
  local key, day = KEYS[tonumber(ARGV[at])], KEYS[tonumber(ARGV[at + 1])]
  local month, totals, ids = KEYS[tonumber(ARGV[at + 2])], KEYS[tonumber(ARGV[at + 3])], ARGV[at + 4]
  check_kind(key, 'string')
  check_kind(day, 'hash')
  check_kind(month, 'hash')
  check_kind(totals, 'hash')
  check_ids(ids)
  if failure then return at end
  if redis.call('EXISTS', key) == 1 then
    must(type(redis.pcall('PFCOUNT', key)) == 'number', key .. ' is no HyperLogLog')
  end
  whole(redis.call('HGET', day, 'visitors') or '0', day)
  whole(redis.call('HGET', month, 'visitor_days') or '0', month)
  whole(redis.call('HGET', totals, 'visitor_days') or '0', totals)
  visitors[#visitors + 1] = { key, ids }
  later(function()
    local held = redis.call('HMGET', day, 'visitors', 'views')
    local now = math.min(redis.call('PFCOUNT', key), tonumber(held[2] or '0'))
    local more = now - tonumber(held[1] or '0')
    if more > 0 then
      redis.call('HSET', day, 'visitors', now)
      for _, sum in ipairs({ month, totals }) do
        redis.call('HSET', sum, 'visitor_days', tonumber(redis.call('HGET', sum, 'visitor_days') or '0') + more)
      end
    end
  end)
  return at + 5
end

function steps.Q(at)
  local index, key, page = KEYS[tonumber(ARGV[at])], KEYS[tonumber(ARGV[at + 1])], ARGV[at + 2]
  local cap, last, ends = whole(ARGV[at + 3], 'a bound'), whole(ARGV[at + 4], 'a time'), whole(ARGV[at + 5], 'a time')
  local ids = ARGV[at + 6]
  check_kind(index, 'zset')
  check_kind(key, 'string')
  check_ids(ids)
  if failure then return at end
  local is_known, is_there = redis.call('ZSCORE', index, page), redis.call('EXISTS', key) == 1
  if is_there then
    must(type(redis.pcall('PFCOUNT', key)) == 'number', key .. ' is no HyperLogLog')
  end
  if is_known and not is_there then
    return at + 7  -- its day is long over: the number stands
  end
  later(function()
    local size = redis.call('ZCARD', index)
    if not is_known and size >= cap then
      return
    end
    if not is_known then
      redis.call('UNLINK', key)  -- of what was deleted
    end
    over_ids('PFADD', key, ids)
    redis.call('ZADD', index, redis.call('PFCOUNT', key), page)
    redis.call('PEXPIREAT', key, string.format('%.0f', last))
    if size == 0 then
      redis.call('PEXPIREAT', index, string.format('%.0f', ends))
    end
  end)
  return at + 7
end

function steps.S(at)
  local key, index = KEYS[tonumber(ARGV[at])], KEYS[tonumber(ARGV[at + 1])]
  local set, ids = ARGV[at + 2], ARGV[at + 3]
  check_kind(key, 'set')
  check_kind(index, 'zset')
  check_ids(ids)
  later(function()
    over_ids('SADD', key, ids)
    redis.call('ZADD', index, redis.call('SCARD', key), set)
  end)
  return at + 4
end

function steps.G(at)
  local key, times, ids = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]
  check_kind(key, 'zset')
  check_ids(ids)
  must(times and ids and #times == 2 * #ids and not string.find(times, '%D'), 'times that are none')
  later(function()
    for from = 0, #ids / 8 - 1, most do
      local count = math.min(most, #ids / 8 - from)
      local scores, members, values = members_of(times, 16, from, count), members_of(ids, 8, from, count), {}
      for i = 1, count do
        values[2 * i - 1] = scores[i]
        values[2 * i] = members[i]
      end
      redis.call('ZADD', key, 'GT', unpack(values, 1, 2 * count))
    end
  end)
  return at + 3
end

function steps.V(at)
  local key, count = KEYS[tonumber(ARGV[at])], tonumber(ARGV[at + 1])
  check_kind(key, 'hash')
  must(count and ARGV[at + 1 + 2 * count], 'visits cut short')
  later(function()
    for from = at + 2, at + 1 + 2 * count, 2 * most do
      redis.call('HSET', key, unpack(ARGV, from, math.min(from + 2 * most - 1, at + 1 + 2 * count)))
    end
  end)
  return at + 2 + 2 * (count or 0)
end

function steps.R(at)
  local key, bytes = KEYS[tonumber(ARGV[at])], ARGV[at + 1]
  check_kind(key, 'list')
  must(bytes, 'no bytes to append')
  later(function()
    redis.call('RPUSH', key, bytes)
  end)
  return at + 2
end

function steps.A(at)
  local key, bytes = KEYS[tonumber(ARGV[at])], ARGV[at + 1]
  check_kind(key, 'string')
  must(bytes, 'no bytes to append')
  later(function()
    redis.pcall('APPEND', key, bytes)
  end)
  return at + 2
end

function steps.E(at)
  local key, milliseconds = KEYS[tonumber(ARGV[at])], ARGV[at + 1]
  must(key, 'a key index out of range')
  must(whole(milliseconds, 'a time') > 0, 'a time that is past')
  later(function()
    redis.call('PEXPIRE', key, milliseconds)
  end)
  return at + 2
end

local function may_call(calls)
  for _, call in ipairs(calls) do
    if not redis.acl_check_cmd(unpack(call)) then
      return 'NOPERM LUOT: the user of redis.url may not ' .. call[1]
    end
  end
end

-- Takes the steps from ARGV[at] on; answers an error, or nothing when all is ready to be written.
local function take_steps(at)
  while not failure and at <= #ARGV do
    local step = steps[ARGV[at]]
    if must(step, 'an unknown step') then
      at = step(at + 1)
    end
  end
  must(at == #ARGV + 1, 'steps cut short')
  return failure
end

-- Answers an error, before anything was written, or nothing.
local function write_all()
  for i, add in ipairs(visitors) do
    if i == 1 then
      local added = redis.pcall('PFADD', add[1], string.sub(add[2], 1, 8))
      if type(added) == 'table' then
        return added
      end
    end
    over_ids('PFADD', add[1], add[2])
  end
  for _, write in ipairs(writes) do
    write()
  end
end
