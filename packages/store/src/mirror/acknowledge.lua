#!lua flags=
--[[ mirror-acknowledge: record who has acknowledged a difference; the first record stays.
Why a script: the record may be dropped at the same moment, and its note must not outlive it.
KEYS[1]  records  HASH
ARGV[1]  member    ARGV[2]  call    ARGV[3]  note
Returns  {member, call, 'noted' | 'gone'} ]]
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return { ARGV[1], ARGV[2], 'gone' } end
redis.call('HSETNX', KEYS[1], 'a:' .. ARGV[1], ARGV[3])
return { ARGV[1], ARGV[2], 'noted' }
