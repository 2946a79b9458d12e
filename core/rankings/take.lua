-- Takes products that are to be scored, with their records. They stay listed until their scores are in place.
--
-- KEYS origin    string  the edition is open here
--      claim     string  who scores
--      dirty     set     products that changed; moved to the list when that is empty. The list itself, where there are none
--      list      set     products that are being scored
--      products  hash    product -> packed record
-- ARGV scorer           who asks
--      most             products to take
--
-- Replies: taken [product record]... | overtaken | missing
--          record: nil where the product is forgotten
local origin, claim, dirty, list, products = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local scorer, most = ARGV[1], tonumber(ARGV[2])

if redis.call('EXISTS', origin) == 0 then return { 'missing' } end
if redis.call('GET', claim) ~= scorer then return { 'overtaken' } end
if dirty ~= list and redis.call('EXISTS', list) == 0 and redis.call('EXISTS', dirty) == 1 then redis.call('RENAME', dirty, list) end
local names = redis.call('SRANDMEMBER', list, most)
local reply = { 'taken' }
if #names > 0 then
  local records = redis.call('HMGET', products, unpack(names))
  for i = 1, #names do reply[2 * i], reply[2 * i + 1] = names[i], records[i] end
end
return reply
