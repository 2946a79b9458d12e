-- Compares two editions of one shard at one moment. Their sums can be compared where both have counted the same messages, and the
-- same has left their windows.
--
-- KEYS oneFence   hash    message group -> last sequence number and part
--      oneMarks   hash    tier -> last slot that has left
--      oneTotals  string  packed sums of all products
--      twoFence   hash    as above, of the other edition
--      twoMarks   hash    as above
--      twoTotals  string  as above
-- ARGV group            the shard's message group
--
-- Replies: equal | different | apart
local oneFence, oneMarks, oneTotals, twoFence, twoMarks, twoTotals = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local group = ARGV[1]

local one, two = redis.call('HMGET', oneMarks, 'minutes', 'quarters', 'hours'), redis.call('HMGET', twoMarks, 'minutes', 'quarters', 'hours')
local marks = table.concat({ tostring(one[1]), tostring(one[2]), tostring(one[3]) }, ' ') == table.concat({ tostring(two[1]), tostring(two[2]), tostring(two[3]) }, ' ')
local before, after = redis.call('HGET', oneFence, group), redis.call('HGET', twoFence, group)
if not marks or after and after ~= before then return { 'apart' } end
local blank = string.rep('\0', 120)
if (redis.call('GET', oneTotals) or blank) == (redis.call('GET', twoTotals) or blank) then return { 'equal' } end
-- Where the queue has brought nothing since the cut, what the raw batches had may still be on its way to the old one.
if not after then return { 'apart' } end
return { 'different' }
