#!lua flags=no-writes
-- Which of a batch's hit ids were counted before: whether they are in any of the partition's sets.
--
-- KEYS  the sets
-- ARGV  1 ids   8 bytes each, one behind the other
-- Answers one character for each id, in their order: '1' known, '0' not.
local ids, most = ARGV[1], 500
local known, total = {}, #ids / 8
for from = 0, total - 1, most do
  local members = {}
  for i = from, math.min(from + most, total) - 1 do
    members[#members + 1] = string.sub(ids, 8 * i + 1, 8 * i + 8)
    known[i + 1] = '0'
  end
  for _, set in ipairs(KEYS) do
    local found = redis.call('SMISMEMBER', set, unpack(members))
    for i = 1, #found do
      if found[i] == 1 then
        known[from + i] = '1'
      end
    end
  end
end
return table.concat(known)
