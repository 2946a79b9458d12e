-- Strikes products off the list of those to be scored: their scores are in place on every board.
--
-- KEYS claim     string  who scores
--      list      set     products that are being scored
-- ARGV scorer           who asks
--      rows             JSON: the products
--
-- Replies: done | overtaken
local claim, list = KEYS[1], KEYS[2]
local scorer, rows = ARGV[1], ARGV[2]

if redis.call('GET', claim) ~= scorer then return { 'overtaken' } end
redis.call('SREM', list, unpack(cjson.decode(rows)))
return { 'done' }
