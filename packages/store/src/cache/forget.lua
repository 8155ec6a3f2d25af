#!lua flags=allow-oom
--[[ cache-forget: remove an expired entry from the counts.
Why a script: it may have been stored again since the caller found it expired.
KEYS[1]  entry  HASH    KEYS[2]  uses  ZSET    KEYS[3]  sizes  HASH    KEYS[4]  hits  ZSET
ARGV[1]  key    ARGV[2]  call
Returns  {key, call, 'forgotten' | 'alive'} ]]
--@include cache-sizes
if redis.call('HEXISTS', KEYS[1], 'v') == 1 then return { ARGV[1], ARGV[2], 'alive' } end
resize(KEYS[3], ARGV[1], 0, '')
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return { ARGV[1], ARGV[2], 'forgotten' }
