-- Looks whether a campaign is attached to the server that runs this, and closes it if it is not. A server has another
-- replication id after each restart and each promotion, so a promoted replica, a server that came back, and one that was
-- primary before are all told from the one that the campaign was filled in or recovered on.
--
-- KEYS tally    string  packed, see coupons/tally.ts
-- ARGV force            1 to close it in any case
--
-- Replies: attached epoch filling issued | unarmed epoch filling issued | fenced epoch filling issued | missing
--          unarmed: on this server, and not opened yet
local tally = KEYS[1]
local force = ARGV[1]
local UNARMED, FENCED = 16, 32

local packed = redis.call('GET', tally)
if not packed then return { 'missing' } end
local _, issued, gate = struct.unpack('>I4I4B', packed)
local epoch = struct.unpack('>I4', packed, 46)
local filling = string.sub(packed, 90, 105)
local here = string.find(redis.call('INFO', 'replication'), 'master_replid:' .. string.sub(packed, 50, 89), 1, true)
if gate < FENCED and (force == '1' or not here) then
  gate = gate + FENCED
  redis.call('SETRANGE', tally, 8, string.char(gate))
end
if gate >= FENCED then return { 'fenced', epoch, filling, issued } end
if gate >= UNARMED then return { 'unarmed', epoch, filling, issued } end
return { 'attached', epoch, filling, issued }
