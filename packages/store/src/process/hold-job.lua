#!lua flags=allow-oom
--[[ hold-job: a service's job id stands for other attempts, if nobody has changed them since they were read.
Why a script: of two processes that get one id at once, the second must see the first. allow-oom: the service has the work.
KEYS[1]  job     STRING
ARGV[1]  digest  ARGV[2]  call  ARGV[3]  held ('': nobody)  ARGV[4]  holders  ARGV[5]  keepMs
Returns  {digest, call, 'held' | 'changed'} ]]
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[3] then return { ARGV[1], ARGV[2], 'changed' } end
local keepMs = math.max(tonumber(ARGV[5]), redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], ARGV[4], 'PX', string.format('%.0f', keepMs))
return { ARGV[1], ARGV[2], 'held' }
