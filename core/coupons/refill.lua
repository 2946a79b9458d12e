-- Empties a bucket, or writes its part of a campaign's new filling. Repeating it changes nothing; an attempt that was overtaken is
-- told so, also one that would still empty what others fill already. A holder whose coupon was given back is written with its
-- mark, over the very same coupon only: a page of the ledger may be read twice, and somebody gives one back in between.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      bucket   hash    member -> ticket, milliseconds since base, idempotency key
--      free     zset    tickets that were given back, by number
-- ARGV filling          16 characters that name this filling
--      clear            1 to empty the bucket first
--      tickets          tickets for the free list, 4 bytes each
--      holders          for each: length of the member (1 byte), member, nth (1 byte), length of the value (1 byte), value
--
-- Replies: filled | overtaken
local tally, bucket, free = KEYS[1], KEYS[2], KEYS[3]
local filling, clear, tickets, holders = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local UNARMED = 16

local packed = redis.call('GET', tally)
if not packed or string.byte(packed, 9) < UNARMED or string.sub(packed, 90, 105) ~= filling then return { 'overtaken' } end
if not string.find(redis.call('INFO', 'replication'), 'master_replid:' .. string.sub(packed, 50, 89), 1, true) then
  return { 'overtaken' }
end

local EMPTYING, NOTHING = 0, string.rep('\0', 9)
local isEmptying = struct.unpack('>I4', packed, 10) == EMPTYING
if (clear == '1') ~= isEmptying then return { 'overtaken' } end

if clear == '1' then redis.call('DEL', bucket) end
for at = 1, #(tickets or ''), 4 do
  local ticket = struct.unpack('>I4', tickets, at)
  redis.call('ZADD', free, ticket, ticket)
end
local at = 1
while at <= #(holders or '') do
  local length = string.byte(holders, at)
  local member = string.sub(holders, at + 1, at + length)
  local nth = string.byte(holders, at + length + 1)
  local size = string.byte(holders, at + length + 2)
  local value = string.sub(holders, at + length + 3, at + length + 2 + size)
  at = at + length + 3 + size
  -- The look-up of a user ends at the first empty place: places below this one that were given back are kept as such.
  for lower = 1, nth - 1 do
    redis.call('HSETNX', bucket, lower == 1 and member or lower .. '\31' .. member, NOTHING)
  end
  local field = nth == 1 and member or nth .. '\31' .. member
  local standing = size % 8 == 1 and redis.call('HGET', bucket, field)
  if not standing or standing == NOTHING or standing == string.sub(value, 1, -2) then redis.call('HSET', bucket, field, value) end
end
return { 'filled' }
