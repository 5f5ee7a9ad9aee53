#!lua
-- Promise to fill the cache: only the holder of the lease may, and whoever changes the session ends
-- it. KEYS: name. ARGV: the value that may be replaced ('' for none), the lease, its milliseconds.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
