-- Claims outbox entries that are older than a bound and were not claimed lately, oldest first, so that they can be sent again.
-- Redis counts the claims of each entry: that is its number of attempts. Two sweeps at once never claim the same entry.
--
-- KEYS outbox   stream  what the ledger does not have yet
-- ARGV from             outbox id to begin at, or -
--      ageMs            only entries at least this old
--      idleMs           only entries not claimed for this long
--      most             entries to look at
--
-- Replies: found next depth oldestMs [outboxId field user attempts]... | missing
--          next: id to continue behind, or empty at the end; oldestMs: age of the oldest entry
local outbox = KEYS[1]
local from, ageMs, idleMs, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

if redis.call('EXISTS', outbox) == 0 then return { 'missing' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)
local oldestMs = 0
if oldest[1] then oldestMs = math.max(0, now - tonumber(string.match(oldest[1][1], '^%d+'))) end

local last = string.format('%d', now - ageMs)
local due = {}
if from == '-' or tonumber(string.match(from, '%d+')) <= tonumber(last) then
  due = redis.call('XRANGE', outbox, from, last, 'COUNT', most)
end
local reply = { 'found', '', redis.call('XLEN', outbox), oldestMs }
for _, entry in ipairs(due) do
  local claimed = redis.call('XCLAIM', outbox, 'sweep', 'sweeper', idleMs, entry[1], 'FORCE')
  if claimed[1] then
    local pending = redis.call('XPENDING', outbox, 'sweep', entry[1], entry[1], 1)
    -- A forced claim of an entry that nobody had read counts twice: as its first delivery, and as a claim.
    local attempts = pending[1][4] - 1
    reply[#reply + 1], reply[#reply + 2], reply[#reply + 3], reply[#reply + 4] = entry[1], entry[2][1], entry[2][2], attempts
  end
end
if #due == most then reply[2] = '(' .. due[#due][1] end
return reply
