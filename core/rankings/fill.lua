-- Lists every product to be scored for a board version that was not there before; a bounded number per call.
--
-- KEYS origin     string  the edition is open here
--      claim      string  who scores
--      built      set     board versions: begun, every product listed for it, every product scored for it
--      products   hash    product -> packed record
--      remaining  set     products to be scored for this version
-- ARGV scorer           who asks
--      begun            the version's name where it is begun
--      listed           its name where all are listed
--      cursor           where to go on; 0 at first
--      most             products to look through, about
--
-- Replies: filled cursor | overtaken | missing
--          cursor: 0 when all are listed
local origin, claim, built, products, remaining = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local scorer, begun, listed, cursor, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if redis.call('EXISTS', origin) == 0 then return { 'missing' } end
if redis.call('GET', claim) ~= scorer then return { 'overtaken' } end
local scanned = redis.call('HSCAN', products, cursor, 'COUNT', most)
local names = {}
for i = 1, #scanned[2], 2 do names[#names + 1] = scanned[2][i] end
redis.call('SADD', built, begun)
if #names > 0 then redis.call('SADD', remaining, unpack(names)) end
if scanned[1] == '0' then redis.call('SADD', built, listed) end
return { 'filled', scanned[1] }
