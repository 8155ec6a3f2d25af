#!lua flags=allow-oom
--[[ ring-again: bring a hidden alarm forward, while its process is as it was when the alarm was claimed and still due.
Why a script: a lease that was renewed meanwhile, or a change by somebody else, has set an alarm of its own.
KEYS[1]  process  HASH   KEYS[2]  alarms  ZSET
ARGV[1]  member (scope, or scope:epoch when superseded)    ARGV[2]  call    ARGV[3]  epoch    ARGV[4]  version    ARGV[5]  inMs
Returns  {member, call, 'set' | 'moved', now} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'wakeAt')
if at[1] ~= ARGV[3] or at[2] ~= ARGV[4] or not at[3] or tonumber(at[3]) > now then
  return { ARGV[1], ARGV[2], 'moved', now }
end
redis.call('ZADD', KEYS[2], 'XX', string.format('%.0f', now + ARGV[5]), ARGV[1])
return { ARGV[1], ARGV[2], 'set', now }
