-- KEYS: hash of the host (next, last, lag), sorted set of the visits at it, epoch of this Redis
-- ARGV: operation, delay, places, visit, argument, permit; times in microseconds
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local op, delay, places, visit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local arg, permit = tonumber(ARGV[5]), tonumber(ARGV[6])

-- Numbers beyond 2^53 do not occur, but tostring() would print them with an exponent.
local function int(n) return string.format('%.0f', n) end

local function keep(ms)
  redis.call('PEXPIRE', KEYS[1], int(ms))
end

local epoch = tonumber(redis.call('GET', KEYS[3]) or nil)
if not epoch then
  epoch = now
  redis.call('SET', KEYS[3], int(now))
end

local h = redis.call('HMGET', KEYS[1], 'next', 'last', 'lag')
local nxt, last = tonumber(h[1] or nil) or 0, tonumber(h[2] or nil) or epoch

local function lag(delay)
  return delay > 0 and math.floor(tonumber(h[3] or nil) or 0) or 0
end

if op == 'reserve' then
  -- A start is a delay after the first byte of the answer before, so slots are as far apart as starts have turned out to be.
  local first = math.max(now, nxt, last + delay)
  nxt = first + arg * (delay + lag(delay))
  redis.call('HSET', KEYS[1], 'next', int(nxt))
  keep((nxt - now) / 1000 + delay / 1000 + 3600000)
  return {first - now, lag(delay)}
end

if op == 'enter' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now - permit))
  if not redis.call('ZSCORE', KEYS[2], visit) and redis.call('ZCARD', KEYS[2]) >= places then
    return {1, 0}
  end
  redis.call('ZADD', KEYS[2], int(now), visit)
  redis.call('PEXPIRE', KEYS[2], int(permit / 1000))
  return {0, 0}
end

if op == 'start' then
  if now < last + delay then
    return {last + delay - now, 0}
  end
  redis.call('HSET', KEYS[1], 'last', int(now), 'next', int(math.max(nxt, now + delay)))
  keep(math.max(nxt - now, 0) / 1000 + delay / 1000 + 3600000)
  return {0, 0}
end

-- leave
redis.call('ZREM', KEYS[2], visit)
if arg > 0 and h[2] then
  redis.call('HSET', KEYS[1], 'last', int(math.max(last, math.min(now, last + arg))), 'lag', int(0.75 * (tonumber(h[3] or nil) or 0) + 0.25 * arg))
end
return {0, 0}
