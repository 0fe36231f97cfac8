#!lua flags=no-writes
-- Some entries of a stream of hits, without the hits; behind the last of them also what must agree with all of
-- them at this moment.
--
-- KEYS  1 luot:{pNN}:hits or :rejected (stream)   2 luot:{pNN}:producers (hash), if it is wanted
-- ARGV  1 from    "-", or "(id" of the entry before
--       2 count   entries at most
-- Answers { entries, id of the first entry, number of entries, all fields of the producers }; the last three only
-- when there is no entry behind those answered. An entry: { id, producer, offset before, last offset, bytes of its
-- hits, "1" if it has a reason }.
local count = tonumber(ARGV[2])
local entries = {}
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', count)
for i = 1, #found do
  local of = {}
  local fields = found[i][2]
  for j = 1, #fields, 2 do
    of[fields[j]] = fields[j + 1]
  end
  entries[i] = { found[i][1], of.p or '', of.f or '', of.l or '', #(of.h or ''), of.reason and '1' or '0' }
end
if #found == count then
  return { entries }
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return { entries, first[1] and first[1][1] or '', redis.call('XLEN', KEYS[1]),
  KEYS[2] and redis.call('HGETALL', KEYS[2]) or {} }
