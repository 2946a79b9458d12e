-- Reads what one user holds of a campaign, and what an ETA is made of, without a write.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket, milliseconds since base, idempotency key; longer by one when given back
--      outbox   stream  what the ledger does not have yet
--      flow     hash    how fast the ledger takes confirmations, written by settle.lua
-- ARGV member           the user as the bucket's field
--      perUser          coupons that one user may hold
--      scan             entries of one millisecond to look through for the user's own
--
-- Replies: found issued backlog perSecond quietMs now epoch [nth ticket issuedAtMs pending key]... | recovering | missing
--          quietMs: since the ledger last took one, while others waited; pending: 1 while the outbox has the entry
--          key: the idempotency key's digest in hexadecimal
local tally, bucket, outbox, flow = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, perUser, scan = ARGV[1], ARGV[2], ARGV[3]

local packed = redis.call('GET', tally)
if not packed then return { 'missing' } end
local UNARMED = 16
-- On a server that the campaign is not attached to, a coupon may be missing that was given: nobody is told that there is none.
local here = string.find(redis.call('INFO', 'replication'), 'master_replid:' .. string.sub(packed, 50, 89), 1, true)
if string.byte(packed, 9) >= UNARMED or not here then return { 'recovering' } end
local issued, base, epoch = struct.unpack('>I4', packed, 5), struct.unpack('>d', packed, 22), struct.unpack('>I4', packed, 46)
local rate = redis.call('HMGET', flow, 'perSecond', 'settledAt')
local backlog = redis.call('XLEN', outbox)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local quietMs = 0
if backlog > 0 then
  local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)
  local waitingSince = tonumber(string.match(oldest[1][1], '^%d+'))
  quietMs = math.max(0, now - math.max(waitingSince, tonumber(rate[2]) or 0))
end
local reply = { 'found', issued, backlog, rate[1] or '', quietMs, now, epoch }

for nth = 1, tonumber(perUser) do
  local held = redis.call('HGET', bucket, nth == 1 and member or nth .. '\31' .. member)
  if not held then break end
  if #held % 8 == 0 then
    local ticket, sinceBase = struct.unpack('>I3I5', held)
    local issuedAt = string.format('%d', base + sinceBase)
    local pending = 0
    for _, entry in ipairs(redis.call('XRANGE', outbox, issuedAt, issuedAt, 'COUNT', scan)) do
      if struct.unpack('>I4', entry[2][1]) == ticket then pending = 1 end
    end
    local key = string.format(string.rep('%02x', #held - 8), string.byte(held, 9, -1))
    for _, fact in ipairs({ nth, ticket, base + sinceBase, pending, key }) do reply[#reply + 1] = fact end
  end
end
return reply
