#!lua flags=allow-oom
--[[ migration-change: change the state of a migration, or raise, use or lower its barrier.
Why a script: a change holds for the state that its caller has seen, and a barrier falls by the server's clock; a write
that arrives after its barrier has fallen must change nothing.
KEYS[1]  migration  HASH
ARGV[1]  service  ARGV[2]  call       ARGV[3]  deed ('phase' | 'raise' | 'flip' | 'lift')   ARGV[4]  epoch
ARGV[5]  token    ARGV[6]  authority  ARGV[7]  phase (empty: as it is)   ARGV[8]  ms (raise: its length; flip: what must be left)
Returns  {service, call, 'changed' | 'stale'} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'epoch', 'barrier', 'until')
local left = held[2] and tonumber(held[3]) - now or 0
local stale = { ARGV[1], ARGV[2], 'stale' }
local changed = { ARGV[1], ARGV[2], 'changed' }
if ARGV[3] == 'lift' then
  if held[2] == ARGV[5] then redis.call('HDEL', KEYS[1], 'barrier', 'until') end
  return changed
end
if tonumber(held[1] or 0) ~= tonumber(ARGV[4]) then return stale end
if ARGV[3] == 'flip' then
  if held[2] ~= ARGV[5] or left < tonumber(ARGV[8]) then return stale end
elseif left > 0 then
  return stale
end
if ARGV[3] == 'raise' then
  redis.call('HSET', KEYS[1], 'barrier', ARGV[5], 'until', string.format('%.0f', now + ARGV[8]))
  return changed
end
redis.call('HDEL', KEYS[1], 'barrier', 'until')
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'authority', ARGV[6], 'since', string.format('%.0f', now))
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'phase', ARGV[7]) end
return changed
