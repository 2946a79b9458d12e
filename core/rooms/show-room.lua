-- Reads what there is to know of a room, without a write.
--
-- KEYS rules    string  packed, see rooms/rules.ts
--      state    string  packed, see rooms/room-state.ts
--      waiting  zset    member -> place
--      passes   zset    member -> when the pass ends
--
-- Replies: found version waiting active serving admitted dropped numbered numbersTo pace reason opened recovering graceMs epoch fast slow drops series capacity maxWaiting rate open opensAtMs nowMs filling passMs heartbeatMs shuffle seed
--          missing
local rules, state, waiting, passes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, max = redis.call, math.max
local OPENED, UNARMED = 1, 2

local packed = call('MGET', rules, state)
if not packed[1] or not packed[2] then return { 'missing' } end
local version, series, capacity, maxWaiting, rate, passMs, beatMs, _, open, _, shuffle, _, opensAt, fromMs, toMs, otherRate, otherCapacity, otherOpen, seed =
  struct.unpack('>I4I4I4I4ddddBBBBddddI4Bc32', packed[1])
local pace, _, numbersTo, reason, latch, epoch, node, filling, numbered, serving, admitted, dropped, _, at, clock, _, _, _, _, _, fast, slow, drops, graceUntil =
  struct.unpack('>dddBBI4c40c16dddddddddddddddd', packed[2])
local time = call('TIME')
local wall = time[1] * 1000 + math.floor(time[2] / 1000)
clock = clock + max(0, wall - at)
if wall >= fromMs and wall < toMs then
  if otherRate >= 0 then rate = otherRate end
  if otherCapacity < 4294967295 then capacity = otherCapacity end
  if otherOpen < 2 then open = otherOpen end
end
local recovering = 0
if latch >= UNARMED or not string.find(call('INFO', 'replication'), 'master_replid:' .. node, 1, true) then recovering = 1 end
local opened = 0
if latch % UNARMED >= OPENED or wall >= opensAt then opened = 1 end
-- Who was passed over at the head still stands before everyone behind: up to them, and no further, the line is served.
local head = tonumber(call('ZRANGE', waiting, '0', '0', 'WITHSCORES')[2] or '')
if head and head >= 0 then serving = math.min(serving, head - 1) end
local line, active = call('ZCARD', waiting), call('ZCOUNT', passes, '(' .. string.format('%.0f', clock), '+inf')
return { 'found', version, line, active, string.format('%.0f', serving), string.format('%.0f', admitted), string.format('%.0f', dropped), string.format('%.0f', numbered), string.format('%.0f', numbersTo), string.format('%.4f', pace), reason, opened, recovering, math.floor(max(0, graceUntil - clock)), epoch, string.format('%.4f', fast), string.format('%.4f', slow), string.format('%.4f', drops), series, capacity, maxWaiting, string.format('%.17g', rate), open, string.format('%.0f', opensAt), string.format('%.0f', wall), filling, passMs, beatMs, shuffle, seed }
