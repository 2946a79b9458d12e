-- Opens an edition in one shard: notes on which server, and what has left the windows by now. An open one stays as it is.
--
-- KEYS origin    string  the edition is open here
--      marks     hash    tier -> last slot that has left
-- ARGV minutes          last slot of each tier that has left by now
--      quarters         as above
--      hours            as above
--
-- Replies: opened | found
local origin, marks = KEYS[1], KEYS[2]
local minutes, quarters, hours = ARGV[1], ARGV[2], ARGV[3]

if redis.call('EXISTS', origin) == 1 then return { 'found' } end
local server = redis.call('INFO', 'server')
local replication = redis.call('INFO', 'replication')
redis.call('HSET', marks, 'minutes', minutes, 'quarters', quarters, 'hours', hours)
redis.call('SET', origin, string.match(server, 'run_id:(%w+)') .. ':' .. string.match(replication, 'master_replid:(%w+)'))
return { 'opened' }
