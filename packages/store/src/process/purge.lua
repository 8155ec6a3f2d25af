#!lua flags=allow-oom
--[[ purge: remove every key of a process that still has the caller's epoch and version.
What an expired record has left behind is removed by forget.
Why a script: the keys of the scope's next process must stay. allow-oom: deleting must work when full.
KEYS[1]  process      HASH   KEYS[2]  alarms   ZSET     KEYS[3]  list     ZSET
KEYS[4]  deadLetters  ZSET   KEYS[5]  result   STRING   KEYS[6]  request  STRING   KEYS[7]  changes  sharded channel
KEYS[8]  held  HASH        KEYS[9]  timeline  LIST
ARGV[1]  scope        ARGV[2]  call    ARGV[3]  epoch    ARGV[4]  version
ARGV[5]  member (scope, or scope:epoch when superseded)    ARGV[6]  notice
Returns  {scope, call, 'purged' | 'stale' | 'gone'} ]]
--@include holders
local at = redis.call('HMGET', KEYS[1], 'epoch', 'version')
if not at[1] then return { ARGV[1], ARGV[2], 'gone' } end
if at[1] ~= ARGV[3] or at[2] ~= ARGV[4] then return { ARGV[1], ARGV[2], 'stale' } end
redis.call('DEL', KEYS[1], KEYS[5], KEYS[6], KEYS[9])
for _, key in ipairs({ KEYS[2], KEYS[3], KEYS[4] }) do redis.call('ZREM', key, ARGV[5]) end
charge(KEYS[8], ARGV[5], nil)
redis.call('SPUBLISH', KEYS[7], ARGV[6])
return { ARGV[1], ARGV[2], 'purged' }
