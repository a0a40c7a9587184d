-- Puts tasks back that were taken and not begun: to where they are taken next.
-- KEYS: pending, active, lease of one queue
-- ARGV: prefix of the task keys, now in seconds, IDs from the first that was taken
for i = #ARGV, 3, -1 do
  local id, key = ARGV[i], ARGV[1] .. ARGV[i]
  redis.call('ZREM', KEYS[3], id)
  if redis.call('LREM', KEYS[2], 0, id) > 0 and redis.call('EXISTS', key) == 1 then
    redis.call('RPUSH', KEYS[1], id)
    redis.call('HSET', key, 'state', 'pending', 'pending_since', ARGV[2] .. '000000000')
  end
end
return 0
