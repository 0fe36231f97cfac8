-- One step of a correction (corrections.hpp): changes of counts and of names that an operator has asked for, all or
-- nothing, and what the log says of them. steps.lua is put before it; the steps are its own.
--
-- KEYS  1 luot:{pNN}:S:corrections (hash)   2 luot:{pNN}:S:totals (hash)   3 luot:{pNN}:producers (hash)
--       4 luot:{pNN}:tallies (list)         5... the keys that the steps name by their index
-- ARGV  1 mark                   that the log has, as the caller read it: nobody has corrected anything since
--       2 next                   the mark that it gets: a text used once only
--       3 'pages'                pages are changed: rows must not be waiting (what is to be corrected would come
--                                later), and whoever remembers pages is told (prune.lua); 'all': as pages, and
--                                nothing of the site is to stay, not even the log; '': they are not
--       4... steps, each a letter, then arguments (k: index into KEYS)
--         L number record        the log's record        D number           the log drops one
--         A k from to most       an address is another's  a k from to        it is so no more
--         N k page most          a page is in no list     n k page           it is again
--         I k field delta        adds to a count of a hash
--         Z k member delta ends cap  adds to a row; one that has none left goes; what is new beyond `cap` rows (0: any
--                                number) is added to '(other)'; a new key ends then (ms; 0: never)
--         M k from to n exact cap    so much of a row becomes another's; exact '1': it must have so much
--         W k k page n ends cap  visitors of a page in the days' index of them (the first key): as its HyperLogLog (the
--                                second) says, where it still is there; else n, or what the index has, if that is more
--         F k page facts         takes facts of a page, which are these; f k page facts   puts them there; of those
--                                that have come since the votes stay, and the earlier day on which it was first seen
--         X k visitor old new    a visit that has not changed meanwhile is this one now
--         R k k                  renames a key, which may be missing, to one that is not there
--         B k k how cap          puts the first, a key that R took, back under the second's name, and what has come
--                                under that name since beside it; how: sum (rows, counts: beyond `cap` rows, 0:
--                                any number, in '(other)'), set (fields as they are now), facts (as f), last (the
--                                higher score; `cap` rows), visitors
--         V k day month totals   visitors of a day as its HyperLogLog says, never above its views
--         U k                    drops a key
--         J k text               what this step has taken, behind the last   j k text   takes the last off again
-- Answers 'ok'; 'moved' when the log has another mark, or what is to be taken is not there any more; 'waits' when rows
-- wait; 'much' when more has come since than one step can put together. Nothing was changed then.

local log, totals, producers, tallies = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mark, following, is_all = ARGV[1], ARGV[2], ARGV[3] == 'all'
local is_of_pages = is_all or ARGV[3] == 'pages'
local most_merged = 5000
local call = redis.call
local outcome

local kinds = {}
local function kind_of(key)
  kinds[key] = kinds[key] or call('TYPE', key).ok
  return kinds[key]
end
local function text(number)
  return string.format('%.0f', number)
end

check_kind(log, 'hash')
check_kind(totals, 'hash')
check_kind(producers, 'hash')
check_kind(tallies, 'list')
if failure then
  return redis.error_reply('LUOT ' .. failure)
end
local refused = may_call({ { 'HSET', log, 'f', 'v' }, { 'HDEL', log, 'f' }, { 'ZADD', log, '1', 'm' },
  { 'ZREM', log, 'm' }, { 'SADD', log, 'm' }, { 'SREM', log, 'm' }, { 'RENAME', log, log }, { 'UNLINK', log },
  { 'RPUSH', log, 'x' }, { 'RPOP', log }, { 'PFMERGE', log, log }, { 'PFCOUNT', log }, { 'PEXPIREAT', log, '1' },
  { 'APPEND', log, 'x' } })
if refused then
  return redis.error_reply(refused)
end
if (call('HGET', log, 'mark') or '') ~= mark then
  return 'moved'
end
if is_of_pages and call('EXISTS', tallies) == 1 then
  return 'waits'
end

-- Values as they will be, and what is written once everything is checked: these, then the rest in order.
local counts, rows, row_ends = {}, {}, {}
local function count_of(key, field)
  counts[key] = counts[key] or {}
  counts[key][field] = counts[key][field] or whole(call('HGET', key, field) or '0', key .. ' ' .. field)
  return counts[key][field]
end
local function row_of(key, member)
  rows[key] = rows[key] or {}
  rows[key][member] = rows[key][member] or whole(call('ZSCORE', key, member) or '0', key)
  return rows[key][member]
end
-- A new row has a place among `cap`, '(other)' apart.
local sizes = {}
local function add_to_row(key, member, delta, cap)
  local before = row_of(key, member)
  if before == 0 and delta > 0 and cap > 0 and member ~= '(other)' then
    sizes[key] = sizes[key] or call('ZCARD', key) - (call('ZSCORE', key, '(other)') and 1 or 0)
    if sizes[key] >= cap then
      return add_to_row(key, '(other)', delta, 0)
    end
    sizes[key] = sizes[key] + 1
  end
  if before + delta < 0 then
    outcome = outcome or 'moved'
  end
  rows[key][member] = before + delta
end
local function key_at(at)
  return must(KEYS[tonumber(ARGV[at]) or 0], 'a key index out of range')
end

steps = {}
function steps.L(at)
  later(function()
    local last = tonumber(call('HGET', log, 'last') or '0') or 0
    call('HSET', log, ARGV[at], ARGV[at + 1], 'last', text(math.max(last, tonumber(ARGV[at]))))
  end)
  return at + 2
end
function steps.D(at)
  later(function() call('HDEL', log, ARGV[at]) end)
  return at + 1
end

local added = 0
function steps.A(at)
  local key, from, to, most = key_at(at), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  check_kind(key, 'hash')
  if failure then return at + 4 end
  added = added + 1
  if call('HEXISTS', key, from) == 1 then
    outcome = outcome or 'moved'
  end
  must(call('HLEN', key) + added <= most, 'too many addresses are merged')
  later(function() call('HSET', key, from, to) end)
  return at + 4
end
function steps.a(at)
  local key, from, to = key_at(at), ARGV[at + 1], ARGV[at + 2]
  check_kind(key, 'hash')
  if failure then return at + 3 end
  later(function()
    if call('HGET', key, from) == to then
      call('HDEL', key, from)
    end
  end)
  return at + 3
end
function steps.N(at)
  local key, page, most = key_at(at), ARGV[at + 1], tonumber(ARGV[at + 2])
  check_kind(key, 'set')
  if failure then return at + 3 end
  must(call('SCARD', key) < most, 'too many pages are hidden')
  later(function() call('SADD', key, page) end)
  return at + 3
end
function steps.n(at)
  local key, page = key_at(at), ARGV[at + 1]
  check_kind(key, 'set')
  later(function() call('SREM', key, page) end)
  return at + 2
end

function steps.I(at)
  local key, field = key_at(at), ARGV[at + 1]
  check_kind(key, 'hash')
  if failure then return at + 3 end
  local value = count_of(key, field) + whole(ARGV[at + 2], 'an addition')
  if value < 0 then
    outcome = outcome or 'moved'
  end
  counts[key][field] = value
  return at + 3
end
function steps.Z(at)
  local key, member = key_at(at), ARGV[at + 1]
  check_kind(key, 'zset')
  if failure then return at + 5 end
  row_ends[key] = tonumber(ARGV[at + 3])
  add_to_row(key, member, whole(ARGV[at + 2], 'an addition'), whole(ARGV[at + 4], 'a bound'))
  return at + 5
end
function steps.M(at)
  local key, from, to, n = key_at(at), ARGV[at + 1], ARGV[at + 2], whole(ARGV[at + 3], 'an addition')
  check_kind(key, 'zset')
  if failure then return at + 6 end
  local held = row_of(key, from)
  if held < n and ARGV[at + 4] == '1' then
    outcome = outcome or 'moved'
  end
  n = math.min(n, held)
  add_to_row(key, from, -n, 0)
  add_to_row(key, to, n, whole(ARGV[at + 5], 'a bound'))
  return at + 6
end

-- Facts of a page are as page_votes.hpp encodes them: a version, the day on which it was first seen, and the votes of its last
-- readers, the newest last: 4 bytes of the voter, title and section. Numbers are varints; a text is the number of its first
-- time, and there its length and bytes follow.
local function number_at(facts, at)
  local value, scale = 0, 1
  for i = at, math.min(at + 8, #facts) do
    local byte = string.byte(facts, i)
    value, scale = value + byte % 128 * scale, scale * 128
    if byte < 128 then
      return value, i + 1
    end
  end
end
local function number_text(value)
  local out = ''
  while value >= 128 do
    value, out = math.floor(value / 128), out .. string.char(128 + value % 128)
  end
  return out .. string.char(value)
end
-- Nil where they cannot be read.
local function decoded_facts(facts)
  local day, at = number_at(facts, 2)
  local said, votes = {}, {}
  while at and at <= #facts do
    local vote = { string.sub(facts, at, at + 3) }
    at = at + 4
    for i = 2, 3 do
      local n, size
      n, at = number_at(facts, at)
      if n and n == #said then
        size, at = number_at(facts, at)
        if not at or at + size - 1 > #facts then
          return
        end
        said[n + 1], at = string.sub(facts, at, at + size - 1), at + size
      end
      vote[i] = n and said[n + 1]
      if not vote[i] then
        return
      end
    end
    votes[#votes + 1] = vote
  end
  return at and day, votes
end
local function encoded_facts(version, day, votes)
  local numbers, said = {}, 0
  local out = { version, number_text(day) }
  for _, vote in ipairs(votes) do
    out[#out + 1] = vote[1]
    for i = 2, 3 do
      if numbers[vote[i]] then
        out[#out + 1] = number_text(numbers[vote[i]])
      else
        numbers[vote[i]] = said
        out[#out + 1] = number_text(said) .. number_text(#vote[i]) .. vote[i]
        said = said + 1
      end
    end
  end
  return table.concat(out)
end
-- As in page_votes.cpp: the oldest vote of those for what the fewest say becomes one for nothing.
local function silence_one(votes)
  local agree, chosen = {}, nil
  for _, vote in ipairs(votes) do
    local says = #vote[2] .. ':' .. vote[2] .. vote[3]
    vote.says, agree[says] = says, (agree[says] or 0) + 1
  end
  for _, vote in ipairs(votes) do
    if (vote[2] ~= '' or vote[3] ~= '') and (not chosen or agree[vote.says] < agree[chosen.says]) then
      chosen = vote
    end
  end
  if chosen then
    chosen[2], chosen[3] = '', ''
  end
end
-- As many votes, the newest, and bytes as page_votes.hpp keeps.
local most_votes, most_fact_bytes = 16, 1000
local function joined_facts(before, since)
  local day_before, votes_before = decoded_facts(before)
  local day_since, votes = decoded_facts(since)
  local version = string.sub(since, 1, 1)
  if not day_before or not day_since or string.sub(before, 1, 1) ~= version then
    return since
  end
  local has_voted = {}
  for _, vote in ipairs(votes) do
    has_voted[vote[1]] = true
  end
  for i = #votes_before, 1, -1 do
    if #votes < most_votes and not has_voted[votes_before[i][1]] then
      table.insert(votes, 1, votes_before[i])
    end
  end
  local day = day_since
  if day_before > 0 and (day_since == 0 or day_before < day_since) then
    day = day_before
  end
  local facts = encoded_facts(version, day, votes)
  for _ = 1, #votes do
    if #facts > most_fact_bytes then
      silence_one(votes)
      facts = encoded_facts(version, day, votes)
    end
  end
  return facts
end
local function put_facts(key, page, facts)
  local now = call('HGET', key, page)
  call('HSET', key, page, now and joined_facts(facts, now) or facts)
end
function steps.F(at)
  local key, field, value = key_at(at), ARGV[at + 1], ARGV[at + 2]
  check_kind(key, 'hash')
  if failure then return at + 3 end
  if call('HGET', key, field) ~= value then
    outcome = outcome or 'moved'
  end
  later(function() call('HDEL', key, field) end)
  return at + 3
end
function steps.f(at)
  local key, field, value = key_at(at), ARGV[at + 1], ARGV[at + 2]
  check_kind(key, 'hash')
  later(function() put_facts(key, field, value) end)
  return at + 3
end
function steps.X(at)
  local key, visitor, old, new = key_at(at), ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  check_kind(key, 'hash')
  later(function()
    if call('HGET', key, visitor) == old then
      call('HSET', key, visitor, new)
    end
  end)
  return at + 4
end

local function check_hyperloglog(key)
  if key and call('EXISTS', key) == 1 then
    must(type(redis.pcall('PFCOUNT', key)) == 'number', key .. ' is no HyperLogLog')
  end
end
function steps.R(at)
  local from, to = key_at(at), key_at(at + 1)
  if failure then return at + 2 end
  must(call('EXISTS', to) == 0, to .. ' is there already')
  later(function()
    if call('EXISTS', from) == 1 then
      call('RENAME', from, to)
    end
  end)
  return at + 2
end

function steps.W(at)
  local index, key, page = key_at(at), key_at(at + 1), ARGV[at + 2]
  local n, ends, cap = whole(ARGV[at + 3], 'visitors'), whole(ARGV[at + 4], 'a time'), whole(ARGV[at + 5], 'a bound')
  check_kind(index, 'zset')
  if failure then return at + 6 end
  check_hyperloglog(key)
  later(function()
    local held, size = call('ZSCORE', index, page), call('ZCARD', index)
    if not held and size >= cap then
      return
    end
    local is_there = call('EXISTS', key) == 1
    call('ZADD', index, text(is_there and call('PFCOUNT', key) or math.max(n, tonumber(held or '0'))), page)
    if size == 0 and ends > 0 then
      call('PEXPIREAT', index, text(ends))
    end
  end)
  return at + 6
end

local merged = 0
local function put_back(kept, now, how, cap)
  if how == 'visitors' then
    call('PFMERGE', kept, now)
  elseif how == 'last' then
    local list = call('ZRANGE', now, 0, -1, 'WITHSCORES')
    local size = call('ZCARD', kept)
    for i = 1, #list, 2 do
      if cap == 0 or size < cap or call('ZSCORE', kept, list[i]) then
        size = size + call('ZADD', kept, 'GT', list[i + 1], list[i])
      end
    end
  elseif how == 'text' then
    call('APPEND', kept, call('GET', now))
  elseif kind_of(kept) == 'zset' then
    local list = call('ZRANGE', now, 0, -1, 'WITHSCORES')
    local size = call('ZCARD', kept) - (call('ZSCORE', kept, '(other)') and 1 or 0)
    for i = 1, #list, 2 do
      local member = list[i]
      if member ~= '(other)' and not call('ZSCORE', kept, member) then
        size = size + 1
        if cap > 0 and size > cap then
          member = '(other)'
        end
      end
      call('ZINCRBY', kept, list[i + 1], member)
    end
  else
    local list = call('HGETALL', now)
    for i = 1, #list, 2 do
      if how == 'facts' then
        local before = call('HGET', kept, list[i])
        call('HSET', kept, list[i], list[i + 1])
        if before then
          put_facts(kept, list[i], before)
        end
      elseif how == 'set' or list[i] == 'pruned_at' then
        call('HSET', kept, list[i], list[i + 1])
      else
        call('HINCRBY', kept, list[i], list[i + 1])
      end
    end
  end
end
function steps.B(at)
  local kept, now, how, cap = key_at(at), key_at(at + 1), ARGV[at + 2], tonumber(ARGV[at + 3])
  if failure then return at + 4 end
  if kind_of(kept) == 'none' then
    return at + 4  -- it has ended
  end
  check_kind(now, kind_of(kept))
  if failure then return at + 4 end
  if kind_of(now) ~= 'none' then
    local kind = kind_of(kept)
    if how == 'visitors' then
      check_hyperloglog(kept)
      check_hyperloglog(now)
    elseif kind == 'zset' or kind == 'hash' then
      merged = merged + call(kind == 'zset' and 'ZCARD' or 'HLEN', now)
    end
    if kind == 'hash' and how == 'sum' then
      for _, list in ipairs({ call('HGETALL', now), merged <= most_merged and call('HGETALL', kept) or {} }) do
        for i = 2, #list, 2 do
          whole(list[i], kept .. ' ' .. list[i - 1])
        end
      end
    end
  end
  if merged > most_merged then
    outcome = outcome or 'much'
  end
  later(function()
    if kind_of(now) ~= 'none' then
      put_back(kept, now, how, cap)
      call('UNLINK', now)
    end
    call('RENAME', kept, now)
  end)
  return at + 4
end
function steps.V(at)
  local key, day, month, all = key_at(at), key_at(at + 1), key_at(at + 2), key_at(at + 3)
  check_kind(day, 'hash')
  check_kind(month, 'hash')
  check_kind(all, 'hash')
  check_hyperloglog(key)
  if failure then return at + 4 end
  later(function()
    local held = call('HMGET', day, 'visitors', 'views')
    local before = tonumber(held[1] or '0')
    local now = math.min(call('PFCOUNT', key), tonumber(held[2] or '0'))
    if now ~= before then
      call('HSET', day, 'visitors', text(now))
      for _, sum in ipairs({ month, all }) do
        local days = tonumber(call('HGET', sum, 'visitor_days') or '0') + now - before
        call('HSET', sum, 'visitor_days', text(math.max(0, days)))
      end
    end
  end)
  return at + 4
end
function steps.U(at)
  local key = key_at(at)
  later(function() call('UNLINK', key) end)
  return at + 1
end
function steps.J(at)
  local key, bytes = key_at(at), ARGV[at + 1]
  check_kind(key, 'list')
  later(function() call('RPUSH', key, bytes) end)
  return at + 2
end
function steps.j(at)
  local key, bytes = key_at(at), ARGV[at + 1]
  check_kind(key, 'list')
  if failure then return at + 2 end
  if call('LINDEX', key, -1) ~= bytes then
    outcome = outcome or 'moved'
  end
  later(function() call('RPOP', key) end)
  return at + 2
end

take_steps(4)
local edits = whole(call('HGET', totals, 'edits') or '0', totals .. ' edits')
if failure then
  return redis.error_reply('LUOT correct: ' .. failure)
end
if outcome then
  return outcome
end

for key, fields in pairs(counts) do
  for field, value in pairs(fields) do
    call('HSET', key, field, text(value))
  end
end
for key, members in pairs(rows) do
  local is_new = kind_of(key) == 'none'
  for member, value in pairs(members) do
    if value == 0 then
      call('ZREM', key, member)
    else
      call('ZADD', key, text(value), member)
    end
  end
  if is_new and (row_ends[key] or 0) > 0 then
    call('PEXPIREAT', key, text(row_ends[key]))
  end
end
write_all()
if is_of_pages then
  local tip = call('HGET', producers, 'tip') or ''
  call('HSET', producers, 'tip', string.match(tip, '^[^~]*') .. '~' .. following)
  if not is_all then
    call('HSET', totals, 'edits', text(edits + 1), 'pruned_at', call('TIME')[1])
  end
end
if not is_all then
  call('HSET', log, 'mark', following)
end
return 'ok'
