-- Adds a link to the partition's chain: it covers the link before it, so that nothing can be changed behind it unseen.
local function addLink(chain, links, member, kind, digest, ends)
  local before = redis.call('HGET', chain, 'head') or ''
  local value = redis.sha1hex(before .. ' ' .. member .. ' ' .. kind .. ' ' .. digest .. ' ' .. ends)
  redis.call('HSET', chain, 'head', value)
  redis.call('HINCRBY', chain, 'count', 1)
  redis.call('XADD', links, 'MAXLEN', 2000, '*', 'member', member, 'kind', kind, 'digest', digest, 'ends', ends,
    'before', before, 'link', value)
  return before .. ' ' .. value
end
