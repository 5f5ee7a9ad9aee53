#!lua flags=allow-oom
-- Compare and set. Answers 1, or 0 where nothing is there, or else what is there now.
-- KEYS: the name it was loaded from, the name to write. ARGV: how what was loaded begins, the new
-- value, its expiry in milliseconds since 1970.
local held = redis.call('GET', KEYS[1])
if not held then
  return 0
end
if string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then
  return held
end
redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3])
if KEYS[1] ~= KEYS[2] then
  redis.call('DEL', KEYS[1])
end
return 1
