#!lua flags=
--[[ supersede: close and archive the scope's process, and create the next one.
Why a script: closing and creating are atomic, so no other process is created between them.
No allow-oom, and nothing after validUntil, as for create.
KEYS[1]  process   HASH     KEYS[2]  archived        HASH     KEYS[3]  alarms       ZSET
KEYS[4]  fence     STRING   KEYS[5]  oldList         ZSET     KEYS[6]  closedList   ZSET
KEYS[7]  newList   ZSET     KEYS[8]  deadLetters     ZSET     KEYS[9]  timeline     LIST (the closed process's)
KEYS[10]  changes  sharded channel   KEYS[11]  result  STRING   KEYS[12]  archivedResult  STRING
KEYS[13]  request  STRING   KEYS[14]  archivedRequest  STRING   KEYS[15]  held  HASH
ARGV[1]  scope     ARGV[2]  call (the write's id)    ARGV[3]  epoch    ARGV[4]  version    ARGV[5]  validUntil
ARGV[6]  listed (1 or 0: the closed process stands in closedList)    ARGV[7]  drop (as for commit)
ARGV[8]  stored (the new request payload; empty: none)    ARGV[9]  notice
ARGV[10]  closingEntry    ARGV[11]  cap
ARGV[12..]  fields (see write: those that close, then the new process's)
Returns  {scope, call, 'committed', now, epoch}, {scope, call, 'stale', now, record (empty: gone)} or
         {scope, call, 'late', now} ]]
--@include process-write
--@include timeline
--@include holders
local now, micros = clock()
local at = redis.call('HMGET', KEYS[1], 'epoch', 'version')
if at[1] ~= ARGV[3] or at[2] ~= ARGV[4] then
  return { ARGV[1], ARGV[2], 'stale', now, redis.call('HGETALL', KEYS[1]) }
end
if now > tonumber(ARGV[5]) then return { ARGV[1], ARGV[2], 'late', now } end

local epoch = mint(KEYS[4], micros)
local closed = ARGV[1] .. ':' .. ARGV[3]
local function move(from, to) if redis.call('EXISTS', from) == 1 then redis.call('RENAME', from, to) end end
move(KEYS[1], KEYS[2])
if ARGV[7] == 'result' or ARGV[7] == 'both' then redis.call('DEL', KEYS[11]) end
if ARGV[7] == 'request' or ARGV[7] == 'both' then redis.call('DEL', KEYS[13]) end
move(KEYS[11], KEYS[12])
move(KEYS[13], KEYS[14])
local closing, rest = write(KEYS[2], 12, now, epoch)
if closing.keepUntil ~= nil then
  for _, key in ipairs({ KEYS[2], KEYS[9], KEYS[12], KEYS[14] }) do keep(key, closing.keepUntil) end
end
local alarm = closing.wakeAt
if alarm == nil then alarm = redis.call('ZSCORE', KEYS[3], ARGV[1]) end -- hidden stays hidden
for _, key in ipairs({ KEYS[3], KEYS[5], KEYS[8] }) do redis.call('ZREM', key, ARGV[1]) end
if alarm then redis.call('ZADD', KEYS[3], alarm, closed) end
if redis.call('HEXISTS', KEYS[2], 'deadLetter') == 1 then redis.call('ZADD', KEYS[8], ARGV[3], closed) end
if ARGV[6] == '1' then redis.call('ZADD', KEYS[6], ARGV[3], closed) end
charge(KEYS[15], ARGV[1], nil)
weigh(KEYS[15], closed, KEYS[2], KEYS[12], KEYS[14])
note(KEYS[9], ARGV[11], KEYS[2], now, ARGV[10])

local written = write(KEYS[1], rest, now, epoch)
if written.wakeAt then redis.call('ZADD', KEYS[3], written.wakeAt, ARGV[1]) end
if ARGV[8] ~= '' then redis.call('SET', KEYS[13], ARGV[8]) end
redis.call('ZADD', KEYS[7], epoch, ARGV[1])
weigh(KEYS[15], ARGV[1], KEYS[1], KEYS[11], KEYS[13])
redis.call('SPUBLISH', KEYS[10], ARGV[9])
return { ARGV[1], ARGV[2], 'committed', now, epoch }
