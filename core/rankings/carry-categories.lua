-- Takes over categories from another edition of the same shard, for products of which this one has heard none: they may have been
-- told longer ago than the raw batches reach. A bounded number per call.
--
-- KEYS origin    string  the edition is open here
--      from      hash    product -> packed record, of the other edition
--      products  hash    product -> packed record
--      dirty     set     products to be scored
-- ARGV cursor           where to go on; 0 at first
--      most             products to look through, about
--
-- Replies: carried cursor count | missing
--          cursor: 0 at the end
local origin, from, products, dirty = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local cursor, most = ARGV[1], ARGV[2]

local function categoryOf(record)
  local width = string.byte(record, 1)
  return string.sub(record, 10 + 3 * 8 * (3 + width) + 2 * 8 * (3 + 2 * width))
end

if redis.call('EXISTS', origin) == 0 then return { 'missing' } end
local scanned = redis.call('HSCAN', from, cursor, 'COUNT', most)
local names, categories = {}, {}
for i = 1, #scanned[2], 2 do
  local category = categoryOf(scanned[2][i + 1])
  if category ~= '' then names[#names + 1], categories[#names + 1] = scanned[2][i], category end
end
local changed, lacking = {}, {}
if #names > 0 then
  local records = redis.call('HMGET', products, unpack(names))
  for i = 1, #names do
    if records[i] and categoryOf(records[i]) == '' then
      lacking[#lacking + 1] = names[i]
      changed[#changed + 1], changed[#changed + 2] = names[i], records[i] .. categories[i]
    end
  end
end

if #lacking > 0 then
  redis.call('HSET', products, unpack(changed))
  redis.call('SADD', dirty, unpack(lacking))
end
return { 'carried', scanned[1], #lacking }
