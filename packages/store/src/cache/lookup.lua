#!lua flags=no-writes
--[[ cache-lookup: read the index of a key, the metadata of one guessed variant, and the generations that concern it.
Why a script: metadata and the generations that may reject it are read atomically.
KEYS[1]  entry  HASH      KEYS[2]  generations  HASH      KEYS[3]  marker  STRING
ARGV[1]  key    ARGV[2]  call    ARGV[3]  variant
Returns  {key, call, nowMs, index, metadata or nil, hard, soft, last, marker or nil, revision} ]]
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local entry = redis.call('HMGET', KEYS[1], 'v', 'm:' .. ARGV[3], 's:' .. ARGV[3], 'h', 's', 'r')
local hard, soft = tonumber(entry[4] or 0), tonumber(entry[5] or 0)
local fields = { 'last', 'floor' }
for selector in string.gmatch(entry[3] or '', '[^\n]+') do
  fields[#fields + 1] = 'h:' .. selector
  fields[#fields + 1] = 's:' .. selector
end
local found = redis.call('HMGET', KEYS[2], unpack(fields))
hard = math.max(hard, tonumber(found[2] or 0))
for i = 3, #found, 2 do
  hard = math.max(hard, tonumber(found[i] or 0))
  soft = math.max(soft, tonumber(found[i + 1] or 0))
end
return {
  ARGV[1], ARGV[2], now, entry[1] or '', entry[2], string.format('%.0f', hard), string.format('%.0f', soft),
  found[1] or '0', redis.call('GET', KEYS[3]), entry[6] or '0',
}
