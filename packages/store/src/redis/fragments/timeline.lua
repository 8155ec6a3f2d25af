-- Adds a line (first time, count, last time, entry) to the record's timeline, which ends with the record. The same entry as
-- the last one is counted there. An empty entry is none.
local function note(timeline, cap, record, now, entry)
  if entry == '' then return end
  local at = string.format('%.0f', now)
  local last = redis.call('LINDEX', timeline, -1)
  if last then
    local first, count, told = string.match(last, '^(%d+) (%d+) %d+ (.*)$')
    if told == entry then
      redis.call('LSET', timeline, -1, table.concat({ first, string.format('%d', count + 1), at, entry }, ' '))
      return
    end
  end
  local length = redis.call('RPUSH', timeline, table.concat({ at, '1', at, entry }, ' '))
  if length > tonumber(cap) then redis.call('LTRIM', timeline, -tonumber(cap), -1) end
  local keepUntil = length == 1 and redis.call('HGET', record, 'keepUntil')
  if keepUntil then redis.call('PEXPIREAT', timeline, keepUntil) end
end
