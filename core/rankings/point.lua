-- Makes a generation the newest of its board and window, unless a newer one is, or one of a newer edition or state of the board.
--
-- KEYS pointer   string  JSON: the newest generation
-- ARGV edition          that it was made of
--      revision         of the board
--      generation       number of the generation
--      content          JSON: the generation
--
-- Replies: pointed | overtaken
local pointer = KEYS[1]
local edition, revision, generation, content = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local before = redis.call('GET', pointer)
if before then
  local newest = cjson.decode(before)
  if newest.edition > edition then return { 'overtaken' } end
  if newest.edition == edition then
    if newest.revision > revision then return { 'overtaken' } end
    if newest.revision == revision and newest.generation >= generation then return { 'overtaken' } end
  end
end
redis.call('SET', pointer, content)
return { 'pointed' }
