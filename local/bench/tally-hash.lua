-- Bench only: reads what `issue.lua` needs of a campaign from a hash, as it would lie there without packing.
--
-- KEYS campaign  hash  stock, issued, gate, etaMs, version, opensAt, closesAt, base
--
-- Replies: stock
local campaign = KEYS[1]

local facts = redis.call('HMGET', campaign, 'stock', 'issued', 'gate', 'etaMs', 'version', 'opensAt', 'closesAt', 'base')
local stock, issued, gate, etaMs = tonumber(facts[1]), tonumber(facts[2]), tonumber(facts[3]), tonumber(facts[4])
local version, opensAt, closesAt, base = tonumber(facts[5]), tonumber(facts[6]), tonumber(facts[7]), tonumber(facts[8])
return stock
