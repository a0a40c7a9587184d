package frontier

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/fault"
)

// RedisGate hands out slots to all workers. Its clock is Redis's own, so that workers whose clocks differ agree. Each host has
// a hash (next, last; microseconds) and a sorted set of the visits that are at it; both go away when the host is left alone.
type RedisGate struct {
	rdb redis.UniversalClient
}

// NewRedisGate returns a gate on rdb.
func NewRedisGate(rdb redis.UniversalClient) *RedisGate { return &RedisGate{rdb: rdb} }

// EpochKey holds the moment at which this Redis began to be used. A Redis that lost its data has a new epoch: the gate then
// lets a delay pass before it touches any host again, and reconcile refills the window.
const EpochKey = "trawl:epoch"

//go:embed gate.lua
var gateSource string

var gateScript = redis.NewScript(gateSource)

func (g *RedisGate) run(ctx context.Context, op, host, visit string, l Limit, arg int64) (answer, lag int64, err error) {
	keys := []string{"trawl:gate:{" + host + "}", "trawl:busy:{" + host + "}", EpochKey}
	n, err := gateScript.Run(ctx, g.rdb, keys, op, l.Delay.Microseconds(), l.PerHost, visit, arg, Permit.Microseconds()).Int64Slice()
	if err != nil {
		return 0, 0, fault.New(fault.RedisDown, fmt.Errorf("gate %s %s: %w", op, host, err))
	}
	return n[0], n[1], nil
}

// Reserve implements handlers.Gate. The moment is told in this process's clock.
func (g *RedisGate) Reserve(ctx context.Context, host string, l Limit, n int) (time.Time, time.Duration, error) {
	in, lag, err := g.run(ctx, "reserve", host, "", l, int64(n))
	return time.Now().Add(time.Duration(in) * time.Microsecond), l.Delay + time.Duration(lag)*time.Microsecond, err
}

// Enter implements handlers.Gate.
func (g *RedisGate) Enter(ctx context.Context, host, visit string, l Limit) (time.Duration, error) {
	full, _, err := g.run(ctx, "enter", host, visit, l, 0)
	if err != nil || full == 0 {
		return 0, err
	}
	return busyWait(l), nil
}

// Start implements handlers.Gate.
func (g *RedisGate) Start(ctx context.Context, host, visit string, l Limit) (time.Duration, error) {
	wait, _, err := g.run(ctx, "start", host, visit, l, 0)
	return time.Duration(wait) * time.Microsecond, err
}

// Leave implements handlers.Gate.
func (g *RedisGate) Leave(ctx context.Context, host, visit string, lag time.Duration) error {
	_, _, err := g.run(ctx, "leave", host, visit, Limit{}, min(lag, maxLag).Microseconds())
	return err
}
