// Package queue runs the stages behind asynq: every stage has a queue and a server of its own, and what a stage says is to
// follow is enqueued before its task is done. Pending is work that is ready, scheduled is waiting for politeness, retry is failures.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"example.org/trawl/fault"
	"example.org/trawl/tasks"
)

// Open connects to the Redis at url, for work that is to outlast an outage: commands are tried again for half a minute. With
// fewer tries than that, a task that is finished while Redis is away for seconds would be run again.
func Open(url string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	o.MaxRetries, o.MinRetryBackoff, o.MaxRetryBackoff = 40, 50*time.Millisecond, time.Second
	o.PoolSize = 64
	return redis.NewClient(o), nil
}

// QuietRedis has go-redis, which writes to standard error by itself, write to log at level debug: what it complains of comes
// back as an error too.
func QuietRedis(log *slog.Logger) { redis.SetLogger(redisLog{log}) }

type redisLog struct{ log *slog.Logger }

// Printf implements go-redis's interface.
func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, "redis", "msg", fmt.Sprintf(format, v...))
}

// OpenBriefly connects to the Redis at url for a command that is to say within seconds that it cannot.
func OpenBriefly(ctx context.Context, url string) (redis.UniversalClient, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	o.MaxRetries, o.DialTimeout, o.ReadTimeout = 1, 2*time.Second, 3*time.Second
	rdb := redis.NewClient(o)
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	if err := rdb.Ping(ctx).Err(); err != nil {
		_ = rdb.Close()
		return nil, fault.New(fault.RedisDown, fmt.Errorf("%s: %w: is it running? REDIS_URL says where", o.Addr, err))
	}
	return rdb, nil
}

// Client puts tasks into their queues.
type Client struct {
	asynq *asynq.Client
}

// NewClient returns a client on rdb.
func NewClient(rdb redis.UniversalClient) *Client {
	return &Client{asynq: asynq.NewClientFromRedisClient(rdb)}
}

// retries is above what the fault table allows any kind: pipeline decides when a visit is out of tries, and asynq, which looks
// at its own limit before it asks whether an error counts, must not be there first. It is not 0 because a task that may not be
// tried again is lost with its worker.
const retries = 25

// spare is what asynq's time limit has beyond the stage's own. At asynq's limit a handler goes on without its place.
const spare = 30 * time.Second

// soon is the time below which a task is due now: asynq's scheduled tasks cost a move, and the stage waits out the rest itself.
const soon = 200 * time.Millisecond

// readyHeader says from when on a task could have run: Unix milliseconds to the base of 36.
const readyHeader = "ready"

// readyAt is when a task could first have run; false where that is not known.
func readyAt(t *asynq.Task) (time.Time, bool) {
	ms, err := strconv.ParseInt(t.Headers()[readyHeader], 36, 64)
	return time.UnixMilli(ms), err == nil
}

// enqueueAtOnce is how many tasks are on their way to Redis together.
const enqueueAtOnce = 32

// Enqueue puts tasks into their queues. A task that is already there is not put there again, and that is no error.
func (c *Client) Enqueue(ctx context.Context, next ...tasks.Next) error {
	if len(next) == 1 {
		return c.enqueue(ctx, next[0])
	}
	var g errgroup.Group
	g.SetLimit(enqueueAtOnce)
	for _, n := range next {
		g.Go(func() error { return c.enqueue(ctx, n) })
	}
	return g.Wait()
}

func (c *Client) enqueue(ctx context.Context, n tasks.Next) error {
	payload, err := tasks.Encode(n.Task)
	if err != nil {
		return err
	}
	spec := tasks.SpecOf(n.Task.Kind())
	opts := []asynq.Option{
		asynq.Queue(spec.Queue), asynq.TaskID(n.Task.ID()), asynq.MaxRetry(retries), asynq.Timeout(spec.Timeout + spare),
	}
	if time.Until(n.At) > soon {
		opts = append(opts, asynq.ProcessAt(n.At))
	}
	ready := n.At
	if now := time.Now(); ready.Before(now) {
		ready = now
	}
	headers := map[string]string{readyHeader: strconv.FormatInt(ready.UnixMilli(), 36)}
	lead(ctx, n.Task, headers)
	_, err = c.asynq.EnqueueContext(ctx, asynq.NewTaskWithHeaders(string(spec.Kind), payload, headers), opts...)
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fault.New(fault.RedisDown, fmt.Errorf("enqueue %s: %w", spec.Kind, err))
	}
	return nil
}
