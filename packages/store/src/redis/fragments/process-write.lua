-- The server's clock: ms for times, µs for fences. It is constant while a script runs.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000), time[1] * 1000000 + time[2]
end

-- Mints a fence above every earlier one, even after a loss of data or with the clock set back.
local function mint(key, micros)
  local fence = string.format('%.0f', math.max(tonumber(redis.call('GET', key) or 0) + 1, micros))
  redis.call('SET', key, fence)
  return fence
end

-- Writes the fields from ARGV[at] on: four counts, then pairs of field and value, pairs of field and ms from now, fields
-- that get the fence, fields to remove.
-- Returns the written times by field (false for a removed field), and the index after the last argument.
local function write(key, at, now, fence)
  local values = at + 4
  local spans = values + ARGV[at]
  local minted = spans + ARGV[at + 1]
  local gone = minted + ARGV[at + 2]
  local after = gone + ARGV[at + 3]
  local written, made = {}, {}
  for i = spans, minted - 1, 2 do
    local time = string.format('%.0f', now + ARGV[i + 1])
    written[ARGV[i]] = time
    made[#made + 1] = ARGV[i]
    made[#made + 1] = time
  end
  for i = minted, gone - 1 do
    made[#made + 1] = ARGV[i]
    made[#made + 1] = fence
  end
  for i = gone, after - 1 do written[ARGV[i]] = false end
  if gone < after then redis.call('HDEL', key, unpack(ARGV, gone, after - 1)) end
  if values < spans then redis.call('HSET', key, unpack(ARGV, values, spans - 1)) end
  if #made > 0 then redis.call('HSET', key, unpack(made)) end
  return written, after
end

-- Sets the key's expiry to the record's keepUntil, or removes it.
local function keep(key, keepUntil)
  if keepUntil then redis.call('PEXPIREAT', key, keepUntil) else redis.call('PERSIST', key) end
end
