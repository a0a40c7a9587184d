-- The operations of RedisGate, each in one step; MemoryGate is the same in Go.
-- KEYS: the epoch of this Redis, the urgent visits of the host; then for each unit, the host first: its hash, the visits at it,
--   the moments kept for visits
-- ARGV: operation, visit, number of units, permit, unclaimed, holding, slowest, precedence; then for each unit its delay, its
--   places and its slowness (0: it does not adapt); then what the operation takes
-- Answers two numbers: what the operation says, or -1 and -1 when the host is held. Times are in microseconds.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local visit, count = ARGV[2], tonumber(ARGV[3])
local permit, unclaimed, holding, slowest = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local precedence, rush = tonumber(ARGV[8]), KEYS[2]
local own = 9 + 3 * count  -- where begins what the operation takes
local hour = 3600000000
local HELD = {-1, -1}

-- Numbers beyond 2^53 do not occur, but tostring() would print them with an exponent.
local function int(n) return string.format('%.0f', n) end

local function expire(key, after) redis.call('PEXPIRE', key, int(after / 1000)) end

local epoch = tonumber(redis.call('GET', KEYS[1]) or nil)
if not epoch then
  epoch = now
  redis.call('SET', KEYS[1], int(now))
end

local function read(i)
  local key, arg = 3 * i, 3 * i + 6
  local u = {
    key = KEYS[key], busy = KEYS[key + 1], turns = KEYS[key + 2],
    least = tonumber(ARGV[arg]), places = tonumber(ARGV[arg + 1]), slowness = tonumber(ARGV[arg + 2]),
  }
  local h = redis.call('HMGET', u.key, 'next', 'last', 'lag', 'took', 'bad', 'holds', 'held')
  local function field(n, unset) return tonumber(h[n] or nil) or unset end
  u.next, u.last = field(1, 0), field(2, epoch)  -- first moment that is not handed out yet, last start
  u.lag, u.took = field(3, 0), field(4, 0)       -- averages: the way of requests, the time that answers take
  u.bad, u.holds = field(5, 0), field(6, -1)     -- bad ends in a row, how often the catalog has held it
  u.held = field(7, 0)                           -- until when
  u.delay = u.least                              -- the delay in force
  if u.least > 0 then
    u.delay = math.max(u.least, math.min(u.slowness * u.took, slowest))
  end
  return u
end

-- A unit that is left alone is forgotten after an hour, but not before its last moment, not before a visit that ended badly had
-- time to come again, and not while it is held.
local function save(u, ...)
  local fields = {}
  for _, name in ipairs({...}) do
    fields[#fields + 1] = name
    fields[#fields + 1] = int(u[name])
  end
  redis.call('HSET', u.key, unpack(fields))
  local alone = math.max(u.next - now, 0) + u.delay + hour
  if u.bad > 0 then alone = math.max(alone, 25 * hour) end
  expire(u.key, math.max(alone, u.held - now))
end

local function has(u) return redis.call('ZSCORE', u.busy, visit) end

local function stay(u)
  redis.call('ZADD', u.busy, int(now), visit)
  expire(u.busy, permit)
end

-- How long the visit has to wait for its moment at the unit; one is kept for it unless the unit is ready.
local function turn(u)
  if u.delay == 0 then return 0 end
  redis.call('ZREMRANGEBYSCORE', u.turns, '-inf', int(now - unclaimed - u.delay))
  local at = tonumber(redis.call('ZSCORE', u.turns, visit) or nil)
  if not at then
    at = math.max(u.next, u.last + u.delay)
    if at <= now then return 0 end
    u.next = at + u.delay
    save(u, 'next')
  end
  -- A moment that has passed is kept from now on: its visit is here and waits for something else.
  at = math.max(at, now)
  redis.call('ZADD', u.turns, int(at), visit)
  expire(u.turns, math.max(u.next - now, 0) + unclaimed + u.delay)
  return at - now
end

-- Tells whether the visit lets an urgent one pass.
local function yields()
  if redis.call('ZCARD', rush) == 0 then return false end
  redis.call('ZREMRANGEBYSCORE', rush, '-inf', int(now))
  return redis.call('ZCARD', rush) > 0 and not redis.call('ZSCORE', rush, visit)
end

-- Uses up the visit's moment, or the present one when it needed none.
local function take(u)
  if redis.call('ZREM', u.turns, visit) == 0 then
    u.next = math.max(u.next, now + u.delay)
    save(u, 'next')
  end
end

local units = {}
for i = 1, count do units[i] = read(i) end
local host = units[1]

local function closed(probe) return host.held > now and probe ~= 1 end

local ops = {}

-- Says how far away the first moment is, and how far apart they are.
function ops.reserve(n, holds)
  if holds >= host.holds then
    host.holds, host.held = holds, 0
  end
  -- A start is a delay after the first byte of the answer before, so slots are as far apart as starts have turned out to be.
  local apart = host.delay > 0 and host.delay + host.lag or 0
  local soonest = math.max(now, host.last + host.delay)
  local first = math.max(soonest, host.next)
  -- Who is urgent takes moments that others were given, and those who then come too late need room behind the last one.
  host.next = first + n * apart
  save(host, 'next', 'holds', 'held')
  local urgent = {unpack(ARGV, own + 2)}
  if #urgent == 0 then return {first - now, apart} end
  if apart > 0 then
    for i, v in ipairs(urgent) do redis.call('ZADD', rush, int(soonest + (i - 1) * apart + precedence), v) end
    expire(rush, host.next - now + precedence)
  end
  return {soonest - now, apart}
end

function ops.recall()
  host.next = 0
  save(host, 'next')
  return {0, 0}
end

-- Says how long to wait for a moment, and the longest delay of the units that have no place free, or -1.
function ops.enter(probe)
  for _, u in ipairs(units) do
    redis.call('ZREMRANGEBYSCORE', u.busy, '-inf', int(now - permit))
    u.inside = has(u)
  end
  if closed(probe) then
    for _, u in ipairs(units) do
      if u.inside then stay(u) end -- one that came in before the hold is there until it leaves
    end
    return HELD
  end
  local wait, full = 0, -1
  for i, u in ipairs(units) do
    if not u.inside then
      if redis.call('ZCARD', u.busy) >= u.places or i == 1 and yields() then full = math.max(full, u.least) end
      if i > 1 then wait = math.max(wait, turn(u)) end
    end
  end
  if wait == 0 and full == -1 then
    for i, u in ipairs(units) do
      if i > 1 and not u.inside and u.delay > 0 then take(u) end
      stay(u)
    end
  end
  return {wait, full}
end

-- Says how long to wait, or 0 when the start is noted.
function ops.start(probe)
  if closed(probe) then return HELD end
  local wait = 0
  for _, u in ipairs(units) do wait = math.max(wait, u.last + u.delay - now) end
  if wait > 0 then return {wait, 0} end
  redis.call('ZREM', rush, visit)
  for _, u in ipairs(units) do
    u.last = now
    -- Moments were handed out for starts on time; whoever comes now must not meet the one that starts late.
    u.next = math.max(u.next, now + u.delay)
    save(u, 'last', 'next')
  end
  return {0, 0}
end

-- Says how many ends in a row were bad. A request arrived by the time of the first byte, and not much before it when that came
-- quickly: way is as much of lag as counts for that.
function ops.leave(ending, lag, way)
  local inside = has(host)
  for _, u in ipairs(units) do redis.call('ZREM', u.busy, visit) end
  if not inside then return {host.bad, 0} end
  if ending == 1 then host.bad = 0 end
  if ending == 2 then host.bad = host.bad + 1 end
  if lag > 0 then
    host.last = math.max(host.last, math.min(now, host.last + way))
    host.lag = math.floor((3 * host.lag + way) / 4)
    host.took = host.took > 0 and math.floor((3 * host.took + lag) / 4) or lag
  end
  save(host, 'last', 'lag', 'took', 'bad')
  return {host.bad, 0}
end

-- A number that is known already was told before, and may have been taken away since.
function ops.hold(holds)
  if holds > host.holds then
    host.holds, host.held = holds, now + holding
    save(host, 'holds', 'held')
  end
  return {0, 0}
end

local args = {}
for i = own, #ARGV do args[#args + 1] = tonumber(ARGV[i]) end
return ops[ARGV[1]](unpack(args))
