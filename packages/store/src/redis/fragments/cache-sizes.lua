-- Counts what stands under a key of the cache: `sizes` has bytes by key and whose they are as "@<key>", the sum of all as "#"
-- and a holder's as "#<holder>". bytes 0: nothing stands there any more. holder empty: whose it was. Returns the sum of all.
local function resize(sizes, key, bytes, holder)
  local known = redis.call('HMGET', sizes, key, '@' .. key)
  local before, whose = tonumber(known[1] or 0), known[2] or ''
  local function add(to, amount)
    if to == '' or amount == 0 then return end
    if redis.call('HINCRBY', sizes, '#' .. to, amount) <= 0 then redis.call('HDEL', sizes, '#' .. to) end
  end
  if holder == '' then holder = whose end
  add(whose, -before)
  add(holder, bytes)
  if bytes == 0 then redis.call('HDEL', sizes, key, '@' .. key)
  elseif holder == '' then redis.call('HSET', sizes, key, bytes)
  else redis.call('HSET', sizes, key, bytes, '@' .. key, holder) end
  return redis.call('HINCRBY', sizes, '#', bytes - before)
end
