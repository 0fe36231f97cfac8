#!lua flags=no-writes
-- One part of a site's paths, with what both of its sorted sets hold of them at this moment, and with the site's
-- totals as they are at the same moment. Bounded: a whole set may be too long for one script.
--
-- KEYS  1 the set that is walked over (zset)   2 the other one (zset)   3 luot:{pNN}:S:totals (hash)
-- ARGV  1 cursor   2 count, as ZSCAN takes them; count 0: no walk
--       3... paths that are looked up
-- Answers { next cursor, views, baseline_views, edits, rows, looked up }; rows: path, score, score in the other;
-- looked up: score, score in the other. A score that is not there is nil.
local walked, other, totals = KEYS[1], KEYS[2], KEYS[3]
local most = 500

-- Adds what both sets hold of `names` to `out`; `own`: the scores in the walked one, where they are known.
local function add_scores(out, names, with_names, own)
  for from = 1, #names, most do
    local upto = math.min(from + most - 1, #names)
    local here = not own and redis.call('ZMSCORE', walked, unpack(names, from, upto))
    local there = redis.call('ZMSCORE', other, unpack(names, from, upto))
    for i = from, upto do
      if with_names then
        out[#out + 1] = names[i]
      end
      out[#out + 1] = own and own[i] or here and here[i - from + 1] or false
      out[#out + 1] = there[i - from + 1]
    end
  end
  return out
end

local part = { ARGV[1], {} }
if ARGV[2] ~= '0' then
  part = redis.call('ZSCAN', walked, ARGV[1], 'COUNT', ARGV[2])
end
local names, scores = {}, {}
for i = 1, #part[2], 2 do
  names[#names + 1] = part[2][i]
  scores[#scores + 1] = part[2][i + 1]
end
local wanted = {}
for i = 3, #ARGV do
  wanted[#wanted + 1] = ARGV[i]
end
local held = redis.call('HMGET', totals, 'views', 'baseline_views', 'edits')
return { part[1], held[1], held[2], held[3], add_scores({}, names, true, scores), add_scores({}, wanted, false) }
