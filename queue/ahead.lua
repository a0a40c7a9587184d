-- What asynq does to take a task, for several tasks at once.
-- KEYS: pending, paused, active, lease of one queue
-- ARGV: when the lease runs out in seconds, prefix of the task keys, how many tasks
local out = {}
if redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
for _ = 1, tonumber(ARGV[3]) do
  local id = redis.call('RPOPLPUSH', KEYS[1], KEYS[3])
  if not id then
    break
  end
  local key = ARGV[2] .. id
  local msg = redis.call('HGET', key, 'msg')
  if msg then
    redis.call('HSET', key, 'state', 'active')
    redis.call('HDEL', key, 'pending_since')
    redis.call('ZADD', KEYS[4], ARGV[1], id)
    out[#out + 1] = id
    out[#out + 1] = msg
  else -- it was deleted
    redis.call('LREM', KEYS[3], 0, id)
  end
end
return out
