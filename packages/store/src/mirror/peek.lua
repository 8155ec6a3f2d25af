#!lua flags=no-writes
--[[ mirror-peek: new entries and due keys of a partition, for its owner.
Why a script: stream, due keys and clock in one round trip, because this runs several times a second.
KEYS[1]  stream  STREAM    KEYS[2]  parked  ZSET
ARGV[1]  partition    ARGV[2]  call    ARGV[3]  after (empty: from the oldest)    ARGV[4]  limit
Returns  {partition, call, nowMs, {{id, {'i', intent}}...}, {member...}} ]]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[4])
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[4])
return { ARGV[1], ARGV[2], now, entries, due }
