-- Bench only: set and counter with the checks and the ticket number of `issue.lua`, but no outbox, no idempotency key and no
-- time of issue: a replay cannot get its first answer, and a crash behind it loses the coupon.
--
-- KEYS holders   set   user ids
--      campaign  hash  stock, issued, opensAt, closesAt, paused
-- ARGV user            the user's id
--
-- Replies: issued ticket | replayed | sold-out | not-open | closed | paused | missing
local holders, campaign = KEYS[1], KEYS[2]
local user = ARGV[1]

local facts = redis.call('HMGET', campaign, 'stock', 'issued', 'opensAt', 'closesAt', 'paused')
if not facts[1] then return { 'missing' } end
if redis.call('SISMEMBER', holders, user) == 1 then return { 'replayed' } end
if facts[5] == '1' then return { 'paused' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now < tonumber(facts[3]) then return { 'not-open' } end
if now >= tonumber(facts[4]) then return { 'closed' } end
if tonumber(facts[2]) >= tonumber(facts[1]) then return { 'sold-out' } end
local ticket = redis.call('HINCRBY', campaign, 'issued', 1)
redis.call('SADD', holders, user)
return { 'issued', ticket }
