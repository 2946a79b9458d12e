-- Takes products out of a bucket that has left its tier: subtracts them from the tier's window and hands them down to the next tier.
-- A bounded number per call; what was taken is gone from the bucket, so a call that is repeated takes the rest. A product whose
-- last bucket this was is forgotten.
--
-- KEYS marks     hash    tier -> last slot that has left; faults: products whose sums cannot be trusted
--      slots     hash    bucket -> products that it holds
--      leaving   hash    the bucket
--      into      hash    the bucket of the next tier; of the last tier any other
--      products  hash    product -> packed record
--      totals    string  packed sums of all products
--      dirty     set     products to be scored
-- ARGV tier             1, 2, 3: minutes, quarters, hours
--      slot             of the bucket
--      intoUntil        when the next bucket expires, in seconds since 1970
--      cursor           where to go on in the bucket; 0 at first
--      most             products to take, about
--
-- Replies: more cursor taken | drained taken | lost count | early
--          lost: the bucket is gone before it was taken, with so many products
local marks, slots, leaving, into, products, totals, dirty = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local tier, slot, intoUntil, cursor, most = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local pack, unpackFrom, floor = struct.pack, struct.unpack, math.floor
local NAMES, LENGTHS = { 'minutes', 'quarters', 'hours' }, { 1, 15, 60 }

local field = NAMES[tier] .. ':' .. slot
if slot > tonumber(redis.call('HGET', marks, NAMES[tier]) or '-1') then return { 'early' } end
local held = tonumber(redis.call('HGET', slots, field))
if not held then return { 'drained', 0 } end

local scanned = redis.call('HSCAN', leaving, cursor, 'COUNT', most)
local names, sums, count = {}, {}, 0
for i = 1, #scanned[2], 2 do
  count = count + 1
  names[count], sums[count] = scanned[2][i], scanned[2][i + 1]
end
local isLast = scanned[1] == '0'
local lost = isLast and held - count or 0

if count > 0 then
  local records = redis.call('HMGET', products, unpack(names))
  local below = tier < 3 and redis.call('HMGET', into, unpack(names)) or {}
  local total = { unpackFrom('>ddddddddddddddd', redis.call('GET', totals)) }
  local kept, gone, handed, faults = {}, {}, {}, 0
  for i = 1, count do
    local sum, record = { unpackFrom('>ddddd', sums[i]) }, records[i]
    local width, newest = unpackFrom('>BI4', record)
    local starts = { 10 }
    for metric = 2, 6 do starts[metric] = starts[metric - 1] + 8 * (3 + (metric > 4 and 2 * width or width)) end
    local isEmpty = true
    local pieces = { string.sub(record, 1, 9) }
    for metric = 1, 5 do
      local windows = { unpackFrom('>ddd', record, starts[metric]) }
      windows[tier] = windows[tier] - sum[metric]
      total[5 * (tier - 1) + metric] = total[5 * (tier - 1) + metric] - sum[metric]
      if windows[1] ~= 0 or windows[2] ~= 0 or windows[3] ~= 0 then isEmpty = false end
      pieces[metric + 1] = pack('>ddd', windows[1], windows[2], windows[3]) .. string.sub(record, starts[metric] + 24, starts[metric + 1] - 1)
    end
    pieces[7] = string.sub(record, starts[6])
    if tier == 3 and floor(newest / 60) <= slot then
      gone[#gone + 1] = names[i]
      -- It was to have nothing left.
      if not isEmpty then faults = faults + 1 end
    else
      kept[#kept + 1], kept[#kept + 2] = names[i], table.concat(pieces)
    end
    if tier < 3 then
      local old = below[i] and { unpackFrom('>ddddd', below[i]) } or { 0, 0, 0, 0, 0 }
      for metric = 1, 5 do sum[metric] = sum[metric] + old[metric] end
      handed[2 * i - 1], handed[2 * i] = names[i], pack('>ddddd', unpack(sum, 1, 5))
    end
  end
  -- The first write is one that a server whose memory is full still takes; then it takes the others too.
  redis.call('HDEL', leaving, unpack(names))
  redis.call('HINCRBY', slots, field, -count)
  redis.call('SET', totals, pack('>ddddddddddddddd', unpack(total, 1, 15)))
  if #kept > 0 then redis.call('HSET', products, unpack(kept)) end
  if #gone > 0 then redis.call('HDEL', products, unpack(gone)) end
  if tier < 3 then
    local added = redis.call('HSET', into, unpack(handed))
    local below = NAMES[tier + 1] .. ':' .. floor(slot * LENGTHS[tier] / LENGTHS[tier + 1])
    if added > 0 and redis.call('HINCRBY', slots, below, added) == added then redis.call('EXPIREAT', into, intoUntil) end
  end
  redis.call('SADD', dirty, unpack(names))
  if faults > 0 then redis.call('HINCRBY', marks, 'faults', faults) end
end
if not isLast then return { 'more', scanned[1], count } end
redis.call('HDEL', slots, field)
if lost == 0 then return { 'drained', count } end
-- Kept until the edition is replaced: whoever looks next must hear of it too.
redis.call('HINCRBY', marks, 'faults', lost)
return { 'lost', lost }
