-- Begins and completes a campaign's new filling from the ledger: begun, its buckets are emptied; cleared, they are filled. While it is being filled it is closed; each step names the
-- filling, so one that was overtaken by another attempt, or by another server, changes nothing any more.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      about    string  JSON of the campaign's definition
--      outbox   stream  begun anew; its ids go on behind the last issue time
--      free     zset    tickets that were given back, by number
--      flow     hash    how fast the ledger takes confirmations
-- ARGV step             begin | cleared | finish
--      filling          16 characters that name this filling
--      epoch            the epoch that it makes
--      stock            tickets are 1…stock
--      highest          highest ticket that the ledger has taken
--      lastIssuedAt     milliseconds since 1970: latest issue time in the ledger
--      opensAt          milliseconds since 1970
--      closesAt         milliseconds since 1970
--      base             milliseconds since 1970 that issue times count from
--      paused           1 or 0
--      version          the campaign's version in the ledger
--      definition       JSON for `about`
--
-- Replies: begun | cleared | finished | overtaken
local tally, about, outbox, free, flow = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local step, filling, epoch, stock, highest, lastIssuedAt, opensAt, closesAt, base, paused, version, definition = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local SCHEDULED, PAUSED, CLOSED, FREED, UNARMED = 1, 2, 4, 8, 16
-- Nobody is told an ETA while a campaign is closed: until its buckets are empty the place says so.
local EMPTYING = 0

local packed = redis.call('GET', tally)
local node = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local gate, returned = SCHEDULED + UNARMED, 0
if packed then
  local _, _, wasGate, _, wasClosesAt = struct.unpack('>I4I4BI4d', packed)
  local wasEpoch = struct.unpack('>I4', packed, 46)
  -- An open campaign, or one that a later recovery has filled, is not begun anew by an attempt that comes late.
  if wasGate < UNARMED or wasEpoch > tonumber(epoch) then return { 'overtaken' } end
  returned = struct.unpack('>I4', packed, 42)
  -- Closing time stays latched over a recovery, whatever this server's clock shows.
  if wasGate % (2 * CLOSED) >= CLOSED and wasClosesAt == tonumber(closesAt) then gate = gate + CLOSED end
end
local firstEtaMs = 1000
if step == 'begin' then
  -- Beyond what any count of the epoch before has reached, also where that is lost: what the campaign shows as its version rises.
  returned = math.max(returned + 1, tonumber(epoch) * 1048576)
  redis.call('DEL', outbox, free, flow)
  redis.call('SET', about, definition)
  redis.call('SET', tally, struct.pack('>I4I4BI4ddI4dI4I4c40c16', stock, 0, gate, EMPTYING, closesAt, base, version, opensAt, returned, epoch, node, filling))
  return { 'begun' }
end
if not packed or string.sub(packed, 90, 105) ~= filling or string.sub(packed, 50, 89) ~= node then return { 'overtaken' } end
if step == 'cleared' then
  redis.call('SETRANGE', tally, 9, struct.pack('>I4', firstEtaMs))
  return { 'cleared' }
end
-- Who was issued a coupon at or after the opening shows that it has been open; a postponed opening still lies ahead.
if tonumber(highest) > 0 and tonumber(lastIssuedAt) >= tonumber(opensAt) then gate = gate - SCHEDULED end
if paused == '1' then gate = gate + PAUSED end
if redis.call('ZCARD', free) > 0 then gate = gate + FREED end
redis.call('DEL', outbox)
redis.call('XGROUP', 'CREATE', outbox, 'sweep', '0', 'MKSTREAM')
-- Later than anything that was issued before, whatever this server's clock shows: ticket and time name an issuance.
if tonumber(lastIssuedAt) > 0 then redis.call('XSETID', outbox, string.format('%.0f-0', tonumber(lastIssuedAt) + 1)) end
redis.call('SET', about, definition)
redis.call('SET', tally, struct.pack('>I4I4BI4ddI4dI4I4c40c16', stock, highest, gate, firstEtaMs, closesAt, base, version, opensAt, returned, epoch, node, filling))
return { 'finished' }
