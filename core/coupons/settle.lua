-- Takes confirmations out of the outbox that the ledger now has, and measures how fast it takes them.
--
-- KEYS tally    string  packed, see coupons/tally.ts
--      outbox   stream  what the ledger does not have yet
--      flow     hash    perSecond, settledAt; count and since: the window being measured
-- ARGV ids              outbox ids, separated by spaces
--      windowMs         how long a measuring window lasts at least
--      etaMostMs        the longest ETA
--
-- Replies: settled count
local tally, outbox, flow = KEYS[1], KEYS[2], KEYS[3]
local ids, windowMs, etaMostMs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local list = {}
for id in string.gmatch(ids, '%S+') do list[#list + 1] = id end
redis.call('XACK', outbox, 'sweep', unpack(list))
local settled = redis.call('XDEL', outbox, unpack(list))
if settled == 0 then return { 'settled', 0 } end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local facts = redis.call('HMGET', flow, 'since', 'count', 'perSecond', 'settledAt')
local since = tonumber(facts[1])
local left = redis.call('XLEN', outbox)
-- A window counts what was taken after its beginning while something waited all the time: an idle time is no measure of speed,
-- and a slow ledger is not idle. After a long silence it begins anew: what lay there all the while was stuck, not in work.
if not since or now < since or now - (tonumber(facts[4]) or 0) > 8 * windowMs then
  redis.call('HSET', flow, 'count', 0, 'settledAt', now)
  if left > 0 then redis.call('HSET', flow, 'since', now) end
  return { 'settled', settled }
end
local count = (tonumber(facts[2]) or 0) + settled
if now - since < windowMs then
  redis.call('HSET', flow, 'count', count, 'settledAt', now)
  if left == 0 then redis.call('HDEL', flow, 'since') end
  return { 'settled', settled }
end
local perSecond = count * 1000 / (now - since)
local before = tonumber(facts[3])
if before then perSecond = (before + perSecond) / 2 end
redis.call('HSET', flow, 'count', 0, 'settledAt', now, 'perSecond', string.format('%.3f', perSecond))
if left > 0 then redis.call('HSET', flow, 'since', now) else redis.call('HDEL', flow, 'since') end

-- The ETA in the answers to new coupons: whole powers of two of a second, so that it changes seldom and equal answers stay equal.
local packed = redis.call('GET', tally)
if packed then
  local waitMs = left * 1000 / perSecond
  local etaMs = 1000
  while etaMs < waitMs and etaMs < etaMostMs do etaMs = etaMs * 2 end
  etaMs = math.min(etaMs, etaMostMs)
  if struct.unpack('>I4', packed, 10) ~= etaMs then redis.call('SETRANGE', tally, 9, struct.pack('>I4', etaMs)) end
end
return { 'settled', settled }
