-- Counts views by actor and product in one hour, and tells how many of each still count. The counters are shared: each view looks at
-- some of them, and goes by the lowest. So whoever is over the cap is always found, and somebody else rarely taken for it.
--
-- KEYS actors    string  counters, a byte each
--      capped    string  JSON: what the same batch was told before
-- ARGV cap              views that count
--      untilSeconds     when the counters expire, in seconds since 1970
--      memorySeconds    how long a batch is told the same
--      rows             JSON: [views, place, place...] each, places counted from 0
--
-- Replies: counted [views]...
local actors, capped = KEYS[1], KEYS[2]
local cap, untilSeconds, memorySeconds, rows = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

local reply = { 'counted' }
local before = redis.call('GET', capped)
if before then
  for index, counted in ipairs(cjson.decode(before)) do reply[index + 1] = counted end
  return reply
end
local all = {}
for index, row in ipairs(cjson.decode(rows)) do
  local lowest = 255
  local values = {}
  for i = 2, #row do
    local byte = redis.call('GETRANGE', actors, row[i], row[i])
    values[i] = byte == '' and 0 or string.byte(byte)
    if values[i] < lowest then lowest = values[i] end
  end
  local counted = math.max(0, math.min(row[1], cap - lowest))
  -- Only as far as needed: a counter that others have raised already stays.
  if counted > 0 then
    for i = 2, #row do
      if values[i] < lowest + counted then redis.call('SETRANGE', actors, row[i], string.char(lowest + counted)) end
    end
  end
  reply[index + 1] = counted
  all[index] = counted
end
redis.call('SET', capped, cjson.encode(all), 'EX', memorySeconds)
redis.call('EXPIREAT', actors, untilSeconds)
return reply
