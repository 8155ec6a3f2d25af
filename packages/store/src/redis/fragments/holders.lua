-- Counts for a holder what stands under one member: `held` has "<bytes> <holder>" by member, and the sums of a holder
-- as "#<holder>" (bytes) and "+<holder>" (processes). bytes nil: nothing stands there any more.
local function charge(held, member, bytes, holder)
  local known = redis.call('HGET', held, member)
  if not known and not bytes then return end
  local function add(whose, amount, count)
    if redis.call('HINCRBY', held, '+' .. whose, count) > 0 then redis.call('HINCRBY', held, '#' .. whose, amount)
    else redis.call('HDEL', held, '+' .. whose, '#' .. whose) end
  end
  if bytes then
    redis.call('HSET', held, member, bytes .. ' ' .. holder)
    add(holder, bytes, 1)
  else redis.call('HDEL', held, member) end
  if known then
    local before, whose = string.match(known, '^(%d+) (.*)$')
    add(whose, -before, -1)
  end
end

-- Counts a process by its payloads and what a record with its entries in sets takes; nothing for a record without a holder.
local function weigh(held, member, process, result, request)
  local holder = redis.call('HGET', process, 'holder')
  if not holder then return end
  charge(held, member, 2048 + redis.call('STRLEN', result) + redis.call('STRLEN', request), holder)
end
