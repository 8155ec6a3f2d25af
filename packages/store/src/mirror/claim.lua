#!lua flags=allow-oom
--[[ mirror-claim: become the owner of an outbox partition.
Why a script: the new fence exceeds every earlier owner's, also when the stored one was lost.
KEYS[1]  owner  STRING
ARGV[1]  partition    ARGV[2]  call
Returns  {partition, call, fence} ]]
local time = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) + 1, time[1] * 1000000 + time[2])
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[1], text)
return { ARGV[1], ARGV[2], text }
