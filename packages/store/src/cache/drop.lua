#!lua flags=allow-oom
--[[ cache-drop: drop all variants of one key, or make them stale, and record the drop for running fetches; or make room.
Why a script: the new generation and the removal of the entry become visible atomically.
KEYS[1]  entry  HASH    KEYS[2]  generations  HASH    KEYS[3]  uses  ZSET    KEYS[4]  sizes  HASH    KEYS[5]  hits  ZSET
ARGV[1]  key    ARGV[2]  call    ARGV[3]  mode (hard, soft, evict)    ARGV[4]  rememberMs    ARGV[5]  keepMs
Returns  {key, call, generation, dropped bodies (id bytes)...} ]]
--@include cache-sizes
local time = redis.call('TIME')
local generation = math.max(tonumber(redis.call('HGET', KEYS[2], 'last') or 0) + 1, time[1] * 1000000 + time[2])
local written = string.format('%.0f', generation)
-- What is evicted was not wrong: running fetches may store it again.
local isEvicted = ARGV[3] == 'evict'
if not isEvicted then
  redis.call('HSET', KEYS[2], 'last', written)
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
local reply = { ARGV[1], ARGV[2], written }
if isEvicted or ARGV[3] == 'hard' then
  local index = redis.call('HGET', KEYS[1], 'v')
  for _, one in ipairs(index and cjson.decode(index) or {}) do
    redis.call('HDEL', KEYS[1], 'm:' .. one.i, 's:' .. one.i)
    reply[#reply + 1] = one.b .. ' ' .. one.z
  end
  redis.call('HDEL', KEYS[1], 'v')
  if not isEvicted then redis.call('HSET', KEYS[1], 'h', written) end
  resize(KEYS[4], ARGV[1], 0, '')
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[5], ARGV[1])
else
  redis.call('HSET', KEYS[1], 's', written)
end
if isEvicted and not redis.call('HGET', KEYS[1], 'h') and not redis.call('HGET', KEYS[1], 's') then
  redis.call('DEL', KEYS[1])
  return reply
end
redis.call('HINCRBY', KEYS[1], 'r', 1)
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return reply
