-- Bench only: a waiting room on a list as it is usually built: RPUSH, LPOS, LPOP, LREM. Only the heartbeats tell who waits, as a
-- list cannot be asked for a user without walking through it. Otherwise as rooms-sorted-sets.lua.
--
-- KEYS line     list    users as they came
--      beats    zset    user -> last heartbeat, for each who waits
--      active   zset    user -> when the pass ends
-- ARGV step             join, poll, leave, admit or drop
--      user             who; empty for admit and drop
--      nowMs            the caller's clock
--      most             people admitted or dropped at most
--      capacity         people inside at most
--      spanMs           admit: how long a pass lasts; drop: how long one may go without a heartbeat
--
-- Replies: created place | waiting place | admitted people | dropped people | left | unknown
local line, beats, active = KEYS[1], KEYS[2], KEYS[3]
local step, user, nowMs, most, capacity, spanMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call = redis.call

if step == 'join' or step == 'poll' then
  local word, place = 'waiting', nil
  if call('ZSCORE', beats, user) then
    place = call('LPOS', line, user) + 1
  else
    if call('ZSCORE', active, user) then return { 'admitted', 1 } end
    if step == 'poll' then return { 'unknown' } end
    word, place = 'created', call('RPUSH', line, user)
  end
  call('ZADD', beats, nowMs, user)
  return { word, place }
end

if step == 'leave' then
  if call('ZREM', beats, user) == 1 then call('LREM', line, '1', user) else call('ZREM', active, user) end
  return { 'left' }
end

if step == 'admit' then
  call('ZREMRANGEBYSCORE', active, '-inf', nowMs)
  local count = math.min(most, capacity - call('ZCARD', active))
  if count <= 0 then return { 'admitted', 0 } end
  local names = call('LPOP', line, count) or {}
  local ended, untilMs = {}, string.format('%.0f', nowMs + spanMs)
  for i = 1, #names do ended[2 * i - 1], ended[2 * i] = untilMs, names[i] end
  if #names > 0 then
    call('ZREM', beats, unpack(names))
    call('ZADD', active, unpack(ended))
  end
  return { 'admitted', #names }
end

local gone = call('ZRANGEBYSCORE', beats, '-inf', string.format('%.0f', nowMs - spanMs), 'LIMIT', '0', most)
for i = 1, #gone do call('LREM', line, '1', gone[i]) end
if #gone > 0 then call('ZREM', beats, unpack(gone)) end
return { 'dropped', #gone }
