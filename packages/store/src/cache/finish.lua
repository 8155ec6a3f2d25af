#!lua flags=allow-oom
--[[ cache-finish: release a fetch lease that is still the caller's and notify the nodes that wait for the fetch.
Why a script: between reading the token and deleting, another node may have taken the lease over.
KEYS[1]  lease  STRING (token generation)    KEYS[2]  notices  sharded channel
ARGV[1]  key    ARGV[2]  token    ARGV[3]  message
Returns  {key, token, 'ok' | 'lost'} ]]
local held = string.match(redis.call('GET', KEYS[1]) or '', '^%S+')
if held ~= ARGV[2] then return { ARGV[1], ARGV[2], 'lost' } end
redis.call('DEL', KEYS[1])
redis.call('SPUBLISH', KEYS[2], ARGV[3])
return { ARGV[1], ARGV[2], 'ok' }
