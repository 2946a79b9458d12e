-- Applies an operator's change to a campaign, or refuses one that would break a guarantee or was overtaken by a later one.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      about    string  JSON of the campaign's definition
-- ARGV version          the version that the change makes, given out by the ledger
--      stock            tickets are 1…stock
--      opensAt          milliseconds since 1970
--      closesAt         milliseconds since 1970
--      paused           1 or 0
--      definition       JSON for `about`
--
-- Replies: changed issued | conflict issued | recovering | missing
local tally, about = KEYS[1], KEYS[2]
local version, stock, opensAt, closesAt, paused, definition = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local SCHEDULED, PAUSED, CLOSED, FREED, UNARMED = 1, 2, 4, 8, 16

local packed = redis.call('GET', tally)
if not packed then return { 'missing' } end
local _, issued, gate, etaMs, wasClosesAt, base, current, wasOpensAt = struct.unpack('>I4I4BI4ddI4d', packed)
version, stock, opensAt, closesAt = tonumber(version), tonumber(stock), tonumber(opensAt), tonumber(closesAt)
if gate >= UNARMED then return { 'recovering' } end
if version <= current then return { 'conflict', issued } end
if stock < issued then return { 'conflict', issued } end

local kept = gate - gate % FREED
local scheduled = gate % (2 * SCHEDULED) >= SCHEDULED
local closed = gate % (2 * CLOSED) >= CLOSED
-- A latch belongs to the time that it latched: a new time starts unlatched.
if opensAt ~= wasOpensAt then scheduled = true end
if closesAt ~= wasClosesAt then closed = false end
gate = kept + (scheduled and SCHEDULED or 0) + (paused == '1' and PAUSED or 0) + (closed and CLOSED or 0)

redis.call('SET', about, definition)
redis.call('SETRANGE', tally, 0, struct.pack('>I4I4BI4ddI4d', stock, issued, gate, etaMs, closesAt, base, version, opensAt))
return { 'changed', issued }
