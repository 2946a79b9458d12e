-- Mends one thing that a verification has found and that is safe to mend whatever happens at the same time. The steps:
-- hold: the ledger has this holder, and the place is empty; free: nobody has this ticket, and nothing can give it any more;
-- withhold: the ticket is in the free list and must not be given from there; count: the counter stands below a ticket that
-- somebody has; flag: the free list has tickets that nobody looks for.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket, milliseconds since base, idempotency key
--      free     zset    tickets that were given back, by number
--      outbox   stream  its ids are the clock
-- ARGV step             hold | free | withhold | count | flag
--      ticket           the ticket
--      field            the holder's field
--      value            what the field holds
--
-- Replies: mended | unchanged | recovering | missing
local tally, bucket, free, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local step, ticket, field, value = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local FREED, UNARMED = 8, 16

local packed = redis.call('GET', tally)
if not packed then return { 'missing' } end
local stock, issued, gate = struct.unpack('>I4I4B', packed)
if gate >= UNARMED then return { 'recovering' } end
local isFlagged = gate % (2 * FREED) >= FREED
local flagged = string.char(isFlagged and gate or gate + FREED)

if step == 'hold' then
  local standing = redis.call('HGET', bucket, field)
  -- A place that was given back is empty.
  if standing and #standing % 8 == 0 then return { 'unchanged' } end
  redis.call('HSET', bucket, field, value)
  redis.call('ZREM', free, ticket)
elseif step == 'free' then
  if ticket > issued or ticket > stock or redis.call('ZADD', free, 'NX', ticket, ticket) == 0 then return { 'unchanged' } end
  redis.call('SETRANGE', tally, 8, flagged)
  -- Whoever is issued it next gets a later time than anyone before, as after a release.
  local stream = redis.call('XINFO', 'STREAM', outbox)
  for i = 1, #stream, 2 do
    if stream[i] == 'last-generated-id' then
      redis.call('XSETID', outbox, string.format('%.0f-0', tonumber(string.match(stream[i + 1], '^%d+')) + 1))
    end
  end
elseif step == 'withhold' then
  if redis.call('ZREM', free, ticket) == 0 then return { 'unchanged' } end
elseif step == 'count' then
  if ticket <= issued or ticket > stock then return { 'unchanged' } end
  redis.call('SETRANGE', tally, 4, struct.pack('>I4', ticket))
else
  if isFlagged or redis.call('ZCARD', free) == 0 then return { 'unchanged' } end
  redis.call('SETRANGE', tally, 8, flagged)
end
redis.call('SETRANGE', tally, 41, struct.pack('>I4', struct.unpack('>I4', packed, 42) + 1))
return { 'mended' }
