-- Puts scores of products into the sorted sets of one board version.
--
-- KEYS claim     string  who scores
--      hour      zset    product -> score in 1h
--      day       zset    product -> score in 24h
--      week      zset    product -> score in 7d
--      trending  zset    product -> logarithm of the decayed score
-- ARGV scorer           who asks
--      rows             JSON: [product, score in 1h, 24h, 7d, trending]; false where it is not listed
--
-- Replies: put | overtaken
local claim, hour, day, week, trending = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local scorer, rows = ARGV[1], ARGV[2]

if redis.call('GET', claim) ~= scorer then return { 'overtaken' } end
local added, removed = { {}, {}, {}, {} }, { {}, {}, {}, {} }
for _, row in ipairs(cjson.decode(rows)) do
  for window = 1, 4 do
    local score = row[window + 1]
    if score then
      local list = added[window]
      list[#list + 1], list[#list + 2] = score, row[1]
    else
      local list = removed[window]
      list[#list + 1] = row[1]
    end
  end
end
if #added[1] > 0 then redis.call('ZADD', hour, unpack(added[1])) end
if #added[2] > 0 then redis.call('ZADD', day, unpack(added[2])) end
if #added[3] > 0 then redis.call('ZADD', week, unpack(added[3])) end
if #added[4] > 0 then redis.call('ZADD', trending, unpack(added[4])) end
if #removed[1] > 0 then redis.call('ZREM', hour, unpack(removed[1])) end
if #removed[2] > 0 then redis.call('ZREM', day, unpack(removed[2])) end
if #removed[3] > 0 then redis.call('ZREM', week, unpack(removed[3])) end
if #removed[4] > 0 then redis.call('ZREM', trending, unpack(removed[4])) end
return { 'put' }
