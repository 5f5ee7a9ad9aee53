#!lua
-- Keep the promise: put the value where the lease still stands; an empty value only ends the lease.
-- KEYS: name. ARGV: the lease, the value, its milliseconds.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
