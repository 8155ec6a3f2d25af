#!lua flags=no-writes
--[[ read: a scope's process and, if requested, its stored result.
Why a script: record, result and clock are read atomically, and the reply names the scope.
KEYS[1]  process  HASH    KEYS[2]  archived        HASH    (the superseded process of that epoch)
KEYS[3]  result   STRING  KEYS[4]  archivedResult  STRING
ARGV[1]  scope    ARGV[2]  call    ARGV[3]  epoch (empty: whatever is current)    ARGV[4]  withResult (1 or 0)
Returns  {scope, call, 'record', now, record (empty: none), result | nil} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local process, result = KEYS[1], KEYS[3]
if ARGV[3] ~= '' and redis.call('HGET', process, 'epoch') ~= ARGV[3] then
  process, result = KEYS[2], KEYS[4]
end
local stored = ARGV[4] == '1' and redis.call('GET', result)
return { ARGV[1], ARGV[2], 'record', now, redis.call('HGETALL', process), stored }
