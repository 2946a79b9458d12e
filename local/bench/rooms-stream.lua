-- Bench only: a waiting room on a stream. An entry is found by its id alone, so a hash keeps each user's; the id is the user's
-- number. Nothing counts the entries before one: the place is told as the distance from the head's number, which counts those
-- who have left in between as well. `count` walks through the stream for the place as it is. Otherwise as rooms-sorted-sets.lua.
--
-- KEYS line     stream  number-0 -> user
--      numbers  hash    user -> number, for each who waits
--      beats    zset    user -> last heartbeat, for each who waits
--      active   zset    user -> when the pass ends
--      counter  string  the last number given
-- ARGV step             join, poll, count, leave, admit or drop
--      user             who; empty for admit and drop
--      nowMs            the caller's clock
--      most             people admitted or dropped at most
--      capacity         people inside at most
--      spanMs           admit: how long a pass lasts; drop: how long one may go without a heartbeat
--
-- Replies: created place | waiting place | admitted people | dropped people | left | unknown
local line, numbers, beats, active, counter = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local step, user, nowMs, most, capacity, spanMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call = redis.call
local PAGE = 1000

if step == 'join' or step == 'poll' then
  local word, number = 'waiting', call('HGET', numbers, user)
  if not number then
    if call('ZSCORE', active, user) then return { 'admitted', 1 } end
    if step == 'poll' then return { 'unknown' } end
    word, number = 'created', call('INCR', counter)
    call('XADD', line, number .. '-0', 'user', user)
    call('HSET', numbers, user, number)
  end
  call('ZADD', beats, nowMs, user)
  local head = call('XRANGE', line, '-', '+', 'COUNT', '1')[1][1]
  return { word, number - string.match(head, '^%d+') + 1 }
end

if step == 'count' then
  local number = call('HGET', numbers, user)
  if not number then return { 'unknown' } end
  call('ZADD', beats, nowMs, user)
  local place, from = 0, '-'
  repeat
    local page = call('XRANGE', line, from, number, 'COUNT', PAGE)
    place = place + #page
    if #page > 0 then from = '(' .. page[#page][1] end
  until #page < PAGE
  return { 'waiting', place }
end

if step == 'leave' then
  local number = call('HGET', numbers, user)
  if number then
    call('XDEL', line, number)
    call('HDEL', numbers, user)
    call('ZREM', beats, user)
  else
    call('ZREM', active, user)
  end
  return { 'left' }
end

if step == 'admit' then
  call('ZREMRANGEBYSCORE', active, '-inf', nowMs)
  local count = math.min(most, capacity - call('ZCARD', active))
  if count <= 0 then return { 'admitted', 0 } end
  local heads = call('XRANGE', line, '-', '+', 'COUNT', count)
  local ids, names, ended, untilMs = {}, {}, {}, string.format('%.0f', nowMs + spanMs)
  for i = 1, #heads do
    ids[i], names[i] = heads[i][1], heads[i][2][2]
    ended[2 * i - 1], ended[2 * i] = untilMs, names[i]
  end
  if #names > 0 then
    call('XDEL', line, unpack(ids))
    call('HDEL', numbers, unpack(names))
    call('ZREM', beats, unpack(names))
    call('ZADD', active, unpack(ended))
  end
  return { 'admitted', #names }
end

local gone = call('ZRANGEBYSCORE', beats, '-inf', string.format('%.0f', nowMs - spanMs), 'LIMIT', '0', most)
if #gone > 0 then
  call('XDEL', line, unpack(call('HMGET', numbers, unpack(gone))))
  call('HDEL', numbers, unpack(gone))
  call('ZREM', beats, unpack(gone))
end
return { 'dropped', #gone }
