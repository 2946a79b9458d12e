-- Claims outbox entries that are older than a bound and were not claimed lately, oldest first, so that they can be sent again.
-- Redis counts the claims of each entry: that is its number of attempts, and each attempt doubles the wait for the next one, so
-- that a long standstill of the persister does not fill the queue with copies. Two sweeps at once never claim the same entry.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      outbox   stream  what the ledger does not have yet
-- ARGV from             outbox id to begin at, or -
--      ageMs            only entries at least this old
--      idleMs           the wait after an entry's first claim; doubles with each
--      idleMostMs       the longest wait
--      most             entries to look at
--
-- Replies: found next depth oldestMs epoch [outboxId user attempts ticket nth key]... | missing
--          next: id to continue behind, or empty at the end; oldestMs: age of the oldest entry;
--          key: in hexadecimal
local tally, outbox = KEYS[1], KEYS[2]
local from, ageMs, idleMs, idleMostMs, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])

local packed = redis.call('GET', tally)
if not packed or redis.call('EXISTS', outbox) == 0 then return { 'missing' } end
local epoch = struct.unpack('>I4', packed, 46)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)
local oldestMs = 0
if oldest[1] then oldestMs = math.max(0, now - tonumber(string.match(oldest[1][1], '^%d+'))) end

-- After the clock stepped back, entries are younger than nothing: they are due at once, which is early and harmless.
local newest = redis.call('XREVRANGE', outbox, '+', '-', 'COUNT', 1)
local last = string.format('%d', now - ageMs)
if newest[1] and tonumber(string.match(newest[1][1], '^%d+')) > now then last = '+' end
local due = {}
if from == '-' or last == '+' or tonumber(string.match(from, '%d+')) <= tonumber(last) then
  due = redis.call('XRANGE', outbox, from, last, 'COUNT', most)
end
local reply = { 'found', '', redis.call('XLEN', outbox), oldestMs, epoch }
local claimed = {}
if due[1] then
  for _, pending in ipairs(redis.call('XPENDING', outbox, 'sweep', due[1][1], due[#due][1], #due)) do
    claimed[pending[1]] = pending
  end
end
for _, entry in ipairs(due) do
  local before = claimed[entry[1]]
  local attempts = before and before[4] or 0
  if attempts == 0 or before[3] >= math.min(idleMs * 2 ^ (attempts - 1), idleMostMs) then
    redis.call('XCLAIM', outbox, 'sweep', 'sweeper', 0, entry[1], 'FORCE', 'RETRYCOUNT', attempts + 1)
    local field = entry[2][1]
    local ticket = struct.unpack('>I4', field)
    local nth = #field > 5 and string.byte(field, 6) or 1
    local key = string.format(string.rep('%02x', #field - math.min(#field, 6)), string.byte(field, 7, -1))
    for _, fact in ipairs({ entry[1], entry[2][2], attempts + 1, ticket, nth, key }) do
      reply[#reply + 1] = fact
    end
  end
end
if #due == most then reply[2] = '(' .. due[#due][1] end
return reply
