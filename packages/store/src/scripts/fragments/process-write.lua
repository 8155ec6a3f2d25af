-- The server's clock: ms for times, µs for fences. It stands still while a script runs.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]
end

-- A fence above every earlier one, even after a loss of data or with a clock set back.
local function mint(key, micros)
  local fence = string.format('%.0f', math.max(tonumber(redis.call('GET', key) or 0) + 1, micros))
  redis.call('SET', key, fence)
  return fence
end

-- Writes ARGV[first..last], triples of op, field, value: '=' value, '+' now + value ms, '#' the fence, '-' no field.
-- Returns what was written by field, false for a field that was removed.
local function write(key, first, last, now, fence)
  local written, set, gone = {}, {}, {}
  for i = first, last, 3 do
    local op, field, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if op == '-' then
      gone[#gone + 1] = field
      value = false
    else
      if op == '+' then value = string.format('%.0f', now + value) end
      if op == '#' then value = fence end
      set[#set + 1] = field
      set[#set + 1] = value
    end
    written[field] = value
  end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  if #set > 0 then redis.call('HSET', key, unpack(set)) end
  return written
end

-- Lets the key go when its record does: at keepUntil, or not by itself.
local function keep(key, keepUntil)
  if keepUntil then redis.call('PEXPIREAT', key, keepUntil) else redis.call('PERSIST', key) end
end

local function note(timeline, cap, process, entry)
  redis.call('XADD', timeline, 'MAXLEN', '~', cap, '*', 'process', process, 'entry', entry)
end
