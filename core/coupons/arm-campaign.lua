-- Puts a campaign into Redis, closed to everyone until it is armed, or arms it. Creating what is already there changes nothing,
-- so both steps can be repeated after a crash. Never called to mend a loss: the caller has made sure that nothing was issued yet.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      about    string  JSON of the campaign's definition
--      outbox   stream  made with its group, so that re-sends can be counted from the first entry
-- ARGV step             create | arm
--      stock            tickets are 1…stock
--      opensAt          milliseconds since 1970
--      closesAt         milliseconds since 1970
--      base             milliseconds since 1970: the campaign's creation
--      definition       JSON for `about`
--
-- Replies: created | unchanged | changed | missing
local tally, about, outbox = KEYS[1], KEYS[2], KEYS[3]
local step, stock, opensAt, closesAt, base, definition = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local SCHEDULED, UNARMED = 1, 8

local packed = redis.call('GET', tally)
if step == 'create' then
  if packed then return { 'unchanged' } end
  redis.call('SET', about, definition)
  redis.call('DEL', outbox)
  redis.call('XGROUP', 'CREATE', outbox, 'sweep', '0', 'MKSTREAM')
  local firstEtaMs, firstVersion = 1000, 1
  redis.call('SET', tally, struct.pack('>I4I4BI4ddI4d', stock, 0, SCHEDULED + UNARMED, firstEtaMs, closesAt, base, firstVersion, opensAt))
  return { 'created' }
end
if not packed then return { 'missing' } end
local gate = string.byte(packed, 9)
if gate % (2 * UNARMED) < UNARMED then return { 'unchanged' } end
redis.call('SETRANGE', tally, 8, string.char(gate - UNARMED))
return { 'changed' }
