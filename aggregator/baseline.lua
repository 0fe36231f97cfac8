#!lua
-- One step of importing a site's starting totals. Each row sets what was imported for a path; the page's
-- views change by the difference, so that hits counted meanwhile stay and a step done twice changes nothing.
--
-- KEYS  1 luot:{pNN}:S:pages (zset)   2 luot:{pNN}:S:baseline (zset)   3 luot:{pNN}:S:totals (hash)
-- ARGV  'rows' then path, views, path, views ... (500 rows at most)
--       'site' then views, visits
-- Each step that changes something counts in `edits` of the totals: who sums up the pages in parts (rows.lua) sees
-- that they changed by more than hits. `imports` counts them, too: who would take imported views
-- back sees that others are there now (corrections.cpp).
-- Answers 'ok'.
local pages, baseline, totals = KEYS[1], KEYS[2], KEYS[3]
for key, wanted in pairs({ [pages] = 'zset', [baseline] = 'zset', [totals] = 'hash' }) do
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'none' and kind ~= wanted then
    return redis.error_reply('LUOT ' .. key .. ' is of a wrong type')
  end
end
if ARGV[1] == 'rows' and #ARGV % 2 == 0 then
  return redis.error_reply('LUOT baseline: a path without views')
end
for i = ARGV[1] == 'rows' and 3 or 2, #ARGV, ARGV[1] == 'rows' and 2 or 1 do
  if not tonumber(ARGV[i]) or tonumber(ARGV[i]) < 0 then
    return redis.error_reply('LUOT baseline: a number is expected')
  end
end

-- Redis does not roll a script back: whatever may fail below is looked at before the first write.
for _, call in ipairs({
  { 'ZADD', baseline, '1', 'm' }, { 'ZREM', baseline, 'm' }, { 'ZINCRBY', pages, '1', 'm' }, { 'ZREM', pages, 'm' },
  { 'HSET', totals, 'f', 'v' }, { 'HINCRBY', totals, 'f', '1' } }) do
  if not redis.acl_check_cmd(unpack(call)) then
    return redis.error_reply('NOPERM LUOT: the user of redis.url may not ' .. call[1])
  end
end
for _, field in ipairs({ 'edits', 'imports' }) do
  local count = redis.call('HGET', totals, field) or '0'
  if count ~= '0' and (#count > 15 or not string.match(count, '^[1-9]%d*$')) then
    return redis.error_reply('LUOT ' .. totals .. ': ' .. field .. ' is no number; HDEL it')
  end
end

local function edited()
  redis.call('HINCRBY', totals, 'edits', 1)
  redis.call('HINCRBY', totals, 'imports', 1)
end

if ARGV[1] == 'site' then
  local held = redis.call('HMGET', totals, 'baseline_views', 'baseline_visits')
  if held[1] ~= ARGV[2] or held[2] ~= ARGV[3] then
    redis.call('HSET', totals, 'baseline_views', ARGV[2], 'baseline_visits', ARGV[3])
    edited()
  end
  return 'ok'
end
local is_edited = false
for i = 2, #ARGV, 2 do
  local path, views = ARGV[i], tonumber(ARGV[i + 1])
  local more = views - tonumber(redis.call('ZSCORE', baseline, path) or '0')
  if views == 0 then
    redis.call('ZREM', baseline, path)
  else
    redis.call('ZADD', baseline, ARGV[i + 1], path)
  end
  is_edited = is_edited or more ~= 0
  if more ~= 0 and tonumber(redis.call('ZINCRBY', pages, string.format('%.0f', more), path)) == 0 then
    redis.call('ZREM', pages, path)
  end
end
if is_edited then
  edited()
end
return 'ok'
