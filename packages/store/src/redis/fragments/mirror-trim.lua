-- Drops records whose time is over, then the oldest beyond `most` (-1: no bound), at most 100 in one go.
local function trim(records, byTime, byEnd, now, most)
  local gone = redis.call('ZRANGEBYSCORE', byEnd, '-inf', now, 'LIMIT', 0, 100)
  local over = most < 0 and 0 or redis.call('ZCARD', byTime) - #gone - most
  if over > 0 then
    for _, member in ipairs(redis.call('ZRANGE', byTime, 0, math.min(over, 100) - 1)) do gone[#gone + 1] = member end
  end
  for _, member in ipairs(gone) do
    redis.call('HDEL', records, member, 'a:' .. member)
    redis.call('ZREM', byTime, member)
    redis.call('ZREM', byEnd, member)
  end
  return #gone
end
