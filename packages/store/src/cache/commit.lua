#!lua flags=
--[[ cache-commit: make a response with a complete body visible; release the fetch's lease and notify waiting nodes.
Why a script: token, generations, body and index are compared and the metadata is written atomically,
so neither an incomplete body nor a response older than a purge is visible. No allow-oom: a full store stores nothing.
KEYS[1]  entry  HASH    KEYS[2]  generations  HASH    KEYS[3]  lease  STRING    KEYS[4]  marker  STRING
KEYS[5]  uses   ZSET    KEYS[6]  sizes        HASH    KEYS[7]  hits   ZSET
KEYS[8]  notices  sharded channel    KEYS[9..]  chunks  STRING
ARGV[1]  key       ARGV[2]  call       ARGV[3]  token (empty: none)   ARGV[4]  generation
ARGV[5]  variant   ARGV[6]  metadata   ARGV[7]  selectors (lines)     ARGV[8]  names (commas)
ARGV[9]  bodyId    ARGV[10]  bytes     ARGV[11]  retainMs             ARGV[12]  maxVariants
ARGV[13]  replacedVariant   ARGV[14]  replacedBody (dash: nothing is replaced)   ARGV[15]  url
ARGV[16]  chunkBytes        ARGV[17]  message (empty: nobody waits)   ARGV[18]  responseAt
ARGV[19]  outdatedVariant (the variant itself: no other)
ARGV[20]  weight (bytes that the response takes)    ARGV[21]  holder (empty: whose it was)
Returns  {key, call, 'stored' | 'purged' | 'lease-lost' | 'gone' | 'older',
          bytes of the partition, dropped bodies (id bytes)...} ]]
--@include cache-sizes
local function answer(word) return { ARGV[1], ARGV[2], word } end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[3] ~= '' and string.match(redis.call('GET', KEYS[3]) or '', '^%S+') ~= ARGV[3] then return answer('lease-lost') end

local generation = tonumber(ARGV[4])
local fields = { 'last', 'floor' }
for selector in string.gmatch(ARGV[7], '[^\n]+') do fields[#fields + 1] = 'h:' .. selector end
local found = redis.call('HMGET', KEYS[2], unpack(fields))
-- No generations, or newer ones than the fetch knows: they were lost, and the purges with them.
if not found[1] or tonumber(found[1]) < generation then return answer('purged') end
for i = 2, #found do
  if tonumber(found[i] or 0) > generation then return answer('purged') end
end
local known = redis.call('HMGET', KEYS[1], 'v', 'h')
if tonumber(known[2] or 0) > generation then return answer('purged') end

-- A stored response from the future was written before the clock was set back: it must not block new ones.
local responseAt = tonumber(ARGV[18])
local function newer(one) return (one.t or 0) > responseAt and one.t <= now end
local kept, dropped, present, older, place = {}, {}, false, false, 1
for _, one in ipairs(known[1] and cjson.decode(known[1]) or {}) do
  local replaced = one.i == ARGV[13] and one.b == ARGV[14]
  present = present or replaced
  older = older or (one.u > now and one.i == ARGV[5] and newer(one))
  if one.u > now and one.i ~= ARGV[5] and one.i ~= ARGV[19] and not replaced then
    kept[#kept + 1] = one
    if newer(one) then place = #kept + 1 end
  else dropped[#dropped + 1] = one end
end
if ARGV[14] ~= '-' and not present then return answer('gone') end
if older then return answer('older') end
local rest = tonumber(ARGV[10])
for i = 9, #KEYS do
  local length = math.min(rest, tonumber(ARGV[16]))
  if redis.call('STRLEN', KEYS[i]) ~= length then return answer('gone') end
  rest = rest - length
end
for i = 9, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[11]) end

-- The newest variants stay: a crowd of values must lock nobody out. One that is older than all of them is not stored.
while #kept >= tonumber(ARGV[12]) do
  if place > #kept then return answer('older') end
  dropped[#dropped + 1] = table.remove(kept)
end
local bodies = {}
for _, one in ipairs(dropped) do
  redis.call('HDEL', KEYS[1], 'm:' .. one.i, 's:' .. one.i)
  if one.b ~= ARGV[9] then bodies[#bodies + 1] = one.b .. ' ' .. one.z end
end
table.insert(kept, place, {
  i = ARGV[5], n = ARGV[8], b = ARGV[9], z = tonumber(ARGV[10]), u = now + ARGV[11], t = responseAt,
  w = tonumber(ARGV[20]),
})
redis.call('HSET', KEYS[1], 'v', cjson.encode(kept), 'm:' .. ARGV[5], ARGV[6], 's:' .. ARGV[5], ARGV[7], 'u', ARGV[15])
redis.call('HINCRBY', KEYS[1], 'r', 1)
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[11]) then redis.call('PEXPIRE', KEYS[1], ARGV[11]) end
redis.call('DEL', KEYS[4])

local size = 0
for _, one in ipairs(kept) do size = size + (one.w or one.z) end
local total = resize(KEYS[6], ARGV[1], size, ARGV[21])
redis.call('ZADD', KEYS[5], now, ARGV[1])
redis.call('ZADD', KEYS[7], 'NX', 0, ARGV[1])
if ARGV[17] ~= '' then
  redis.call('DEL', KEYS[3])
  redis.call('SPUBLISH', KEYS[8], ARGV[17])
end
return { ARGV[1], ARGV[2], 'stored', total, unpack(bodies) }
