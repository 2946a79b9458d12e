-- Decides one request for a coupon: who gets which ticket, or why not.
-- Only a winner writes; every refusal and every replay is read-only (but for the first caller after closing time, who latches it).
-- The ticket order is the order in which this script runs. The clock is the id that XADD gives the outbox entry: Redis's own,
-- and never earlier than an id before it, also when the server's clock steps back or another server takes over.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket (3 bytes), milliseconds since base (5 bytes), idempotency key (0 or 8 bytes)
--      outbox   stream  ticket[.nth.key] -> user
-- ARGV member           the user as the bucket's field
--      user             the user as the outbox carries it
--      key              8 bytes of the idempotency key's digest, or empty
--      keyText          the same for the outbox's field, or empty
--      perUser          coupons that one user may hold
--
-- Replies: issued nth ticket outboxId etaMs | replayed nth ticket issuedAtMs etaMs | limit-reached
--          sold-out version | not-open opensAtMs nowMs | closed | paused | recovering | missing
local tally, bucket, outbox = KEYS[1], KEYS[2], KEYS[3]
local member, user, key, keyText, perUser = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local call = redis.call

local packed = call('GET', tally)
if not packed then return { 'missing' } end
local stock, issued, gate, etaMs, version, opensAt, closesAt, base = struct.unpack('>I4I4BI4I4ddd', packed)
if gate >= 8 then return { 'recovering' } end

local nth = 1
local field = member
local held = call('HGET', bucket, field)
while held do
  if key == '' or string.sub(held, 9) == key then
    local ticket, sinceBase = struct.unpack('>I3I5', held)
    return { 'replayed', nth, ticket, base + sinceBase, etaMs }
  end
  nth = nth + 1
  if nth > tonumber(perUser) then return { 'limit-reached' } end
  field = nth .. '\31' .. member
  held = call('HGET', bucket, field)
end

if gate ~= 0 then
  if gate >= 4 then return { 'closed' } end
  if gate >= 2 then return { 'paused' } end
  local time = call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if now < opensAt then return { 'not-open', opensAt, now } end
end
if issued >= stock then return { 'sold-out', version } end

local ticket = issued + 1
local entry = ticket
if nth > 1 or key ~= '' then entry = ticket .. '.' .. nth .. '.' .. keyText end
local id = call('XADD', outbox, '*', entry, user)
local now = tonumber(string.match(id, '^%d+'))
if now >= closesAt then
  -- Too late by the very clock that would have stamped it. Taken back within this script, once for a campaign: from now on
  -- the gate answers without a write.
  call('XDEL', outbox, id)
  call('SETRANGE', tally, 8, string.char(4))
  return { 'closed' }
end
call('SETRANGE', tally, 4, struct.pack('>I4B', ticket, 0))
call('HSET', bucket, field, struct.pack('>I3I5', ticket, now - base) .. key)
return { 'issued', nth, ticket, id, etaMs }
