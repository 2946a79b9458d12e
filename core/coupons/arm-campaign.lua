-- Puts a campaign into Redis, closed to everyone until it is armed, or arms it. Creating what is already there changes nothing,
-- so both steps can be repeated after a crash. It is armed only in the filling that the ledger has agreed to: a creator that
-- comes late, after Redis was lost and filled by somebody else, opens nothing.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      about    string  JSON of the campaign's definition
--      outbox   stream  made with its group, so that re-sends can be counted from the first entry
-- ARGV step             create | arm
--      filling          16 characters that name this filling
--      stock            tickets are 1…stock
--      opensAt          milliseconds since 1970
--      closesAt         milliseconds since 1970
--      base             milliseconds since 1970: the campaign's creation
--      epoch            the campaign's epoch in the ledger
--      definition       JSON for `about`
--
-- Replies: created filling | unchanged filling | changed filling | missing
local tally, about, outbox = KEYS[1], KEYS[2], KEYS[3]
local step, filling, stock, opensAt, closesAt, base, epoch, definition = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local SCHEDULED, UNARMED = 1, 16

local packed = redis.call('GET', tally)
local standing = packed and string.sub(packed, 90, 105)
if step == 'create' then
  if packed then return { 'unchanged', standing } end
  local node = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  redis.call('SET', about, definition)
  redis.call('DEL', outbox)
  redis.call('XGROUP', 'CREATE', outbox, 'sweep', '0', 'MKSTREAM')
  local firstEtaMs, firstVersion = 1000, 1
  redis.call('SET', tally, struct.pack('>I4I4BI4ddI4dI4I4c40c16', stock, 0, SCHEDULED + UNARMED, firstEtaMs, closesAt, base, firstVersion, opensAt, 0, epoch, node, filling))
  return { 'created', filling }
end
if not packed then return { 'missing' } end
local gate = string.byte(packed, 9)
if standing ~= filling or gate % (2 * UNARMED) < UNARMED then return { 'unchanged', standing } end
redis.call('SETRANGE', tally, 8, string.char(gate - UNARMED))
return { 'changed', standing }
