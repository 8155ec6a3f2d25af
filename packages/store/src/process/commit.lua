#!lua flags=allow-oom
--[[ commit: change a process, its lists and its alarm if it still has the caller's epoch and version.
Why a script: a former owner must not write, and a take-over must check the alarm again.
allow-oom: finished work is stored even when the store accepts no new work.
KEYS[1]  process      HASH    KEYS[2]  alarms    ZSET    KEYS[3]  fence    STRING  KEYS[4]  oldList  ZSET
KEYS[5]  newList      ZSET    KEYS[6]  deadLetters  ZSET KEYS[7]  timeline  LIST
KEYS[8]  changes      sharded channel  KEYS[9]  result  STRING  KEYS[10]  request  STRING   KEYS[11]  held  HASH
ARGV[1]  scope        ARGV[2]  call (the write's id)     ARGV[3]  epoch     ARGV[4]  version
ARGV[5]  ifDue (1 or 0)        ARGV[6]  mintFence (1 or 0)   ARGV[7]  member (scope, or scope:epoch when superseded)
ARGV[8]  lists (leave, join, move, stay)   ARGV[9]  stored (result payload; empty: none)
ARGV[10]  drop (result, request, both, none)   ARGV[11]  notice   ARGV[12]  entry (empty: none)   ARGV[13]  cap
ARGV[14]  isDead (1: it becomes a dead letter)           ARGV[15..]  fields (see write)
Returns  {scope, call, 'committed', now, fence | nil, wakeAt | nil}: what the caller cannot know of the record, or
         {scope, call, 'repeated' | 'stale' | 'not-due', now, record (empty: gone)} ]]
--@include process-write
--@include timeline
--@include holders
local now, micros = clock()
local function answer(word) return { ARGV[1], ARGV[2], word, now, redis.call('HGETALL', KEYS[1]) } end
local at = redis.call('HMGET', KEYS[1], 'epoch', 'version', 'lastWrite', 'wakeAt')
if at[1] == ARGV[3] and at[3] == ARGV[2] then return answer('repeated') end -- a retry of a write whose reply was lost
if at[1] ~= ARGV[3] or at[2] ~= ARGV[4] then return answer('stale') end
if ARGV[5] == '1' and (not at[4] or tonumber(at[4]) > now) then return answer('not-due') end

local fence = ARGV[6] == '1' and mint(KEYS[3], micros)
local written = write(KEYS[1], 15, now, fence)
if written.wakeAt then redis.call('ZADD', KEYS[2], written.wakeAt, ARGV[7]) end
if written.wakeAt == false then redis.call('ZREM', KEYS[2], ARGV[7]) end
if ARGV[8] == 'leave' or ARGV[8] == 'move' then redis.call('ZREM', KEYS[4], ARGV[7]) end
if ARGV[8] == 'join' or ARGV[8] == 'move' then redis.call('ZADD', KEYS[5], ARGV[3], ARGV[7]) end
if ARGV[14] == '1' then redis.call('ZADD', KEYS[6], ARGV[3], ARGV[7]) end
if written.deadLetter == false then redis.call('ZREM', KEYS[6], ARGV[7]) end
if ARGV[10] == 'result' or ARGV[10] == 'both' then redis.call('DEL', KEYS[9]) end
if ARGV[10] == 'request' or ARGV[10] == 'both' then redis.call('DEL', KEYS[10]) end
if ARGV[9] ~= '' then redis.call('SET', KEYS[9], ARGV[9]) end
if written.keepUntil ~= nil or ARGV[9] ~= '' then
  local keepUntil = redis.call('HGET', KEYS[1], 'keepUntil')
  for _, key in ipairs({ KEYS[1], KEYS[7], KEYS[9], KEYS[10] }) do keep(key, keepUntil) end
end
if ARGV[9] ~= '' or ARGV[10] ~= 'none' then weigh(KEYS[11], ARGV[7], KEYS[1], KEYS[9], KEYS[10]) end
note(KEYS[7], ARGV[13], KEYS[1], now, ARGV[12])
redis.call('SPUBLISH', KEYS[8], ARGV[11])
local wakeAt = written.wakeAt
if wakeAt == nil then wakeAt = at[4] end -- a renewal may have moved it
return { ARGV[1], ARGV[2], 'committed', now, fence, wakeAt }
