#!lua flags=allow-oom
--[[ claim-due: return one partition's due alarms and hide them for a while.
Why a script: two sweepers must not get the same alarm. Hidden, not removed: if the claimer dies it becomes due again.
Of more than it may take it takes some of the newest first: behind a backlog they would wait until it is worked off.
KEYS[1]  alarms     ZSET
ARGV[1]  partition  ARGV[2]  call    ARGV[3]  limit    ARGV[4]  hideMs   ARGV[5]  newest (so many of the limit)
Returns  {partition, call, 'due', now, members (scope, or scope:epoch when superseded)} ]]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local limit, newest = tonumber(ARGV[3]), tonumber(ARGV[5])
local due = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
if #due == limit and newest > 0 then
  local taken = redis.call('ZRANGE', KEYS[1], now, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, newest)
  local isTaken = {}
  for _, member in ipairs(taken) do isTaken[member] = true end
  for _, member in ipairs(due) do
    if #taken == limit then break end
    if not isTaken[member] then taken[#taken + 1] = member end
  end
  due = taken
end
for _, member in ipairs(due) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[4]), member)
end
return { ARGV[1], ARGV[2], 'due', now, due }
