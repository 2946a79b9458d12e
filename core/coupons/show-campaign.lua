-- Reads what there is to know of a campaign, without a write.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      about    string  JSON of the campaign's definition
--
-- Replies: found stock issued gate etaMs version opensAt closesAt base nowMs definition | missing
local tally, about = KEYS[1], KEYS[2]

local packed = redis.call('GET', tally)
local definition = redis.call('GET', about)
if not packed or not definition then return { 'missing' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stock, issued, gate, etaMs, closesAt, base, version, opensAt = struct.unpack('>I4I4BI4ddI4d', packed)
return { 'found', stock, issued, gate, etaMs, version, opensAt, closesAt, base, now, definition }
