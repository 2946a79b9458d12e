-- Puts a room into Redis, or changes its rules there. Rules of an older version than those that stand there change nothing.
-- `fill` makes the room anew, closed to everyone until the ledger has agreed to it: of an earlier epoch it keeps what is there,
-- so that people find their places; `arm` opens what was filled, on the server that runs this. Where the passes' series has
-- risen, everyone who is inside is put out.
--
-- KEYS rules    string  packed, see rooms/rules.ts
--      state    string  packed, see rooms/room-state.ts
--      waiting  zset    member -> place
--      passes   zset    member -> when the pass ends
--      numbers  hash    member -> number of each in passes
--      spent    hash    member -> what a single-use pass was used for
-- ARGV step             change, fill or arm
--      content          the packed rules
--      filling          names the filling
--      epoch            of the filling
--      numbersFrom      the last number that may have been given before
--      numbersTo        the highest number that may be given
--      graceMs          how long nobody is admitted, so that all can come back
--      lostAt           when the room was last known to be well, in ms since 1970
--
-- Replies: changed | unchanged | conflict waiting | filled | armed | overtaken | missing
--          conflict: an order is to be drawn, and people wait whose places it would make worse
local rules, state, waiting, passes, numbers, spent = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local step, content, filling, epoch, numbersFrom, numbersTo, graceMs, lostAt = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local call = redis.call
local OPENED, UNARMED = 1, 2
local REST = '>dddddddddddddddddddd'

local stands, packed = call('GET', rules), call('GET', state)
local time = call('TIME')
local wall = time[1] * 1000 + math.floor(time[2] / 1000)
local latch = packed and struct.unpack('>B', packed, 26)

if step == 'arm' then
  if not packed or string.sub(packed, 71, 86) ~= filling then return { 'overtaken' } end
  if latch >= UNARMED then call('SETRANGE', state, '25', string.char(latch % UNARMED)) end
  return { 'armed' }
end

local shuffle, _, opensAt = struct.unpack('>BBd', content, 51)
-- A time to come shuts the door again, unless it is the one that was seen to be past: then a clock has stepped back.
local isShut = opensAt > wall and not (latch and latch % UNARMED >= OPENED and stands and struct.unpack('>d', stands, 53) == opensAt)
local isRevoked = stands and struct.unpack('>I4', stands, 5) < struct.unpack('>I4', content, 5)
if step == 'fill' then
  local numbered, serving, admitted, dropped, level, at, clock, idle = numbersFrom, 0, 0, 0, 1000000, wall, wall, 0
  local graceUntil, from = 0, nil
  local recent = ''
  if packed then
    if struct.unpack('>I4', packed, 27) >= epoch then return { 'overtaken' } end
    numbered, serving, admitted, dropped, level, at, clock, idle = struct.unpack('>dddddddd', packed, 87)
    numbered = math.max(numbered, numbersFrom)
    -- Nobody could poll meanwhile, so nobody has stopped polling; passes ran on.
    local passed = math.max(0, wall - at)
    at, clock, idle = wall, clock + passed, idle + passed
    recent = string.sub(packed, 87 + 20 * 8)
  end
  if graceMs > 0 then graceUntil = clock + graceMs end
  local node = string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
  local opened = latch and not isShut and latch % UNARMED or 0
  if isRevoked then call('UNLINK', passes, numbers, spent) end
  call('SET', rules, content)
  call('SET', state, struct.pack('>dddBBI4', 1, 0, numbersTo, 0, opened + UNARMED, epoch) .. node .. filling .. struct.pack(REST, numbered, serving, admitted, dropped, level, at, clock, idle, clock, clock, admitted, dropped, -1, -1, 0, graceUntil, lostAt, 0, 0, 0) .. recent)
  return { 'filled' }
end

if not stands or not packed then return { 'missing' } end
if struct.unpack('>I4', stands) >= struct.unpack('>I4', content) then return { 'unchanged' } end
if isShut then
  -- An order can be drawn only where nobody has a place yet.
  local drawn = string.sub(stands, -32) == string.sub(content, -32)
  local line = call('ZCARD', waiting)
  if shuffle == 1 and line > 0 and not (drawn and latch % UNARMED < OPENED) then return { 'conflict', line } end
  if latch % UNARMED >= OPENED then call('SETRANGE', state, '25', string.char(latch - OPENED)) end
end
if isRevoked then call('UNLINK', passes, numbers, spent) end
local before, after = struct.unpack('>d', stands, 33), struct.unpack('>d', content, 33)
if after < before then
  -- People were told to poll by the longer heartbeat: they are measured by it until they can have heard of the shorter one.
  local at, clock = struct.unpack('>dd', packed, 127)
  local slowBeatMs, slowUntil = struct.unpack('>dd', packed, 231)
  if clock < slowUntil then before = math.max(before, slowBeatMs) end
  slowUntil = clock + math.max(0, wall - at) + 1.5 * before
  call('SETRANGE', state, '230', struct.pack('>dd', before, slowUntil))
end
call('SET', rules, content)
return { 'changed' }
