-- Bench only: a waiting room on sorted sets as it is usually built. No rate, no fence, no epochs, nothing measured, and the time is
-- the caller's.
--
-- KEYS waiting  zset    user -> number
--      beats    zset    user -> last heartbeat, for each who waits
--      active   zset    user -> when the pass ends
--      counter  string  the last number given
-- ARGV step             join, poll, leave, admit or drop
--      user             who; empty for admit and drop
--      nowMs            the caller's clock
--      most             people admitted or dropped at most
--      capacity         people inside at most
--      spanMs           admit: how long a pass lasts; drop: how long one may go without a heartbeat
--
-- Replies: created place | waiting place | admitted people | dropped people | left | unknown
local waiting, beats, active, counter = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local step, user, nowMs, most, capacity, spanMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call = redis.call

if step == 'join' or step == 'poll' then
  local word, rank = 'waiting', call('ZRANK', waiting, user)
  if not rank then
    if call('ZSCORE', active, user) then return { 'admitted', 1 } end
    if step == 'poll' then return { 'unknown' } end
    word, rank = 'created', call('ZCARD', waiting)
    call('ZADD', waiting, call('INCR', counter), user)
  end
  call('ZADD', beats, nowMs, user)
  return { word, rank + 1 }
end

if step == 'leave' then
  if call('ZREM', beats, user) == 1 then call('ZREM', waiting, user) else call('ZREM', active, user) end
  return { 'left' }
end

if step == 'admit' then
  call('ZREMRANGEBYSCORE', active, '-inf', nowMs)
  local count = math.min(most, capacity - call('ZCARD', active))
  if count <= 0 then return { 'admitted', 0 } end
  local heads = call('ZPOPMIN', waiting, count)
  local names, ended, untilMs = {}, {}, string.format('%.0f', nowMs + spanMs)
  for i = 1, #heads / 2 do
    names[i] = heads[2 * i - 1]
    ended[2 * i - 1], ended[2 * i] = untilMs, names[i]
  end
  if #names > 0 then
    call('ZREM', beats, unpack(names))
    call('ZADD', active, unpack(ended))
  end
  return { 'admitted', #names }
end

local gone = call('ZRANGEBYSCORE', beats, '-inf', string.format('%.0f', nowMs - spanMs), 'LIMIT', '0', most)
if #gone > 0 then
  call('ZREM', waiting, unpack(gone))
  call('ZREM', beats, unpack(gone))
end
return { 'dropped', #gone }
