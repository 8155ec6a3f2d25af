#!lua flags=allow-oom
--[[ note: add a line to the timeline of a process that stands.
Why a script: what is gone gets no line that nobody would remove. allow-oom: as commit.
KEYS[1]  process   HASH    KEYS[2]  archived  HASH    KEYS[3]  timeline  LIST
ARGV[1]  scope     ARGV[2]  call    ARGV[3]  epoch    ARGV[4]  cap    ARGV[5]  entry
Returns  {scope, call, 'noted' | 'gone', now} ]]
--@include timeline
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, key in ipairs({ KEYS[1], KEYS[2] }) do
  if redis.call('HGET', key, 'epoch') == ARGV[3] then
    note(KEYS[3], ARGV[4], key, now, ARGV[5])
    return { ARGV[1], ARGV[2], 'noted', now }
  end
end
return { ARGV[1], ARGV[2], 'gone', now }
