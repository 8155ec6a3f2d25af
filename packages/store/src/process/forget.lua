#!lua flags=allow-oom
--[[ forget: remove what an expired record has left behind, unless the scope has a new one.
Why a script: a process created meanwhile under the same scope must keep its alarm and its list entries.
KEYS[1]  process  HASH    KEYS[2]  alarms   ZSET    KEYS[3]  deadLetters  ZSET
KEYS[4]  result   STRING  KEYS[5]  request  STRING  KEYS[6]  held  HASH
KEYS[7..]  lists  ZSET each
ARGV[1]  scope    ARGV[2]  call    ARGV[3]  member (scope, or scope:epoch when superseded)
Returns  {scope, call, 'forgotten' | 'stands'} ]]
--@include holders
if redis.call('EXISTS', KEYS[1]) == 1 then return { ARGV[1], ARGV[2], 'stands' } end
redis.call('DEL', KEYS[4], KEYS[5])
redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[3])
charge(KEYS[6], ARGV[3], nil)
for i = 7, #KEYS do redis.call('ZREM', KEYS[i], ARGV[3]) end
return { ARGV[1], ARGV[2], 'forgotten' }
