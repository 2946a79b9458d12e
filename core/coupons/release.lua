-- Takes a coupon from its holder, once: only a holder who has this very issuance (ticket and time) gives it back, so a
-- repetition, or a release that comes after the ticket went to somebody else, changes nothing. The holder's place keeps what it
-- held, marked as given back, so that a replay under the same idempotency key still gets the first answer.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket, milliseconds since base, idempotency key, mark
--      free     zset    tickets that were given back, by number
--      outbox   stream  its ids are the clock
-- ARGV member           the user as the bucket's field
--      nth              which of the user's coupons
--      ticket           the coupon's ticket
--      issuedAt         milliseconds since 1970: when it was issued
--      refill           1 when the ticket goes back to stock; 0 when somebody else has it in the ledger
--
-- Replies: released | unchanged | recovering | missing
local tally, bucket, free, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, nth, ticket, issuedAt, refill = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local FREED, UNARMED = 8, 16

local packed = redis.call('GET', tally)
if not packed then return { 'missing' } end
local stock, issued, gate = struct.unpack('>I4I4B', packed)
local base = struct.unpack('>d', packed, 22)
local returned = struct.unpack('>I4', packed, 42)
if gate >= UNARMED then return { 'recovering' } end
local field = nth == '1' and member or nth .. '\31' .. member
local held = redis.call('HGET', bucket, field)
if not held or #held % 8 == 1 then return { 'unchanged' } end
local heldTicket, sinceBase = struct.unpack('>I3I5', held)
if heldTicket ~= ticket or base + sinceBase ~= issuedAt then return { 'unchanged' } end
local refills = refill == '1' and ticket <= issued and ticket <= stock
-- Whoever is issued this ticket next gets a later time, also while the server's clock is behind what the outbox has seen and all
-- new entries carry one and the same millisecond: ticket and time name an issuance.
local stream = redis.call('XINFO', 'STREAM', outbox)
local lastMs
for i = 1, #stream, 2 do
  if stream[i] == 'last-generated-id' then lastMs = tonumber(string.match(stream[i + 1], '^%d+')) end
end
if lastMs <= issuedAt then redis.call('XSETID', outbox, string.format('%.0f-0', issuedAt + 1)) end

redis.call('HSET', bucket, field, held .. '\0')
if refills then
  redis.call('ZADD', free, ticket, ticket)
  if gate % (2 * FREED) < FREED then gate = gate + FREED end
  redis.call('SETRANGE', tally, 8, string.char(gate))
end
redis.call('SETRANGE', tally, 41, struct.pack('>I4', returned + 1))
return { 'released' }
