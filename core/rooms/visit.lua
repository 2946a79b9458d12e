-- Decides one visit to a waiting room: somebody takes a ticket, polls it (which is the heartbeat) or leaves, or the schedule
-- looks in; then it drops who has stopped polling and admits whose turn it is, as many as rate and capacity both allow.
-- The line is the order of the tickets' places: numbers count up, so a place never gets worse. Places drawn before the opening
-- lie below zero; each carries its number in the low 26 bits.
-- Time is the room's own: it runs with Redis's clock, stands still when that steps back, and what is measured by heartbeats
-- stands still while nobody could poll. At most `most` people are dropped and `most` admitted in one call.
--
-- KEYS rules    string  packed, see rooms/rules.ts
--      state    string  packed, see rooms/room-state.ts
--      waiting  zset    member -> place
--      beats    zset    member -> last heartbeat, for each who waits or has not collected the pass yet
--      passes   zset    member -> when the pass ends; kept for a while after that, also for those who were dropped
--      numbers  hash    member -> number of each in passes, below zero until the pass was collected
--      spent    hash    member -> what a single-use pass was used for
-- ARGV step             join, poll, leave or tick
--      member           who; empty for tick
--      most             people dropped and people admitted at most
--      ticketEpoch      epoch of a ticket that was shown, or empty
--      ticketNumber     its number
--      ticketDrawn      1 where its place is drawn
--      dueAt            when its next poll was due at the latest, in ms since 1970
--      passEpoch        epoch of a pass that was shown, or empty
--      passSeries       its series
--      passNumber       its number
--      passLeftMs       what it has left, in ms
--
-- Replies: created standing number place ahead leftMs line admitted limit least fast slow drops graceMs opensMs epoch series heartbeatMs open
--          found standing number place ahead leftMs line admitted limit least fast slow drops graceMs opensMs epoch series heartbeatMs open
--          room-full | unknown | left | recovering | missing
--          ticked line active admitted more
--          standing: waiting, admitted or expired
--          ahead: people before this one; -1 while the places are not drawn yet; more: 1 where a bound was reached
local rules, state, waiting, beats, passes, numbers, spent = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local step, member, most, ticketEpoch, ticketNumber, ticketDrawn, dueAt, passEpoch, passSeries, passNumber, passLeftMs = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local call, floor, min, max = redis.call, math.floor, math.min, math.max
local OPENED, UNARMED = 1, 2
local DRAWN, NUMBERS = -2 ^ 52, 2 ^ 26
local SWEEP_MS, MEASURE_MS, FAST_SECONDS, SLOW_SECONDS = 50, 250, 6, 40
-- Nobody who is admitted can wait longer than this for the own poll; the pass's own time begins with it.
local UNCOLLECTED_MS = 86400000
local SLOT_MS, SLOTS, BURST_SECONDS, PRIOR_SECONDS = 31.25, 32, 0.5, 3

local packed = call('MGET', rules, state)
if not packed[1] or not packed[2] then return { 'missing' } end
local _, series, capacity, maxWaiting, rate, passMs, beatMs, keepMs, open, renew, shuffle, _, opensAt, fromMs, toMs, otherRate, otherCapacity, otherOpen, seed =
  struct.unpack('>I4I4I4I4ddddBBBBddddI4Bc32', packed[1])
local pace, _, numbersTo, _, latch, epoch, node, _, numbered, serving, admitted, dropped, level, at, clock, idle, sweptAt, measuredAt, measuredAdmitted, measuredDropped, fast, slow, drops, graceUntil, lostAt, measuredFor, slowBeatMs, slowUntil, from =
  struct.unpack('>dddBBI4c40c16dddddddddddddddddddd', packed[2])
if latch >= UNARMED then return { 'recovering' } end

-- Reads.
local time = call('TIME')
local wall = time[1] * 1000 + floor(time[2] / 1000)
local passed = max(0, wall - at)
local dirty = wall < at or step == 'tick'
at, clock = wall, clock + passed
-- Who was told to poll by a longer heartbeat is measured by that for a while.
local toldMs = beatMs
if clock < slowUntil then beatMs = max(beatMs, slowBeatMs) end
idle = idle + max(0, passed - beatMs / 2)
local beat = string.format('%.0f', clock - idle)
local staleBeat = string.format('%.0f', clock - idle - 1.5 * beatMs)
local freshBeat = clock - idle - beatMs
if wall >= fromMs and wall < toMs then
  if otherRate >= 0 then rate = otherRate end
  if otherCapacity < 4294967295 then capacity = otherCapacity end
  if otherOpen < 2 then open = otherOpen end
end
if latch < OPENED and wall >= opensAt then latch, dirty = latch + OPENED, true end
local limit = rate * pace
-- Passes end at the latest after their time, unless they are prolonged: so many come in at the least while people wait.
local least = 0
if renew == 0 then least = min(limit, capacity * 1000 / passMs) end
-- A second's worth would come in lumps; less than a look of the schedule is worth would be lost.
level = min(level + passed / 1000 * limit, max(1 + limit * 0.3, limit * BURST_SECONDS))
local isGrace = clock < graceUntil
local isServing = open == 1 and latch >= OPENED and not isGrace

local score, ends, number
if step ~= 'tick' then
  score = tonumber(call('ZSCORE', waiting, member) or '')
  if not score then ends = tonumber(call('ZSCORE', passes, member) or '') end
  if ends then number = tonumber(call('HGET', numbers, member) or '0') end
end
local isAdmitted = ends and ends > clock

-- Decisions about the visitor. What is of an earlier epoch finds what it stood for: a ticket in the time that is given for it, a
-- pass as long as it lasts, where there is room inside. (A pass that was given back may be shown as well: there can be more of
-- them than places; in that time its number stands in line instead.)
local restored, restoredNumber, restoredDrawn
if passEpoch and passEpoch < epoch and passSeries == series and passLeftMs > 0 and not isAdmitted and step ~= 'leave' then
  restoredNumber, restoredDrawn = passNumber, 0
  if call('ZCOUNT', passes, '(' .. string.format('%.0f', clock), '+inf') < capacity then
    restored = 'admitted'
  elseif isGrace and not score then
    restored = 'waiting'
  end
end
if isGrace and not restored and ticketEpoch and ticketEpoch < epoch and dueAt >= lostAt and not score and not ends and step ~= 'leave' then
  restored, restoredNumber, restoredDrawn = 'waiting', ticketNumber, ticketDrawn
end
local isNew = step == 'join' and not score and not isAdmitted and not restored
local sweeps = step == 'tick' or clock - sweptAt >= SWEEP_MS
local line = call('ZCARD', waiting)
if isNew then
  if line >= maxWaiting then return { 'room-full' } end
  if numbered >= numbersTo or shuffle == 1 and latch < OPENED and numbered + 1 >= NUMBERS then return { 'room-full' } end
end
local active
if isServing and level >= 1 and (line > 0 or isNew) then active = call('ZCOUNT', passes, '(' .. string.format('%.0f', clock), '+inf') end
local mayAdmit = active and active < capacity
if isNew or sweeps or mayAdmit then
  if not string.find(call('INFO', 'replication'), 'master_replid:' .. node, 1, true) then
    call('SETRANGE', state, '25', string.char(latch + UNARMED))
    return { 'recovering' }
  end
end
if step == 'leave' then
  if score then
    call('ZREM', waiting, member)
    call('ZREM', beats, member)
  elseif ends then
    call('ZREM', passes, member)
    call('ZREM', beats, member)
    call('HDEL', numbers, member)
    call('HDEL', spent, member)
  end
  return { 'left' }
end

-- Writes: the visitor first, so that a poll that comes just in time saves a place.
if isNew or restored == 'waiting' then
  local isDrawn = restoredDrawn == 1
  if isNew then
    dirty, numbered = true, numbered + 1
    restoredNumber, isDrawn = numbered, shuffle == 1 and latch < OPENED
  end
  score = restoredNumber
  if isDrawn then
    local draw = tonumber(string.sub(redis.sha1hex(seed .. ':' .. string.format('%.0f', restoredNumber)), 1, 7), 16)
    score = DRAWN + floor(draw / 4) * NUMBERS + restoredNumber
  end
  call('ZADD', waiting, string.format('%.0f', score), member)
  line = line + 1
  if ends then
    call('ZREM', passes, member)
    call('HDEL', numbers, member)
    call('HDEL', spent, member)
    ends = nil
  end
end
if restored == 'admitted' then
  if score then
    call('ZREM', waiting, member)
    call('ZREM', beats, member)
    score, line = nil, line - 1
  end
  ends, number, isAdmitted = clock + passLeftMs, restoredNumber, true
  call('ZADD', passes, string.format('%.0f', ends), member)
  call('HSET', numbers, member, string.format('%.0f', number))
elseif isAdmitted then
  -- The pass is collected by the first poll, and lasts from then. It is prolonged only where nobody is inside too many.
  local isFirst = number < 0
  local renews = renew == 1 and not isFirst and ends - clock < passMs / 2
  if renews then renews = call('ZCOUNT', passes, '(' .. string.format('%.0f', clock), '+inf') <= capacity end
  if isFirst or renews then
    ends, number = clock + passMs, math.abs(number)
    call('ZADD', passes, string.format('%.0f', ends), member)
    call('HSET', numbers, member, string.format('%.0f', number))
    call('ZREM', beats, member)
  end
end
if score then call('ZADD', beats, beat, member) end

-- Who has stopped polling loses the place, or the pass that waited to be collected; what nobody asks for any more is forgotten.
local more = 0
if sweeps then
  dirty, sweptAt = true, clock
  local gone = call('ZRANGEBYSCORE', beats, '-inf', staleBeat, 'LIMIT', '0', most)
  if #gone > 0 then
    local places = call('ZMSCORE', waiting, unpack(gone))
    local ended, named = {}, {}
    for i = 1, #gone do
      ended[2 * i - 1], ended[2 * i] = string.format('%.0f', clock), gone[i]
      if places[i] then
        local lost = tonumber(places[i])
        if lost < 0 then lost = (lost - DRAWN) % NUMBERS end
        named[#named + 1], named[#named + 2] = gone[i], string.format('%.0f', lost)
      end
    end
    call('ZREM', waiting, unpack(gone))
    call('ZREM', beats, unpack(gone))
    call('ZADD', passes, unpack(ended))
    if #named > 0 then call('HSET', numbers, unpack(named)) end
    dropped, line = dropped + #gone, line - #named / 2
    if #gone == most then more = 1 end
  end
  local old = call('ZRANGEBYSCORE', passes, '-inf', string.format('%.0f', clock - keepMs), 'LIMIT', '0', most)
  if #old > 0 then
    call('ZREM', passes, unpack(old))
    call('HDEL', numbers, unpack(old))
    call('HDEL', spent, unpack(old))
    if #old == most then more = 1 end
  end
end

-- Whose turn it is. A head who has been silent for a heartbeat is passed over until the next poll, or until a sweep.
if mayAdmit and line > 0 then
  -- Not more in any one second than the rate allows: what was admitted lately, by parts of a second.
  local slot, recent, here, kept = floor(clock / SLOT_MS), 0, 0, {}
  for past, count in string.gmatch(string.sub(packed[2], from), '(%d+):(%d+)') do
    if tonumber(past) >= slot - SLOTS then
      recent = recent + tonumber(count)
      if tonumber(past) == slot then here = tonumber(count) else kept[#kept + 1] = past .. ':' .. count end
    end
  end
  local quota = min(floor(level), max(1, math.ceil(limit)) - recent, capacity - active, most, line)
  if quota > 0 then
    -- Some more than may come in, so that a few who are silent at the head hold up nobody.
    local heads = call('ZRANGE', waiting, '0', min(2 * quota + 8, most) - 1, 'WITHSCORES')
    local names = {}
    for i = 1, #heads / 2 do names[i] = heads[2 * i - 1] end
    local seen = call('ZMSCORE', beats, unpack(names))
    local turn, ended, named, calls, own = {}, {}, {}, {}, false
    for i = 1, #names do
      if #turn < quota and seen[i] and tonumber(seen[i]) > freshBeat then
        local theirs, untilClock, sign = tonumber(heads[2 * i]), clock + UNCOLLECTED_MS, -1
        if theirs < 0 then theirs = (theirs - DRAWN) % NUMBERS else serving = max(serving, theirs) end
        if names[i] == member then
          untilClock, sign, own = clock + passMs, 1, true
          score, ends, number = nil, untilClock, theirs
        end
        turn[#turn + 1] = names[i]
        -- A pass is kept for whoever keeps the heartbeat, and no longer: a place inside stands empty meanwhile.
        calls[#calls + 1], calls[#calls + 2] = string.format('%.0f', tonumber(seen[i]) - beatMs / 2), names[i]
        ended[#ended + 1], ended[#ended + 2] = string.format('%.0f', untilClock), names[i]
        named[#named + 1], named[#named + 2] = names[i], string.format('%.0f', sign * theirs)
      end
    end
    local count = #turn
    if count > 0 then
      call('ZREM', waiting, unpack(turn))
      call('ZADD', beats, unpack(calls))
      call('ZADD', passes, unpack(ended))
      call('HSET', numbers, unpack(named))
      call('HDEL', spent, unpack(turn))
      if own then call('ZREM', beats, member) end
      admitted, level, line, dirty = admitted + count, level - count, line - count, true
      kept[#kept + 1] = string.format('%.0f:%d', slot, here + count)
      packed[2] = string.sub(packed[2], 1, from - 1) .. table.concat(kept, ' ')
    end
  end
end

-- How fast the line moves, measured only while somebody waits: an empty room is not a slow one.
if sweeps and clock - measuredAt >= MEASURE_MS then
  local seconds = (clock - measuredAt) / 1000
  if isServing and line > 0 then
    local perSecond = (admitted - measuredAdmitted) / seconds
    -- Until an average has its length behind it, it is the plain one of all that was measured; and before there is much of
    -- that, or where nobody has waited for long, of what the room can do: a first look is a burst, or a pause after one.
    if measuredFor < PRIOR_SECONDS then fast, slow, measuredFor = limit, least, PRIOR_SECONDS end
    measuredFor = min(measuredFor + seconds, SLOW_SECONDS)
    local near = max(1 - math.exp(-seconds / FAST_SECONDS), seconds / measuredFor)
    local far = max(1 - math.exp(-seconds / SLOW_SECONDS), seconds / measuredFor)
    fast, slow = fast + near * (perSecond - fast), slow + far * (perSecond - slow)
    drops = drops + near * ((dropped - measuredDropped) / seconds - drops)
  else
    measuredFor = max(0, measuredFor - seconds)
  end
  measuredAt, measuredAdmitted, measuredDropped = clock, admitted, dropped
end

if dirty then
  call('SET', state, string.sub(packed[2], 1, 25) .. string.char(latch) .. string.sub(packed[2], 27, 86) .. struct.pack('>dddddddddddddddddddd', numbered, serving, admitted, dropped, level, at, clock, idle, sweptAt, measuredAt, measuredAdmitted, measuredDropped, fast, slow, drops, graceUntil, lostAt, measuredFor, slowBeatMs, slowUntil) .. string.sub(packed[2], from))
end

if step == 'tick' then
  active = call('ZCOUNT', passes, '(' .. string.format('%.0f', clock), '+inf')
  return { 'ticked', line, active, string.format('%.0f', admitted), more }
end
local standing, ahead, leftMs = 'waiting', -1, 0
if score then
  number = score
  if score < 0 then number = (score - DRAWN) % NUMBERS end
  if score >= 0 or latch >= OPENED then ahead = call('ZRANK', waiting, member) end
elseif ends then
  standing, leftMs, number = 'expired', 0, math.abs(number)
  if ends > clock then standing, leftMs = 'admitted', floor(ends - clock) end
  score, ahead = number, 0
else
  return { 'unknown' }
end
local facts = { string.format('%.0f', number), string.format('%.0f', score), ahead, leftMs, line, string.format('%.0f', admitted), string.format('%.4f', limit), string.format('%.6f', least), string.format('%.4f', fast), string.format('%.4f', slow), string.format('%.4f', drops), floor(max(0, graceUntil - clock)), floor(max(0, opensAt - wall)), epoch, series, toldMs, open }
if isNew then return { 'created', standing, unpack(facts) } end
return { 'found', standing, unpack(facts) }
