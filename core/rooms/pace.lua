-- Lets admission follow the backend: a step down while confirmations are late, a smaller step up while they are not, at most one
-- step a second however many schedules call. Also raises the highest number that may be given.
--
-- KEYS state    string  packed, see rooms/room-state.ts
-- ARGV lateMs           how long a coupon that is issued now will take to be in the ledger, in ms
--      targetMs         above this admission slows down, in ms
--      throttled        1 when the ledger has refused writes lately
--      stepMs           the shortest time between two steps, in ms
--      leastPace        the smallest share of the rate
--      riseBy           by how much of itself the pace rises in a step
--      numbersTo        the highest number that may be given, or 0 to leave it
--
-- Replies: paced pace reason | missing
local state = KEYS[1]
local lateMs, targetMs, throttled, stepMs, leastPace, riseBy, numbersTo = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local call, max, min = redis.call, math.max, math.min
local CONFIRMATIONS, LEDGER = 1, 2

local packed = call('GET', state)
if not packed then return { 'missing' } end
local pace, pacedAt, highest, reason = struct.unpack('>dddB', packed)
local time = call('TIME')
local wall = time[1] * 1000 + math.floor(time[2] / 1000)
-- A clock that stepped back begins a new second.
if wall < pacedAt or wall - pacedAt >= stepMs then
  local late = lateMs / targetMs
  if throttled == 1 then late = max(late, 1.25) end
  if late > 1 then
    -- The later, the harder the brake; never by more than half at once, which would be felt as a stop.
    pace = max(leastPace, pace * max(0.5, 1 / late))
    reason = CONFIRMATIONS
    if throttled == 1 then reason = LEDGER end
  elseif late < 0.5 then
    -- In proportion to what is left, so that a narrow backend is felt for carefully and a wide one opened quickly.
    pace = min(1, pace * (1 + riseBy) + leastPace / 2)
    if pace == 1 then reason = 0 end
  end
  pacedAt = wall
end
call('SETRANGE', state, '0', struct.pack('>dddB', pace, pacedAt, max(highest, numbersTo), reason))
return { 'paced', string.format('%.4f', pace), reason }
