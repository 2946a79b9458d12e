-- Decides one request for a coupon: who gets which ticket, or why not.
-- Only a winner writes; every refusal and every replay is read-only (but for the first caller after closing time, who latches it).
-- The ticket order is the order in which this script runs. The clock is the id that XADD gives the outbox entry: Redis's own,
-- and never earlier than an id before it, also when the server's clock steps back or another server takes over.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket (3 bytes), milliseconds since base (5 bytes), idempotency key (0 or 8 bytes)
--      outbox   stream  ticket (4 bytes), zero, and when there is more to say: nth (1 byte), key -> user
-- ARGV member           the user as the bucket's field
--      perUser          coupons that one user may hold; empty for 1
--      user             the user as the outbox carries it; empty where it equals the member
--      key              8 bytes of the idempotency key's digest, or empty
--
-- Replies: issued outboxId ticket nth etaMs | replayed issuedAtMs ticket nth etaMs | limit-reached
--          sold-out version | not-open opensAtMs nowMs | closed | paused | recovering | missing
local tally, bucket, outbox = KEYS[1], KEYS[2], KEYS[3]
local member, perUser, user, key = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local call = redis.call

local packed = call('GET', tally)
if not packed then return { 'missing' } end
local stock, issued, gate, etaMs, closesAt, base = struct.unpack('>I4I4BI4dd', packed)
if gate >= 8 then return { 'recovering' } end

local nth = 1
local field = member
local held = call('HGET', bucket, field)
while held do
  if not key or string.sub(held, 9) == key then
    local ticket, sinceBase = struct.unpack('>I3I5', held)
    return { 'replayed', base + sinceBase, ticket, nth, etaMs }
  end
  nth = nth + 1
  if nth > (tonumber(perUser) or 1) then return { 'limit-reached' } end
  field = nth .. '\31' .. member
  held = call('HGET', bucket, field)
end

if gate ~= 0 then
  if gate >= 4 then return { 'closed' } end
  if gate >= 2 then return { 'paused' } end
  local opensAt = struct.unpack('>d', packed, 34)
  local time = call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if now < opensAt then return { 'not-open', opensAt, now } end
end
if issued >= stock then
  local version = struct.unpack('>I4', packed, 30)
  return { 'sold-out', version }
end

local ticket = issued + 1
local mark = struct.pack('>I4B', ticket, 0)
local entry = mark
if nth > 1 or key then entry = mark .. string.char(nth) .. (key or '') end
if not user or user == '' then user = member end
local id = call('XADD', outbox, '*', entry, user)
-- The first 13 digits are the milliseconds since 1970 until the year 2286.
local now = tonumber(string.sub(id, 1, 13))
if now >= closesAt then
  -- Too late by the very clock that would have stamped it. Taken back within this script, once for a campaign: from now on
  -- the gate answers without a write.
  call('XDEL', outbox, id)
  call('SETRANGE', tally, '8', string.char(4))
  return { 'closed' }
end
-- Numbers go to Redis as text or bytes: a Lua number would be formatted with 17 digits, which costs as much as a short command.
call('SETRANGE', tally, '4', mark)
call('HSET', bucket, field, struct.pack('>I3I5', ticket, now - base) .. (key or ''))
return { 'issued', id, ticket, nth, etaMs }
