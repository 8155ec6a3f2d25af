#!lua flags=
--[[ cache-begin: start a fetch; returns the generation that its commit is checked against.
Why a script: the lease is taken and the generation is read atomically. A lease that is older than a purge does
not delay requests after the purge. Lost generations are created again, which rejects what was stored before.
KEYS[1]  lease  STRING (token generation)    KEYS[2]  generations  HASH    KEYS[3]  entry  HASH
ARGV[1]  key    ARGV[2]  token    ARGV[3]  leaseMs    ARGV[4]  keepMs
Returns  {key, token, 'granted' | 'held', nowMs, last, revision} ]]
local time = redis.call('TIME')
local last = redis.call('HGET', KEYS[2], 'last')
if not last then
  last = string.format('%.0f', time[1] * 1000000 + time[2])
  redis.call('HSET', KEYS[2], 'last', last, 'floor', last)
end
-- Only when needed: a fetch without a lease then writes nothing, and a write may cost the server an fsync.
if redis.call('PTTL', KEYS[2]) < ARGV[4] / 2 then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
local word = 'granted'
if tonumber(ARGV[3]) > 0 then
  local held = redis.call('GET', KEYS[1])
  if held and string.match(held, '%d+$') == last then word = 'held'
  else redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. last, 'PX', ARGV[3]) end
end
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return { ARGV[1], ARGV[2], word, now, last, redis.call('HGET', KEYS[3], 'r') or '0' }
