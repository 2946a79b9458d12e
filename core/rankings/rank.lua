-- Counts how many products of one shard stand before a score and product, in the order of the store: higher scores first, and
-- of equal scores the greater name by its bytes.
--
-- KEYS scores    zset    product -> score
-- ARGV score            as text
--      product          its name
--
-- Replies: counted ahead of
--          of: all products of the shard
local scores = KEYS[1]
local score, product = ARGV[1], ARGV[2]

local function isBehind(name)
  for i = 1, math.min(#name, #product) do
    local a, b = string.byte(name, i), string.byte(product, i)
    if a ~= b then return a < b end
  end
  return #name <= #product
end

local higher = redis.call('ZCOUNT', scores, '(' .. score, '+inf')
-- Of equal scores, those before the product are the first ones: halved until the place is found.
local low, high = 0, redis.call('ZCOUNT', scores, score, score)
while low < high do
  local middle = math.floor((low + high) / 2)
  local name = redis.call('ZREVRANGE', scores, higher + middle, higher + middle)[1]
  if isBehind(name) then high = middle else low = middle + 1 end
end
return { 'counted', higher + low, redis.call('ZCARD', scores) }
