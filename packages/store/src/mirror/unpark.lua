#!lua flags=allow-oom
--[[ mirror-unpark: make a parked key due now and restart the age of its first entry.
Why a script: its owner may empty the key at the same time.
KEYS[1]  state  HASH    KEYS[2]  parked  ZSET
ARGV[1]  orderKey    ARGV[2]  call
Returns  {orderKey, call, 'unparked' | 'not-parked'} ]]
local service = redis.call('HGET', KEYS[1], 'service')
if not service then return { ARGV[1], ARGV[2], 'not-parked' } end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], 'nextAt', now, 'ageFrom', now, 'reason', 'waiting')
redis.call('ZADD', KEYS[2], 'XX', now, ARGV[1] .. '|' .. service)
return { ARGV[1], ARGV[2], 'unparked' }
