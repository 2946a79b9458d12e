-- Bench only: reads what `issue.lua` needs of a campaign the way it does.
--
-- KEYS tally  string  packed, see coupons/tally.ts
--
-- Replies: stock
local tally = KEYS[1]

local packed = redis.call('GET', tally)
local stock, issued, gate, etaMs, closesAt, base = struct.unpack('>I4I4BI4dd', packed)
return stock
