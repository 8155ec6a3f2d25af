#!lua flags=allow-oom
--[[ claim-due: return one partition's due alarms and hide them for a while.
Why a script: two sweepers must not get the same alarm. Hidden, not removed: if the claimer dies it becomes due again.
KEYS[1]  alarms     ZSET
ARGV[1]  partition  ARGV[2]  call    ARGV[3]  limit    ARGV[4]  hideMs
Returns  {partition, call, 'due', now, members (scope, or scope:epoch when superseded)} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, member in ipairs(due) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), member)
end
return { ARGV[1], ARGV[2], 'due', now, due }
