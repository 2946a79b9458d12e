-- Reads what there is to know of a campaign, without a write. On a server that it is not attached to it is shown as fenced, also
-- before anyone has asked for a coupon there.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      about    string  JSON of the campaign's definition
--      free     zset    tickets that were given back, by number
--
-- Replies: found stock issued free gate etaMs version opensAt closesAt base nowMs definition | missing
local tally, about, free = KEYS[1], KEYS[2], KEYS[3]

local packed = redis.call('GET', tally)
local definition = redis.call('GET', about)
if not packed or not definition then return { 'missing' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local FENCED = 32
local stock, issued, gate, etaMs, closesAt, base, version, opensAt, returned = struct.unpack('>I4I4BI4ddI4dI4', packed)
local here = string.find(redis.call('INFO', 'replication'), 'master_replid:' .. string.sub(packed, 50, 89), 1, true)
if gate < FENCED and not here then gate = gate + FENCED end
return { 'found', stock, issued, redis.call('ZCARD', free), gate, etaMs, version + returned, opensAt, closesAt, base, now, definition }
