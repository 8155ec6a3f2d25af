#!lua flags=allow-oom
--[[ mirror-park: move entries of one key from the stream to the key's list, and set the list's next attempt.
Why a script: an entry is in exactly one of the two places, in order, whenever a node dies.
KEYS[1]  owner  STRING   KEYS[2]  stream  STREAM   KEYS[3]  list   LIST   KEYS[4]  state  HASH
KEYS[5]  parked  ZSET    KEYS[6]  since   ZSET     KEYS[7]  load   HASH
ARGV[1]  orderKey  ARGV[2]  call   ARGV[3]  fence   ARGV[4]  member   ARGV[5]  service   ARGV[6]  reason
ARGV[7]  inMs (empty: not before it is unparked)   ARGV[8]  error   ARGV[9]  attempts    ARGV[10..]  entries
Returns  {orderKey, call, 'parked' | 'lost'} ]]
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return { ARGV[1], ARGV[2], 'lost' } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 10, #ARGV do
  local found = redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i])[1]
  if found then
    redis.call('RPUSH', KEYS[3], found[1] .. ' ' .. found[2][2])
    redis.call('XDEL', KEYS[2], ARGV[i])
  end
end
-- No reason: the entries join a list that already has its next attempt.
if ARGV[6] == '' then return { ARGV[1], ARGV[2], 'parked' } end
local nextAt = ARGV[7] == '' and 'inf' or string.format('%.0f', now + ARGV[7])
redis.call('HSETNX', KEYS[4], 'parkedAt', string.format('%.0f', now))
redis.call('HSET', KEYS[4], 'service', ARGV[5], 'reason', ARGV[6], 'nextAt', nextAt, 'error', ARGV[8], 'attempts', ARGV[9])
if redis.call('ZADD', KEYS[5], nextAt, ARGV[4]) == 1 then
  redis.call('HINCRBY', KEYS[7], 'p:' .. ARGV[5], 1)
  local oldest = redis.call('LINDEX', KEYS[3], 0)
  redis.call('ZADD', KEYS[6], oldest and string.match(oldest, '^%d+') or now, ARGV[4])
end
return { ARGV[1], ARGV[2], 'parked' }
