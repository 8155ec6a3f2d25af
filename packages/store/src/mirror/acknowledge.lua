#!lua flags=
--[[ mirror-acknowledge: record who has acknowledged a difference; the first record stays.
Why a script: the record may be dropped at the same moment, and its note must not outlive it.
KEYS[1]  records  HASH    KEYS[2]  byEnd  ZSET    KEYS[3]  chain  HASH    KEYS[4]  links  STREAM
ARGV[1]  member    ARGV[2]  call    ARGV[3]  note    ARGV[4]  digest
Returns  {member, call, 'noted' | 'gone'} ]]
--@include mirror-chain
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return { ARGV[1], ARGV[2], 'gone' } end
if redis.call('HSETNX', KEYS[1], 'a:' .. ARGV[1], ARGV[3]) == 1 then
  addLink(KEYS[3], KEYS[4], ARGV[1], 'acknowledged', ARGV[4], redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
end
return { ARGV[1], ARGV[2], 'noted' }
