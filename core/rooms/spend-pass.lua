-- Spends a single-use pass: the first use is kept, the same use again is let through, any other is refused.
--
-- KEYS passes   zset    member -> when the pass ends
--      numbers  hash    member -> number of each in passes
--      spent    hash    member -> what a single-use pass was used for
-- ARGV member           who
--      number           the pass's number
--      use              what it is used for
--
-- Replies: valid | spent | given-back
local passes, numbers, spent = KEYS[1], KEYS[2], KEYS[3]
local member, number, use = ARGV[1], ARGV[2], ARGV[3]

-- Nobody's any more, or of an earlier visit.
if not redis.call('ZSCORE', passes, member) then return { 'given-back' } end
if redis.call('HGET', numbers, member) ~= number then return { 'given-back' } end
local before = redis.call('HGET', spent, member)
if before and before ~= use then return { 'spent' } end
if not before then redis.call('HSET', spent, member, use) end
return { 'valid' }
