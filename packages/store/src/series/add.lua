#!lua flags=allow-oom
--[[ series-add: add what a node has counted to the buckets of all rings, once.
Why a script: the mark that makes a repeat do nothing stands or falls with the counts. allow-oom: bounded, and ends by itself.
KEYS[1]  mark     HASH: the finest bucket of all services    KEYS[2..]  buckets  HASH each
ARGV[1]  writer   ARGV[2]  call
ARGV[3..]  values (per bucket: its time to live in ms, number of sums, number of gauges, then name and value of each)
Returns  {writer, call, 1: added | 0: was there} ]]
if redis.call('HSETNX', KEYS[1], 'by:' .. ARGV[1], 1) == 0 then return { ARGV[1], ARGV[2], 0 } end
local at = 3
for i = 2, #KEYS do
  local ttl, sums, gauges = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  at = at + 3
  for _ = 1, sums do
    redis.call('HINCRBY', KEYS[i], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  for _ = 1, gauges do
    if (tonumber(redis.call('HGET', KEYS[i], ARGV[at])) or -1) < tonumber(ARGV[at + 1]) then
      redis.call('HSET', KEYS[i], ARGV[at], ARGV[at + 1])
    end
    at = at + 2
  end
  redis.call('PEXPIRE', KEYS[i], ttl)
end
return { ARGV[1], ARGV[2], 1 }
