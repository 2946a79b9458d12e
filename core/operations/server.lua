-- Tells how the server stands on which a key lies, or would lie: in a cluster that is how each server is asked.
--
-- KEYS anchor   string  leads to the server; whether it is there does not matter
--
-- Replies: told server replication memory stats
--          server: like the others, as INFO has that section
local anchor = KEYS[1]

return { 'told', redis.call('INFO', 'server'), redis.call('INFO', 'replication'), redis.call('INFO', 'memory'), redis.call('INFO', 'stats') }
