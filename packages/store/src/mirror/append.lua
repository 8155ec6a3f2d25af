#!lua flags=
--[[ mirror-append: add an intent to the outbox and count it eligible.
Why a script: an intent without its count, or a count without its intent, would break the coverage sum; and a write that
arrives after its caller has recorded a gap must have no effect. No allow-oom: a full store accepts no new work.
KEYS[1]  stream    STREAM    KEYS[2]  state     HASH
KEYS[3]  load      HASH      KEYS[4]  counters  HASH
ARGV[1]  orderKey  ARGV[2]  call    ARGV[3]  validUntil (empty: always)   ARGV[4]  intent
ARGV[5]  service   ARGV[6]  bytes   ARGV[7]  eligible (counter's name)    ARGV[8]  keepMs
Returns  {orderKey, call, 'appended' | 'late'} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] ~= '' and now > tonumber(ARGV[3]) then return { ARGV[1], ARGV[2], 'late' } end
local id = redis.call('XADD', KEYS[1], '*', 'i', ARGV[4])
if redis.call('HINCRBY', KEYS[2], 'pending', 1) == 1 then
  redis.call('HSET', KEYS[2], 'pendingFrom', string.match(id, '^%d+'))
end
redis.call('PERSIST', KEYS[2])
redis.call('HINCRBY', KEYS[3], 'n:' .. ARGV[5], 1)
redis.call('HINCRBY', KEYS[3], 'b:' .. ARGV[5], ARGV[6])
redis.call('HINCRBY', KEYS[4], ARGV[7], 1)
redis.call('PEXPIRE', KEYS[4], ARGV[8])
return { ARGV[1], ARGV[2], 'appended' }
