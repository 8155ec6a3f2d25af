#!lua flags=allow-oom
--[[ cache-renew: keep a fetch lease that is still the caller's.
Why a script: between reading the token and setting the time limit, another node may have taken the lease over.
KEYS[1]  lease  STRING (token generation)
ARGV[1]  key    ARGV[2]  token    ARGV[3]  leaseMs
Returns  {key, token, 'ok' | 'lost'} ]]
local held = string.match(redis.call('GET', KEYS[1]) or '', '^%S+')
if held ~= ARGV[2] then return { ARGV[1], ARGV[2], 'lost' } end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { ARGV[1], ARGV[2], 'ok' }
