package queue

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
)

// joiner sends script calls that are made at the same time in one pipeline: asynq and the gate make a dozen for each page, every one by
// itself, and a way to Redis and back costs more than the script. While one pipeline is under way the calls for the next gather.
type joiner struct {
	rdb redis.UniversalClient

	mu      sync.Mutex
	waiting []*call
	sending bool
}

// call is a script call. It has a command of its own: the caller's must not be touched once he has given up.
type call struct {
	cmd  *redis.Cmd
	done chan struct{}
}

// joinAtMost bounds a pipeline, so that no call waits for too many others.
const joinAtMost = 64

// do makes a script call, given as in EVALSHA.
func (j *joiner) do(ctx context.Context, args []any) (any, error) {
	c := &call{redis.NewCmd(context.WithoutCancel(ctx), args...), make(chan struct{})}
	j.mu.Lock()
	j.waiting = append(j.waiting, c)
	if !j.sending {
		j.sending = true
		go j.send()
	}
	j.mu.Unlock()
	select {
	case <-c.done:
		return c.cmd.Result()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// send sends what waits until nothing does.
func (j *joiner) send() {
	for {
		j.mu.Lock()
		calls := j.waiting[:min(len(j.waiting), joinAtMost)]
		j.waiting = j.waiting[len(calls):]
		j.sending = len(calls) > 0
		j.mu.Unlock()
		if len(calls) == 0 {
			return
		}
		ctx := context.Background() // each call's own context ends the wait for it, and not the pipeline of the others
		pipe := j.rdb.Pipeline()
		for _, c := range calls {
			_ = pipe.Process(ctx, c.cmd) // only notes it
		}
		_, _ = pipe.Exec(ctx) // each command has its own error
		for _, c := range calls {
			close(c.done)
		}
	}
}

// hook is go-redis's: script calls go through the joiner, those with which asynq takes tasks through ahead, and all else goes its way.
type hook struct {
	join  *joiner
	ahead *ahead
}

// DialHook implements redis.Hook.
func (hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessPipelineHook implements redis.Hook.
func (hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c, ok := cmd.(*redis.Cmd)
		if !ok || c.Name() != "evalsha" {
			return next(ctx, cmd)
		}
		do := func() (any, error) { return h.join.do(ctx, c.Args()) }
		if q, ok := dequeues(c.Args()); ok {
			do = func() (any, error) { return h.ahead.take(ctx, q) }
		}
		v, err := do()
		if err == nil {
			c.SetVal(v)
		}
		if pending, ok := enqueues(c.Args()); ok {
			h.ahead.wake(pending)
		}
		return err
	}
}
