#!lua flags=allow-oom
--[[ mirror-skip: note that an operator drops a parked key's first entry, and make the key due.
Why a script: the word holds for the entry that stands first now, and its owner may settle that at the same time.
KEYS[1]  state  HASH    KEYS[2]  parked  ZSET    KEYS[3]  list  LIST
ARGV[1]  orderKey    ARGV[2]  call    ARGV[3]  by    ARGV[4]  why
Returns  {orderKey, call, 'skipped' | 'not-parked'} ]]
local service = redis.call('HGET', KEYS[1], 'service')
local head = redis.call('LINDEX', KEYS[3], 0)
if not service or not head then return { ARGV[1], ARGV[2], 'not-parked' } end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local entry = string.match(head, '^[^ ]+')
redis.call('HSET', KEYS[1], 'nextAt', now, 'skip', entry, 'skipBy', ARGV[3], 'skipWhy', ARGV[4])
redis.call('ZADD', KEYS[2], 'XX', now, ARGV[1] .. '|' .. service)
return { ARGV[1], ARGV[2], 'skipped' }
