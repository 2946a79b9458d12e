-- Bench only: reads what `issue.lua` needs of a campaign from a hash, as it would lie there without packing.
--
-- KEYS campaign  hash  stock, issued, gate, etaMs, closesAt, base
--
-- Replies: stock
local campaign = KEYS[1]

local facts = redis.call('HMGET', campaign, 'stock', 'issued', 'gate', 'etaMs', 'closesAt', 'base')
local stock, issued, gate = tonumber(facts[1]), tonumber(facts[2]), tonumber(facts[3])
local etaMs, closesAt, base = tonumber(facts[4]), tonumber(facts[5]), tonumber(facts[6])
return stock
