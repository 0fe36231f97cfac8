-- Puts one day of a site, counted again, in the place of what was counted: `luot reclassify`. All or nothing, and only
-- if the day still is as it was read. Redis does not roll a script back: everything is read and checked before the
-- first write. steps.lua is put before it; the steps are its own.
--
-- KEYS  1 luot:{pNN}:S:day:D (hash)      2 luot:{pNN}:S:month:M (hash)       3 luot:{pNN}:S:totals (hash)
--       4 luot:{pNN}:S:pages (zset)      5 luot:{pNN}:S:baseline (zset)      6 luot:{pNN}:S:facts (hash)
--       7 luot:{pNN}:producers (hash)    8 luot:{pNN}:S:day:D:visitors (HyperLogLog)
--       9 luot:{pNN}:S:day:D:first_seen (string)
--       10... breakdowns of the day and the month that the steps name by their index (zset)
-- ARGV  1 a text used once only, 2 max_paths, 3 the length of first_seen as it was read, 4 first_seen as it is to be,
--       5 the visitors, 8 bytes each, 6 how many fields the day has, then that many fields and values, then steps:
--         H k n (field delta)*n           add to the fields of a hash
--         C k cap ends n (member delta)*n add to the rows of a breakdown; beyond `cap` rows to '(other)', from which
--                                         comes what a row has not; a new key expires at `ends` (ms; 0: never)
--         Z n (path delta)*n              the same with the pages; one without views goes, with its facts
--         V n (path votes)*n              facts of pages that have none
-- Answers 'ok', or 'moved' when the day or its first_seen is another one by now: nothing was changed.

local kinds = { 'hash', 'hash', 'hash', 'zset', 'zset', 'hash', 'hash', 'string', 'string' }
for i, key in ipairs(KEYS) do
  check_kind(key, kinds[i] or 'zset')
end
if failure then
  return redis.error_reply('LUOT ' .. failure)
end
local day, month, totals, pages, baseline = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local facts, producers, visitors, first_seen = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local refused = may_call({ { 'HSET', day, 'f', 'v' }, { 'HDEL', day, 'f' }, { 'ZADD', pages, '0', 'm' },
  { 'ZREM', pages, 'm' }, { 'HSETNX', facts, 'f', 'v' }, { 'PFADD', visitors, 'm' }, { 'UNLINK', visitors },
  { 'SET', first_seen, 'x' }, { 'PEXPIREAT', pages, '1' }, { 'HINCRBY', totals, 'f', '1' } })
if refused then
  return redis.error_reply(refused)
end

local mark, max_paths, list_bytes, list, ids = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local count = tonumber(ARGV[6])
if not (max_paths and list_bytes and ids and count) or #ids % 8 ~= 0 then
  return redis.error_reply('LUOT reclassify: bad arguments')
end
local held, now = {}, redis.call('HGETALL', day)
for i = 1, #now, 2 do
  held[now[i]] = now[i + 1]
end
local is_same = #now == 2 * count and redis.call('STRLEN', first_seen) == list_bytes
for i = 7, 5 + 2 * count, 2 do
  is_same = is_same and held[ARGV[i]] == ARGV[i + 1]
end
if not is_same then
  return 'moved'
end

local function pairs_at(at, n)
  local names, deltas = {}, {}
  for i = 1, n do
    names[i] = ARGV[at + 2 * i - 2]
    deltas[i] = whole(ARGV[at + 2 * i - 1], 'a difference')
  end
  must(#names == n, 'steps cut short')
  return names, deltas, at + 2 * n
end

local views = whole(held.views or '0', day)
local is_edited, is_remembered_wrong = false, false
steps = {}

function steps.H(at)
  local key = KEYS[tonumber(ARGV[at])]
  local names, deltas, after = pairs_at(at + 2, tonumber(ARGV[at + 1]))
  if not must(key, 'a key index out of range') or failure then return after end
  local old, new, gone = present('HMGET', key, names), {}, {}
  for i, name in ipairs(names) do
    local value = whole(old[i] or '0', key) + deltas[i]
    must(value >= 0, key .. ' has too little ' .. name)
    if key == day and name == 'views' then
      views = value
    end
    if value == 0 then
      gone[#gone + 1] = name
    else
      new[#new + 1] = name
      new[#new + 1] = value
    end
  end
  later_pairs('HSET', key, new)
  later_pairs('HDEL', key, gone)
  return after
end

-- New scores of names in a sorted set with a row for the rest; those without a score go. `floor` holds what a name
-- must keep.
local function add_up(key, cap, names, deltas, floor)
  local old, new, gone = present('ZMSCORE', key, names), {}, {}
  local rest_before = redis.call('ZSCORE', key, '(other)')
  local size, rest = redis.call('ZCARD', key) - (rest_before and 1 or 0), 0
  local before = rest
  for i, name in ipairs(names) do  -- what goes first makes room
    if name ~= '(other)' and old[i] and deltas[i] < 0 then
      local least = whole(floor[i] or '0', key)
      local value = whole(old[i], key) + deltas[i]
      if value < least then
        rest, value = rest + value - least, least
      end
      if value == 0 and not floor[i] then
        size = size - 1
        gone[#gone + 1] = name
      else
        new[#new + 1] = value
        new[#new + 1] = name
      end
    end
  end
  local come = 0
  for i, name in ipairs(names) do
    if name == '(other)' or (not old[i] and (deltas[i] < 0 or size >= cap)) then
      rest = rest + deltas[i]
    elseif deltas[i] >= 0 then
      if not old[i] then
        size, come = size + 1, come + 1
      end
      new[#new + 1] = whole(old[i] or '0', key) + deltas[i]
      new[#new + 1] = name
    end
  end
  if rest ~= before then
    local value = whole(rest_before or '0', key) + rest
    must(value >= 0, key .. ': its row (other) has too little')
    if value == 0 then
      gone[#gone + 1] = '(other)'
    else
      new[#new + 1] = value
      new[#new + 1] = '(other)'
    end
  end
  later_pairs('ZADD', key, new)
  later_pairs('ZREM', key, gone)
  return gone, come
end

function steps.C(at)
  local key, cap, ends = KEYS[tonumber(ARGV[at])], whole(ARGV[at + 1], 'a bound'), whole(ARGV[at + 2], 'a time')
  local names, deltas, after = pairs_at(at + 4, tonumber(ARGV[at + 3]))
  if not must(key, 'a key index out of range') or failure then return after end
  local is_new = redis.call('EXISTS', key) == 0
  add_up(key, cap, names, deltas, {})
  if is_new and ends > 0 then
    later(function()
      redis.call('PEXPIREAT', key, string.format('%.0f', ends))
    end)
  end
  return after
end

function steps.Z(at)
  local names, deltas, after = pairs_at(at + 1, tonumber(ARGV[at]))
  if failure then return after end
  local gone, come = add_up(pages, max_paths, names, deltas, present('ZMSCORE', baseline, names))
  is_edited = #names > 0
  is_remembered_wrong = #gone > 0 or come > 0
  later_pairs('HDEL', facts, gone)
  return after
end

function steps.V(at)
  local n = tonumber(ARGV[at])
  for i = 1, n do
    local path, votes = ARGV[at + 2 * i - 1], ARGV[at + 2 * i]
    must(votes, 'steps cut short')
    later(function()
      if redis.call('ZSCORE', pages, path) then
        redis.call('HSETNX', facts, path, votes)
      end
    end)
  end
  return at + 1 + 2 * n
end

take_steps(7 + 2 * count)
local edits = redis.call('HGET', totals, 'edits') or '0'
must(edits == '0' or (#edits <= 15 and string.match(edits, '^[1-9]%d*$')), totals .. ': edits is no number')
local days_before = whole(held.visitors or '0', day)
local of_month = whole(redis.call('HGET', month, 'visitor_days') or '0', month) - days_before
local of_all = whole(redis.call('HGET', totals, 'visitor_days') or '0', totals) - days_before
must(of_month >= 0 and of_all >= 0, month .. ' has fewer visitor_days than its day')
if failure then
  return redis.error_reply('LUOT reclassify: ' .. failure)
end

write_all()
redis.call('UNLINK', visitors)
for from = 1, #ids, 8 * most do
  local n = math.min(most, (#ids - from + 1) / 8)
  redis.call('PFADD', visitors, unpack({ struct.unpack(string.rep('c8', n), ids, from) }, 1, n))
end
local are = #ids > 0 and math.min(redis.call('PFCOUNT', visitors), views) or 0
local function set(key, field, value)
  if value > 0 then
    redis.call('HSET', key, field, value)
  else
    redis.call('HDEL', key, field)
  end
end
set(day, 'visitors', are)
set(month, 'visitor_days', of_month + are)
set(totals, 'visitor_days', of_all + are)
if list == '' then
  redis.call('UNLINK', first_seen)
else
  redis.call('SET', first_seen, list)
end
-- As `luot prune`: who sums up the pages in parts sees that they changed, and aggregators ask again which there are.
if is_edited then
  redis.call('HINCRBY', totals, 'edits', 1)
end
if is_remembered_wrong then
  local tip = redis.call('HGET', producers, 'tip') or ''
  redis.call('HSET', producers, 'tip', string.match(tip, '^[^~]*') .. '~' .. mark)
end
return 'ok'
