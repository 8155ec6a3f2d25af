#!lua flags=allow-oom
--[[ mirror-ack: remove a settled entry from the outbox.
Why a script: the entry, its key's count and the load change together; only the current owner may, and only for an
entry whose outcome is stored.
KEYS[1]  owner  STRING   KEYS[2]  stream  STREAM   KEYS[3]  settled  HASH   KEYS[4]  state  HASH
KEYS[5]  list   LIST     KEYS[6]  parked  ZSET     KEYS[7]  since    ZSET   KEYS[8]  load   HASH
ARGV[1]  entryId   ARGV[2]  call    ARGV[3]  fence   ARGV[4]  member (of the parked sets)
ARGV[5]  service   ARGV[6]  bytes   ARGV[7]  keepMs (of a diverged key)
Returns  {entryId, call, 'acked' | 'unsettled' | 'lost'} ]]
local function answer(word) return { ARGV[1], ARGV[2], word } end
if redis.call('GET', KEYS[1]) ~= ARGV[3] then return answer('lost') end
if redis.call('HDEL', KEYS[3], ARGV[1]) == 0 then return answer('unsettled') end
if redis.call('XDEL', KEYS[2], ARGV[1]) == 0 then
  local head = redis.call('LINDEX', KEYS[5], 0)
  local id = ARGV[1] .. ' '
  if head and string.sub(head, 1, #id) == id then
    redis.call('LPOP', KEYS[5])
    redis.call('HSET', KEYS[4], 'attempts', 0)
    redis.call('HDEL', KEYS[4], 'ageFrom', 'skip', 'skipBy', 'skipWhy')
  end
end
if redis.call('EXISTS', KEYS[5]) == 0 and redis.call('ZREM', KEYS[6], ARGV[4]) == 1 then
  redis.call('ZREM', KEYS[7], ARGV[4])
  redis.call('HDEL', KEYS[4], 'service', 'reason', 'parkedAt', 'nextAt', 'attempts', 'error', 'ageFrom',
    'skip', 'skipBy', 'skipWhy')
  redis.call('HINCRBY', KEYS[8], 'p:' .. ARGV[5], -1)
end
redis.call('HINCRBY', KEYS[8], 'n:' .. ARGV[5], -1)
redis.call('HINCRBY', KEYS[8], 'b:' .. ARGV[5], 0 - ARGV[6]) -- "-0" would not be an integer
if redis.call('HINCRBY', KEYS[4], 'pending', -1) <= 0 then
  if redis.call('HEXISTS', KEYS[4], 'diverged') == 1 then redis.call('PEXPIRE', KEYS[4], ARGV[7])
  else redis.call('DEL', KEYS[4]) end
else
  -- A key's entries are settled in order: the remaining ones are newer.
  redis.call('HSET', KEYS[4], 'pendingFrom', string.match(ARGV[1], '^%d+'))
end
return answer('acked')
