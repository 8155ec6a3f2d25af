#!lua flags=allow-oom
--[[ mirror-tidy: remove expired difference records.
Why a script: a record and its two index entries are removed together.
KEYS[1]  records  HASH    KEYS[2]  byTime  ZSET    KEYS[3]  byEnd  ZSET    KEYS[4]  chain  HASH
ARGV[1]  partition    ARGV[2]  call
Returns  {partition, call, dropped} ]]
--@include mirror-trim
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { ARGV[1], ARGV[2], trim(KEYS[1], KEYS[2], KEYS[3], KEYS[4], now, -1) }
