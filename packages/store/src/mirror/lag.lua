#!lua flags=no-writes
--[[ mirror-lag: entries and bytes of a partition per service, and its oldest entry.
Why a script: a consistent view in one round trip.
KEYS[1]  stream  STREAM    KEYS[2]  load  HASH    KEYS[3]  since  ZSET
ARGV[1]  partition    ARGV[2]  call
Returns  {partition, call, nowMs, {field, count...}, {{id, {'i', intent}}}, {member, since}} ]]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return {
  ARGV[1], ARGV[2], now, redis.call('HGETALL', KEYS[2]), redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1),
  redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES'),
}
