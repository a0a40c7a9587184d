package frontier

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/fault"
)

// RedisGate hands out moments to all workers. Its clock is Redis's own, so that workers whose clocks differ agree. Each unit has
// a hash, a sorted set of the visits that are at it and one of the moments that are kept for visits, a host also one of the
// visits that others let pass; all go away when the unit is left alone. Their keys share a hash tag, so that a Redis Cluster keeps them on one node, where one script may touch them.
type RedisGate struct {
	rdb redis.UniversalClient
}

// NewRedisGate returns a gate on rdb.
func NewRedisGate(rdb redis.UniversalClient) *RedisGate { return &RedisGate{rdb: rdb} }

const gateKey = "trawl:{gate}:"

// EpochKey holds the moment at which this Redis began to be used. A Redis that lost its data has a new epoch: the gate then
// lets a delay pass before it touches anything again, and reconcile refills the window.
const EpochKey = gateKey + "epoch"

//go:embed gate.lua
var gateSource string

var gateScript = redis.NewScript(gateSource)

// run runs an operation of gate.lua, which says what keys, arguments and the two numbers are. An operation that a hold forbids
// returns ErrHeld.
func (g *RedisGate) run(ctx context.Context, op string, units []Unit, visit string, args ...any) (a, b int64, err error) {
	keys := []string{EpochKey, gateKey + "urgent:" + units[0].Name}
	argv := []any{
		op, visit, len(units),
		Permit.Microseconds(), unclaimed.Microseconds(), holding.Microseconds(), slowest.Microseconds(), precedence.Microseconds(),
	}
	for _, u := range units {
		keys = append(keys, gateKey+"unit:"+u.Name, gateKey+"busy:"+u.Name, gateKey+"turn:"+u.Name)
		slowness := 0
		if u.Adapt {
			slowness = Slowness
		}
		delay := u.Delay + time.Microsecond - 1 // a third of a second is not to come out shorter
		argv = append(argv, delay.Microseconds(), u.Places, slowness)
	}
	n, err := gateScript.Run(ctx, g.rdb, keys, append(argv, args...)...).Int64Slice()
	if err != nil {
		return 0, 0, fault.New(fault.RedisDown, fmt.Errorf("gate %s %s: %w", op, units[0].Name, err))
	}
	if n[0] == -1 {
		return 0, 0, ErrHeld
	}
	return n[0], n[1], nil
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Reserve implements handlers.Gate. The moment is told in this process's clock.
func (g *RedisGate) Reserve(ctx context.Context, host Unit, n int, urgent []string, holds int64) (time.Time, time.Duration, error) {
	args := []any{n, holds}
	for _, visit := range urgent {
		args = append(args, visit)
	}
	in, apart, err := g.run(ctx, "reserve", []Unit{host}, "", args...)
	return time.Now().Add(micros(in)), micros(apart), err
}

// Recall implements handlers.Gate.
func (g *RedisGate) Recall(ctx context.Context, host string) error {
	_, _, err := g.run(ctx, "recall", []Unit{{Name: host}}, "")
	return err
}

// Enter implements handlers.Gate.
func (g *RedisGate) Enter(ctx context.Context, units []Unit, visit string, probe bool) (time.Duration, error) {
	wait, full, err := g.run(ctx, "enter", units, visit, flag(probe))
	if err != nil || full < 0 {
		return micros(wait), err
	}
	return max(micros(wait), busyWait(micros(full))), nil
}

// Start implements handlers.Gate.
func (g *RedisGate) Start(ctx context.Context, units []Unit, visit string, probe bool) (time.Duration, error) {
	wait, _, err := g.run(ctx, "start", units, visit, flag(probe))
	return micros(wait), err
}

// Leave implements handlers.Gate.
func (g *RedisGate) Leave(ctx context.Context, units []Unit, visit string, s Seen) (int, error) {
	bad, _, err := g.run(ctx, "leave", units, visit, int(s.End), s.Lag.Microseconds(), min(s.Lag, maxLag).Microseconds())
	return int(bad), err
}

// Hold implements handlers.Gate.
func (g *RedisGate) Hold(ctx context.Context, host string, holds int64) error {
	_, _, err := g.run(ctx, "hold", []Unit{{Name: host}}, "", holds)
	return err
}

// flag is how gate.lua is told yes or no.
func flag(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
