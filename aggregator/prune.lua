#!lua flags=allow-oom
-- One step of `luot prune`: takes paths that hardly anybody reads out of a site's pages; their views go to
-- "(other)", so that every sum stays. Each path is looked at again here, so hits counted meanwhile save it and
-- a step done twice changes nothing. allow-oom: it makes room.
--
-- KEYS  1 luot:{pNN}:S:pages (zset)   2 luot:{pNN}:S:baseline (zset)   3 luot:{pNN}:producers (hash)
--       4 luot:{pNN}:S:totals (hash)       5 luot:{pNN}:S:facts (hash)
--       or 1 luot:{pNN}:S:day:D:first_seen (string)
-- ARGV  'paths' then the number of views that saves a path, a text used once only, and the paths (500 at most).
--               Answers { a flag '1' (taken) or '0' for each path, their views }
--       'day'   then the length that the list was read with, and what of it is to stay. Answers 'ok', or 'moved'
--               when it is another one now: nothing was changed
--
-- Aggregators remember which paths exist, as of the partition's `tip` (docs/exactly-once.md): it gets the new text
-- behind a ~, which makes them ask again, and a path that was taken is a new one. `edits` of the totals counts the
-- steps for who sums up the pages in parts (rows.lua), `pruned_at` is the time of the last one: what was new before
-- it may be no page any more.

local function check(kinds, commands)
  for i, wanted in ipairs(kinds) do
    local kind = redis.call('TYPE', KEYS[i]).ok
    if kind ~= 'none' and kind ~= wanted then
      return redis.error_reply('LUOT ' .. KEYS[i] .. ' is a ' .. kind .. ', not a ' .. wanted)
    end
  end
  for _, call in ipairs(commands) do
    if not redis.acl_check_cmd(unpack(call)) then
      return redis.error_reply('NOPERM LUOT: the user of redis.url may not ' .. call[1])
    end
  end
end

if ARGV[1] == 'day' then
  local key, length, rest = KEYS[1], tonumber(ARGV[2]), ARGV[3]
  local wrong = check({ 'string' }, { { 'SET', key, 'x' }, { 'UNLINK', key } })
  if wrong then
    return wrong
  end
  if redis.call('STRLEN', key) ~= length then
    return 'moved'
  end
  if rest == '' then
    redis.call('UNLINK', key)
  else
    redis.call('SET', key, rest)
  end
  return 'ok'
end

local pages, baseline, producers, totals, facts = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local enough, mark = tonumber(ARGV[2]), ARGV[3]
local wrong = check({ 'zset', 'zset', 'hash', 'hash', 'hash' },
  { { 'ZREM', pages, 'm' }, { 'ZINCRBY', pages, '1', 'm' }, { 'HSET', producers, 'f', 'v' },
    { 'HDEL', facts, 'f' }, { 'HINCRBY', totals, 'f', '1' }, { 'HSET', totals, 'f', 'v' } })
if wrong then
  return wrong
end
local edits = redis.call('HGET', totals, 'edits') or '0'
if edits ~= '0' and (#edits > 15 or not string.match(edits, '^[1-9]%d*$')) then
  return redis.error_reply('LUOT ' .. totals .. ': edits is no number; HDEL it')
end
if not enough or #ARGV < 4 then
  return redis.error_reply('LUOT prune: bad arguments')
end
local paths = { unpack(ARGV, 4) }
local views = redis.call('ZMSCORE', pages, unpack(paths))
local imported = redis.call('ZMSCORE', baseline, unpack(paths))
local taken, flags, sum = {}, {}, 0
for i, path in ipairs(paths) do
  local is_row = path == '(other)' or path == '(before)'
  if views[i] and tonumber(views[i]) < enough and not imported[i] and not is_row then
    taken[#taken + 1] = path
    sum = sum + tonumber(views[i])
    flags[i] = '1'
  else
    flags[i] = '0'
  end
end
if #taken > 0 then
  local tip = redis.call('HGET', producers, 'tip') or ''
  redis.call('HSET', producers, 'tip', string.match(tip, '^[^~]*') .. '~' .. mark)
  redis.call('HINCRBY', totals, 'edits', 1)
  redis.call('HSET', totals, 'pruned_at', redis.call('TIME')[1])
  redis.call('ZREM', pages, unpack(taken))
  redis.call('HDEL', facts, unpack(taken))
  redis.call('ZINCRBY', pages, string.format('%.0f', sum), '(other)')
end
return { table.concat(flags), string.format('%.0f', sum) }
