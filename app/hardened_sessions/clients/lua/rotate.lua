#!lua flags=allow-oom
-- Compare and move to a new name, leaving a pointer. Answers as replace.lua does.
-- KEYS: the name it was loaded from, the name of the pointer, the new name. ARGV: how what was
-- loaded begins, the pointer and its expiry, the new value and its expiry.
local held = redis.call('GET', KEYS[1])
if not held then
  return 0
end
if string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then
  return held
end
redis.call('SET', KEYS[3], ARGV[4], 'PXAT', ARGV[5])
if KEYS[1] ~= KEYS[2] then
  redis.call('DEL', KEYS[1])
end
redis.call('SET', KEYS[2], ARGV[2], 'PXAT', ARGV[3])
return 1
