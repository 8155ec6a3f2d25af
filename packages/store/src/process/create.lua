#!lua flags=
--[[ create: create the scope's process, or return its existing record, so that a replay is one round trip.
Why a script: of concurrent first requests exactly one may create. A create that was delayed past validUntil
has no effect, because its caller has given up. No allow-oom: a full store accepts no new work.
KEYS[1]  process   HASH      KEYS[2]  alarms    ZSET      KEYS[3]  fence     STRING    KEYS[4]  list  ZSET
KEYS[5]  result   STRING     KEYS[6]  request   STRING    KEYS[7]  held      HASH
ARGV[1]  scope     ARGV[2]  call    ARGV[3]  validUntil (ms of the server's clock)
ARGV[4]  withResult (1 or 0)        ARGV[5]  stored (request payload; empty: none)
ARGV[6..]  fields (see write)
Returns  {scope, call, 'created', now, epoch}, {scope, call, 'exists', now, record, result | nil} or
         {scope, call, 'late', now} ]]
--@include process-write
--@include holders
local now, micros = clock()
if redis.call('EXISTS', KEYS[1]) == 1 then
  local result = ARGV[4] == '1' and redis.call('GET', KEYS[5])
  return { ARGV[1], ARGV[2], 'exists', now, redis.call('HGETALL', KEYS[1]), result }
end
if now > tonumber(ARGV[3]) then return { ARGV[1], ARGV[2], 'late', now } end
local epoch = mint(KEYS[3], micros)
local written = write(KEYS[1], 6, now, epoch)
if written.wakeAt then redis.call('ZADD', KEYS[2], written.wakeAt, ARGV[1]) end
redis.call('DEL', KEYS[5], KEYS[6])
if ARGV[5] ~= '' then redis.call('SET', KEYS[6], ARGV[5]) end
redis.call('ZADD', KEYS[4], epoch, ARGV[1])
weigh(KEYS[7], ARGV[1], KEYS[1], KEYS[5], KEYS[6])
return { ARGV[1], ARGV[2], 'created', now, epoch }
