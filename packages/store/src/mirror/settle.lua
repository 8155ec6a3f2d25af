#!lua flags=allow-oom
--[[ mirror-settle: store an outcome once, with its difference record.
Why a script: outcome, counter and record are written together, so a sweeper that dies neither counts
twice nor loses one; and a former owner is refused. An observation has no entry: no owner,
counted eligible here unless it was while it was under way; without an outcome it still is.
KEYS[1]  owner     STRING   KEYS[2]  settled  HASH   KEYS[3]  counters  HASH   KEYS[4]  state  HASH
KEYS[5]  records   HASH     KEYS[6]  byTime   ZSET   KEYS[7]  byEnd     ZSET   KEYS[8]  sums   HASH
KEYS[9]  chain     HASH     KEYS[10]  links   STREAM
ARGV[1]  entryId   ARGV[2]  call      ARGV[3]  fence (empty: an observation)   ARGV[4]  counter (prefix of names)
ARGV[5]  outcome (empty: none yet)  ARGV[6]  count     ARGV[7]  diverged (1 or 0)               ARGV[8]  endedAt (empty: not known)
ARGV[9]  record (empty: none)         ARGV[10]  groups (JSON list of names)    ARGV[11]  ttlMs
ARGV[12]  max      ARGV[13]  keepMs   ARGV[14]  eligible (how many more)   ARGV[15]  digest (of the record)
Returns  {entryId, call, 'settled' | 'known' | 'lost'} ]]
--@include mirror-trim
--@include mirror-chain
local function answer(word) return { ARGV[1], ARGV[2], word } end
if ARGV[3] ~= '' then
  if redis.call('GET', KEYS[1]) ~= ARGV[3] then return answer('lost') end
  if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[5]) == 0 then return answer('known') end
  if ARGV[7] == '1' then redis.call('HSET', KEYS[4], 'diverged', 1) end
  if ARGV[8] ~= '' then
    local last = tonumber(redis.call('HGET', KEYS[4], 'lastEndedAt') or 0)
    if tonumber(ARGV[8]) > last then redis.call('HSET', KEYS[4], 'lastEndedAt', ARGV[8]) end
  end
  -- An hour whose counters have expired is not started again with an outcome alone.
  if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('HINCRBY', KEYS[3], ARGV[4] .. ARGV[5], ARGV[6]) end
else
  -- Calls under way stand at a place of their own: a write that comes again says nothing new.
  if ARGV[5] == '' then
    if redis.call('HSETNX', KEYS[4], 'seen', 1) == 0 then return answer('known') end
    redis.call('PEXPIRE', KEYS[4], 600000)
  end
  if ARGV[14] ~= '0' then redis.call('HINCRBY', KEYS[3], ARGV[4] .. 'eligible', ARGV[14]) end
  if ARGV[5] ~= '' then redis.call('HINCRBY', KEYS[3], ARGV[4] .. ARGV[5], ARGV[6]) end
  redis.call('PEXPIRE', KEYS[3], ARGV[13])
end
if ARGV[9] == '' then return answer('settled') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = time[1] * 1000000 + time[2]
local newest = redis.call('ZRANGE', KEYS[6], -1, -1)[1]
if newest then stamp = math.max(stamp, tonumber(newest) + 1) end
local member = string.format('%.0f', stamp)
redis.call('HSET', KEYS[5], member, ARGV[9])
redis.call('ZADD', KEYS[6], member, member)
local ends = string.format('%.0f', now + ARGV[11])
redis.call('ZADD', KEYS[7], ends, member)
redis.call('HSET', KEYS[5], 'c:' .. member, addLink(KEYS[9], KEYS[10], member, 'difference', ARGV[15], ends))
trim(KEYS[5], KEYS[6], KEYS[7], KEYS[9], now, tonumber(ARGV[12]))
for _, name in ipairs(cjson.decode(ARGV[10])) do
  -- Names come from bodies, so their number is limited.
  if redis.call('HLEN', KEYS[8]) >= 1000 and redis.call('HEXISTS', KEYS[8], name) == 0 then
    name = string.gsub(name, '[^\31]*$', '(other)', 1)
  end
  redis.call('HINCRBY', KEYS[8], name, 1)
end
redis.call('PEXPIRE', KEYS[8], ARGV[13])
return answer('settled')
