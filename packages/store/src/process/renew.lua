#!lua flags=allow-oom
--[[ renew: extend one partition's leases that their owners still have.
Why a script: between reading the owner and writing, the sweeper may take over. Allowed after the lease's end
until a take-over. The version stays, so no poller is notified and the owner's next commit is not stale.
KEYS[1]  alarms     ZSET    KEYS[2..]  processes  HASH each
ARGV[1]  partition  ARGV[2]  call      ARGV[3..]  leases (scope, epoch, owner, leaseMs each)
Returns  {partition, call, 'lost', now, scope:epoch of each lease that is lost} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lost = {}
for i = 2, #KEYS do
  local at = 3 + (i - 2) * 4
  local held = redis.call('HMGET', KEYS[i], 'epoch', 'owner')
  if held[1] == ARGV[at + 1] and held[2] == ARGV[at + 2] then
    local wakeAt = string.format('%.0f', now + ARGV[at + 3])
    redis.call('HSET', KEYS[i], 'wakeAt', wakeAt)
    redis.call('ZADD', KEYS[1], wakeAt, ARGV[at])
  else
    lost[#lost + 1] = ARGV[at] .. ':' .. ARGV[at + 1]
  end
end
return { ARGV[1], ARGV[2], 'lost', now, lost }
