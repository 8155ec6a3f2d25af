#!lua flags=allow-oom
--[[ cache-purge: in one partition, outdate every response with a selector.
Why a script: the new generation must exceed every one that was returned before. No stored response is read or written,
so the cost is the same with ten responses and with a hundred thousand.
Above maxSelectors the generation of all responses rises instead: more misses, never a stale hit.
KEYS[1]  generations  HASH
ARGV[1]  call    ARGV[2]  field (h: or s: and the selector)    ARGV[3]  maxSelectors    ARGV[4]  keepMs
Returns  {call, field, generation} ]]
local time = redis.call('TIME')
local generation = math.max(tonumber(redis.call('HGET', KEYS[1], 'last') or 0) + 1, time[1] * 1000000 + time[2])
local written = string.format('%.0f', generation)
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'floor', written)
end
redis.call('HSET', KEYS[1], 'last', written, ARGV[2], written)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return { ARGV[1], ARGV[2], written }
