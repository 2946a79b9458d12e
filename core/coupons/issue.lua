-- Decides one request for a coupon: who gets which ticket, or why not.
-- Only a winner writes; every refusal and every replay is read-only (but for the first caller after closing time and the first
-- who meets a server that the campaign is not attached to: each latches what it saw, once).
-- The ticket order is the order in which this script runs. The clock is the id that XADD gives the outbox entry: Redis's own,
-- and never earlier than an id before it, also when the server's clock steps back or another server takes over.
-- Before it gives anything it compares the server's replication id with the one that the campaign was attached to: a promoted
-- or restarted server has another, and issues nothing until it was recovered. Losers are refused before that and do not pay.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket (3 bytes), time since base in ms (5), idempotency key (0 or 8), mark when given back (1)
--      outbox   stream  ticket (4 bytes), zero, and when there is more to say: nth (1 byte), key -> user
--      free     zset    tickets that were given back, by number
-- ARGV member           the user as the bucket's field
--      perUser          coupons that one user may hold; empty for 1
--      user             the user as the outbox carries it; empty where it equals the member
--      key              8 bytes of the idempotency key's digest, or empty
--      replayOnly       1 for somebody who may hear an earlier answer again and get nothing new, or empty
--
-- Replies: issued outboxId ticket nth etaMs epoch | replayed issuedAtMs ticket nth etaMs | limit-reached
--          sold-out version | not-open opensAtMs nowMs | closed | paused | recovering | missing | pass-required
local tally, bucket, outbox, free = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local member, perUser, user, key, replayOnly = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local call = redis.call
local FREED, UNARMED, FENCED = 8, 16, 32

if key == '' then key = nil end

local packed = call('GET', tally)
if not packed then return { 'missing' } end
local stock, issued, gate, etaMs, closesAt, base = struct.unpack('>I4I4BI4dd', packed)
if gate >= UNARMED then return { 'recovering' } end

local nth, seat = 1, nil
local field = member
local held = call('HGET', bucket, field)
while held do
  local returned = #held % 8 == 1
  if key and string.sub(held, 9, 16) == key or not key and not returned then
    local ticket, sinceBase = struct.unpack('>I3I5', held)
    return { 'replayed', base + sinceBase, ticket, nth, etaMs }
  end
  if returned and not seat then seat = nth end
  nth = nth + 1
  if nth > (tonumber(perUser) or 1) then
    if not seat then return { 'limit-reached' } end
    break
  end
  field = nth .. '\31' .. member
  held = call('HGET', bucket, field)
end
if replayOnly == '1' then return { 'pass-required' } end
if seat then
  nth = seat
  field = nth == 1 and member or nth .. '\31' .. member
end

if gate ~= 0 then
  local latch = gate % FREED
  if latch >= 4 then return { 'closed' } end
  if latch >= 2 then return { 'paused' } end
  if latch >= 1 then
    local opensAt = struct.unpack('>d', packed, 34)
    local time = call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    if now < opensAt then return { 'not-open', opensAt, now } end
  end
end

local ticket = issued + 1
local counter, left, returned = ticket, 0, false
if gate >= FREED then
  local first = call('ZRANGE', free, '0', '1')
  if first[1] then
    ticket, counter, returned = tonumber(first[1]), issued, true
    if first[2] then left = FREED end
  end
end
if ticket > stock then
  local version, _, returns = struct.unpack('>I4dI4', packed, 30)
  return { 'sold-out', version + returns }
end

local node = string.sub(packed, 50, 89)
if not string.find(call('INFO', 'replication'), 'master_replid:' .. node, 1, true) then
  call('SETRANGE', tally, '8', string.char(gate + FENCED))
  return { 'recovering' }
end

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
  call('SETRANGE', tally, '8', string.char(gate - gate % FREED + 4))
  return { 'closed' }
end
if returned then
  call('ZREM', free, ticket)
  mark = struct.pack('>I4B', counter, left)
end
-- Numbers go to Redis as text or bytes: a Lua number would be formatted with 17 digits, which costs as much as a short command.
call('SETRANGE', tally, '4', mark)
call('HSET', bucket, field, struct.pack('>I3I5', ticket, now - base) .. (key or ''))
local epoch = struct.unpack('>I4', packed, 46)
return { 'issued', id, ticket, nth, etaMs, epoch }
