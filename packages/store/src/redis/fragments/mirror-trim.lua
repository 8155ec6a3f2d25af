-- Removes expired records, then the oldest above `max` (-1: no limit), at most 100 per call.
local function trim(records, byTime, byEnd, chain, now, max)
  local gone = redis.call('ZRANGEBYSCORE', byEnd, '-inf', now, 'LIMIT', 0, 100)
  local over = max < 0 and 0 or redis.call('ZCARD', byTime) - #gone - max
  if over > 0 then
    for _, member in ipairs(redis.call('ZRANGE', byTime, 0, math.min(over, 100) - 1)) do
      gone[#gone + 1] = member
      redis.call('HSET', chain, 'floor', member)
    end
  end
  for _, member in ipairs(gone) do
    redis.call('HDEL', records, member, 'a:' .. member, 'c:' .. member)
    redis.call('ZREM', byTime, member)
    redis.call('ZREM', byEnd, member)
  end
  return #gone
end
