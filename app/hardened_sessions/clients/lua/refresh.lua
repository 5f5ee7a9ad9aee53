#!lua flags=allow-oom
-- After a saved row: replace an older value. Nothing there stays nothing, for a sign-out may have
-- removed it; a lease goes, for its reader may have seen the row before.
-- KEYS: name. ARGV: the value, its version, its milliseconds.
local held = redis.call('GET', KEYS[1])
if not held then
  return 0
end
local version = tonumber(string.match(held, '^s1|%x+|(%d+)|'))
if not version then
  redis.call('DEL', KEYS[1])
elseif version < tonumber(ARGV[2]) then
  local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
  if done.err then
    redis.call('DEL', KEYS[1])
  end
end
return 1
