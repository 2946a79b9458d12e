-- Moves on what has left the windows of one shard, and tells which buckets are still to be drained. Never back.
--
-- KEYS origin    string  the edition is open here
--      marks     hash    tier -> last slot that has left; faults: products whose sums cannot be trusted
--      slots     hash    bucket -> products that it holds
-- ARGV minutes          last slot of each tier that has left by now
--      quarters         as above
--      hours            as above
--
-- Replies: advanced slots marks server faults | missing
--          slots: names of all buckets, separated by spaces
--          marks: what has left the three tiers, separated by spaces
--          faults: products whose sums cannot be trusted
--          server: 1 where this is the server that the edition was opened on
local origin, marks, slots = KEYS[1], KEYS[2], KEYS[3]
local minutes, quarters, hours = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local opened = redis.call('GET', origin)
if not opened then return { 'missing' } end
local server = redis.call('INFO', 'server')
local replication = redis.call('INFO', 'replication')
local identity = string.match(server, 'run_id:(%w+)') .. ':' .. string.match(replication, 'master_replid:(%w+)')
local before = redis.call('HMGET', marks, 'minutes', 'quarters', 'hours', 'faults')
local now = { math.max(minutes, tonumber(before[1])), math.max(quarters, tonumber(before[2])), math.max(hours, tonumber(before[3])) }

-- The first write is one that a server whose memory is full still takes; then it takes the others too.
redis.call('HDEL', marks, '')
redis.call('HSET', marks, 'minutes', now[1], 'quarters', now[2], 'hours', now[3])
return { 'advanced', table.concat(redis.call('HKEYS', slots), ' '), table.concat(now, ' '), identity == opened and 1 or 0, tonumber(before[4] or 0) }
