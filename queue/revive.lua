-- KEYS: lease (sorted set: when a task's lease runs out), active (list), pending (list) of one queue
-- ARGV: prefix of the task keys, now in seconds
local put = 0
local function back(id)
  redis.call('ZREM', KEYS[1], id)
  if redis.call('LREM', KEYS[2], 0, id) > 0 and redis.call('EXISTS', ARGV[1] .. id) == 1 then
    redis.call('RPUSH', KEYS[3], id)
    redis.call('HSET', ARGV[1] .. id, 'state', 'pending', 'pending_since', ARGV[2] .. '000000000')
    put = put + 1
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2], 'LIMIT', 0, 1000)) do
  back(id)
end
-- Dequeue adds to both in one step, so a task that is active without a lease has lost it.
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, 2000)) do
  if not redis.call('ZSCORE', KEYS[1], id) then
    back(id)
  end
end
return put
