-- Bench only: the least that a first-come script can do. No opening window, no pause, no ticket, no outbox: what it decides is
-- known to Redis alone.
--
-- KEYS holders  set     user ids
--      stock    string  coupons that are left
-- ARGV user             the user's id
--
-- Replies: issued | replayed | sold-out
local holders, stock = KEYS[1], KEYS[2]
local user = ARGV[1]

if redis.call('SISMEMBER', holders, user) == 1 then return 'replayed' end
if tonumber(redis.call('GET', stock)) <= 0 then return 'sold-out' end
redis.call('DECR', stock)
redis.call('SADD', holders, user)
return 'issued'
