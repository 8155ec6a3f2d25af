#!lua flags=allow-oom
--[[ mirror-gap: record executions that were not mirrored; those without an intent are counted here.
Why a script: the list of gaps and the counters stay consistent.
KEYS[1]  gaps  STREAM    KEYS[2]  counters  HASH
ARGV[1]  service   ARGV[2]  call    ARGV[3]  gap    ARGV[4]  eligible (counter's name)
ARGV[5]  skipped (counter's name)   ARGV[6]  count  ARGV[7]  keepMs
Returns  {service, call, 'noted'} ]]
redis.call('XADD', KEYS[1], 'MAXLEN', '~', 1000, '*', 'g', ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[4], ARGV[6])
redis.call('HINCRBY', KEYS[2], ARGV[5], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return { ARGV[1], ARGV[2], 'noted' }
