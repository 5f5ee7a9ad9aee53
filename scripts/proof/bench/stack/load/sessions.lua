-- Ask for one address with each session cookie of a file in turn.
-- usage: wrk -s sessions.lua URL -- COOKIES [PAUSE_MS]
--   COOKIES    a file with one Cookie header a line
--   PAUSE_MS   how long each connection waits before its next request
local requests, last = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    wrk.headers['Cookie'] = line
    requests[#requests + 1] = wrk.format('GET')
  end
  if args[2] then
    local pause = tonumber(args[2])
    delay = function() return pause end
  end
end

function request()
  last = last % #requests + 1
  return requests[last]
end

-- One JSON object, times in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "longest": %d, ' ..
    '"refused": %d, "broken": %d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency.max,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
