-- Counts one part of a message of product events, once however often it comes.
-- Each product has a packed record of what it has in each window (rankings/record.ts). A row goes into the bucket of the finest tier
-- that its minute has not left yet, and into the windows of that tier and the coarser ones. Fence, bucket and record change in one step.
--
-- KEYS origin    string  the edition is open here
--      fence     hash    message group -> last sequence number and part, and the latest arrival
--      seen      string  digests of what was applied in this minute
--      marks     hash    tier -> last slot that has left
--      slots     hash    bucket -> products that it holds
--      minutes   hash    product -> packed sums of this minute
--      quarters  hash    product -> packed sums of its quarter of an hour
--      hours     hash    product -> packed sums of its hour
--      products  hash    product -> packed record
--      totals    string  packed sums of all products
--      dirty     set     products to be scored
-- ARGV group            the message's group
--      sequence         its sequence number, as digits: larger than 2^53
--      part             of the message, from 0
--      arrivedAt        when its batch came, in milliseconds since 1970
--      digest           eight bytes that name batch and part, should they be sent again; empty: need not be remembered
--      memorySeconds    how long it is remembered
--      minute           of all rows, since 1970
--      minutesUntil     when the bucket of the minute expires, in seconds since 1970
--      quartersUntil    the same for the quarter
--      hoursUntil       the same for the hour
--      ages             for each half-life, how many of them the minute lies after 2026 began, separated by spaces
--      rows             JSON: [product, category, views, likes, carts, units sold, refunded, amount sold, refunded]; zeros at the end left out
--
-- Replies: applied rows | duplicate | late | missing
--          late: the minute has left every window
local origin, fence, seen, marks, slots, minutes, quarters, hours, products, totals, dirty = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local group, sequence, part, arrivedAt, digest, memorySeconds, minute, minutesUntil, quartersUntil, hoursUntil, ages, rows = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local log, max, abs, floor = math.log, math.max, math.abs, math.floor
local pack, unpackFrom, sub, none = struct.pack, struct.unpack, string.sub, -math.huge
local LN2 = log(2)

-- Texts of one length compare digit by digit, whatever the server's locale makes of them.
local function isNewer(text, before)
  if #text ~= #before then return #text > #before end
  for i = 1, #text do
    local a, b = string.byte(text, i), string.byte(before, i)
    if a ~= b then return a > b end
  end
  return false
end

if redis.call('EXISTS', origin) == 0 then return { 'missing' } end
local before, latest = redis.call('HGET', fence, group), arrivedAt
if before then
  local lastSequence, lastPart, lastArrival = string.match(before, '^(%d+) (%d+) (%d+)$')
  lastArrival = tonumber(lastArrival)
  if sequence == lastSequence then
    if part <= tonumber(lastPart) then return { 'duplicate' } end
  elseif not isNewer(sequence, lastSequence) and arrivedAt <= lastArrival then
    -- What came later than all that was counted was never counted: then the queue is another one, which counts anew.
    return { 'duplicate' }
  end
  latest = max(arrivedAt, lastArrival)
end
local place = sequence .. ' ' .. part .. ' ' .. string.format('%.0f', latest)

-- The finest tier that the minute has not left.
local left = redis.call('HMGET', marks, 'minutes', 'quarters', 'hours')
local buckets = { minutes, quarters, hours }
local tier, slot, untilSeconds
if minute > tonumber(left[1]) then
  tier, slot, untilSeconds = 1, 'minutes:' .. minute, minutesUntil
elseif floor(minute / 15) > tonumber(left[2]) then
  tier, slot, untilSeconds = 2, 'quarters:' .. floor(minute / 15), quartersUntil
elseif floor(minute / 60) > tonumber(left[3]) then
  tier, slot, untilSeconds = 3, 'hours:' .. floor(minute / 60), hoursUntil
else
  redis.call('HSET', fence, group, place)
  return { 'late' }
end

local list = cjson.decode(rows)
local count = #list
local names = {}
for i = 1, count do names[i] = list[i][1] end
local records = redis.call('HMGET', products, unpack(names))
local sums = redis.call('HMGET', buckets[tier], unpack(names))

-- Each event of the minute decays from the minute's beginning.
local age, n = {}, 0
for text in string.gmatch(ages, '%S+') do
  n = n + 1
  age[n] = tonumber(text)
end

local function formats(of) return '>' .. string.rep('d', 3 + of), '>' .. string.rep('d', 3 + 2 * of) end
local single, double = formats(n)
local function blank(of)
  local doubles = {}
  for i = 1, 3 do doubles[i] = 0 end
  for i = 4, 3 + of do doubles[i] = none end
  return pack('>' .. string.rep('d', 3 + of), unpack(doubles))
end
local one, two = blank(n), blank(2 * n)
local empty = pack('>BI4I4', n, 0, 0) .. one .. one .. one .. two .. two

-- A record that was written for fewer half-lives gets room for those of now; the order of half-lives never changes.
local function widened(record, had)
  local at, blocks = 10, { pack('>BI4I4', n, unpackFrom('>I4I4', record, 2)) }
  for metric = 1, 5 do
    local trends = metric > 3 and 2 or 1
    local values = { unpackFrom('>' .. string.rep('d', 3 + trends * had), record, at) }
    at = values[#values]
    local wide = { values[1], values[2], values[3] }
    for trend = 1, trends do
      for i = 1, n do wide[#wide + 1] = i <= had and values[3 + (trend - 1) * had + i] or none end
    end
    blocks[#blocks + 1] = pack('>' .. string.rep('d', #wide), unpack(wide))
  end
  return table.concat(blocks) .. sub(record, at)
end

local function decayed(y, quantity, i)
  local a = log(quantity) / LN2 + age[i]
  local difference = abs(y - a)
  if difference > 1100 then return max(y, a) end
  return max(y, a) + log(1 + 2 ^ -difference) / LN2
end

local all = { 0, 0, 0, 0, 0 }
local newRecords, newSums = {}, {}
local blankSum = pack('>ddddd', 0, 0, 0, 0, 0)
local function takeApart(i, row, record)
  local width = string.byte(record, 1)
  local one, two = single, double
  if width < n then
    record = widened(record, width)
    width = n
  elseif width > n then
    -- Whoever sends this has not heard of the newest half-life yet; what is there stays.
    one, two = formats(width)
  end
  local newest, categoryMinute = unpackFrom('>I4I4', record, 2)
  local oneBytes, twoBytes = 8 * (3 + width), 8 * (3 + 2 * width)
  local categoryAt = 10 + 3 * oneBytes + 2 * twoBytes
  local told, category = row[2], nil
  if told ~= '' then
    local known = sub(record, categoryAt)
    if minute > categoryMinute or minute == categoryMinute and told > known then
      category, categoryMinute = told, minute
    end
  end

  -- Only blocks of metrics that the row has are taken apart; what lies between them is copied as it is.
  local old = sums[i] or blankSum
  local pieces, sumPieces = { pack('>BI4I4', width, max(newest, minute), categoryMinute) }, {}
  local at, copied, sumCopied = 10, 10, 1
  for metric = 1, #row > 5 and 5 or #row - 2 do
    local isDouble = metric > 3
    local bytes = isDouble and twoBytes or oneBytes
    local sold = row[isDouble and 2 * metric - 2 or 2 + metric] or 0
    local refunded = isDouble and row[2 * metric - 1] or 0
    if sold ~= 0 or refunded ~= 0 then
      local format = isDouble and two or one
      local quantity = sold - refunded
      local values = { unpackFrom(format, record, at) }
      for window = tier, 3 do values[window] = values[window] + quantity end
      for h = 1, n do
        if sold > 0 then values[3 + h] = decayed(values[3 + h], sold, h) end
        if refunded > 0 then values[3 + width + h] = decayed(values[3 + width + h], refunded, h) end
      end
      values[#values] = nil
      if at > copied then pieces[#pieces + 1] = sub(record, copied, at - 1) end
      pieces[#pieces + 1] = pack(format, unpack(values))
      copied = at + bytes
      local sumAt = 8 * metric - 7
      if sumAt > sumCopied then sumPieces[#sumPieces + 1] = sub(old, sumCopied, sumAt - 1) end
      sumPieces[#sumPieces + 1] = pack('>d', unpackFrom('>d', old, sumAt) + quantity)
      sumCopied = sumAt + 8
      all[metric] = all[metric] + quantity
    end
    at = at + bytes
  end
  if category then
    pieces[#pieces + 1] = sub(record, copied, categoryAt - 1)
    pieces[#pieces + 1] = category
  else
    pieces[#pieces + 1] = sub(record, copied)
  end
  sumPieces[#sumPieces + 1] = sub(old, sumCopied)
  newRecords[2 * i - 1], newRecords[2 * i] = names[i], table.concat(pieces)
  newSums[2 * i - 1], newSums[2 * i] = names[i], table.concat(sumPieces)
end

for i = 1, count do
  local row, record = list[i], records[i] or empty
  local told = row[2]
  if #row == 3 and n == 1 and string.byte(record) == 1 and (told == '' or told == sub(record, 186)) then
    -- Nothing but views, and no category that is new, as most rows: half the work.
    local views, old = row[3], sums[i] or blankSum
    local _, newest, categoryMinute, hour, day, week, y = unpackFrom('>BI4I4dddd', record)
    if told ~= '' and minute > categoryMinute then categoryMinute = minute end
    if tier == 1 then hour = hour + views end
    if tier < 3 then day = day + views end
    newRecords[2 * i - 1] = names[i]
    newRecords[2 * i] = pack('>BI4I4dddd', 1, max(newest, minute), categoryMinute, hour, day, week + views, decayed(y, views, 1)) .. sub(record, 42)
    newSums[2 * i - 1] = names[i]
    newSums[2 * i] = pack('>d', unpackFrom('>d', old) + views) .. sub(old, 9)
    all[1] = all[1] + views
  else
    takeApart(i, row, record)
  end
end

local total = redis.call('GET', totals)
local grand = total and { unpackFrom('>ddddddddddddddd', total) } or { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
for window = tier, 3 do
  for metric = 1, 5 do
    local place = 5 * (window - 1) + metric
    grand[place] = grand[place] + all[metric]
  end
end

redis.call('SET', totals, pack('>ddddddddddddddd', unpack(grand, 1, 15)))
redis.call('HSET', products, unpack(newRecords))
local added = redis.call('HSET', buckets[tier], unpack(newSums))
if added > 0 and redis.call('HINCRBY', slots, slot, added) == added then redis.call('EXPIREAT', buckets[tier], untilSeconds) end
redis.call('SADD', dirty, unpack(names))
if digest ~= '' and redis.call('APPEND', seen, digest) == 8 then redis.call('EXPIRE', seen, memorySeconds) end
redis.call('HSET', fence, group, place)
return { 'applied', count }
