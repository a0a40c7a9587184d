package queue

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/fault"
	"example.org/trawl/frontier"
	"example.org/trawl/tasks"
)

// Work looks into asynq's own keys for what asynq's API cannot tell at this size: which visits still have a task, and which
// tasks belong to a worker that died. A test pins the layout of the keys.
type Work struct {
	rdb redis.UniversalClient
}

// NewWork returns a view of the queues in rdb.
func NewWork(rdb redis.UniversalClient) *Work { return &Work{rdb: rdb} }

// visitQueues are the queues in which a visit can have a task.
func visitQueues() []string {
	return []string{"resolve", "head", "fetch", "store"}
}

// Alive implements handlers.Work.
func (w *Work) Alive(ctx context.Context, visits []string) ([]bool, error) {
	pipe := w.rdb.Pipeline()
	cmds := make([][]*redis.IntCmd, len(visits))
	for i, v := range visits {
		for _, q := range visitQueues() {
			cmds[i] = append(cmds[i], pipe.Exists(ctx, taskKey(q, v), taskKey(q, tasks.TurnedID(v))))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fault.New(fault.RedisDown, fmt.Errorf("look for visits: %w", err))
	}
	alive := make([]bool, len(visits))
	for i := range visits {
		for _, c := range cmds[i] {
			alive[i] = alive[i] || c.Val() > 0
		}
	}
	return alive, nil
}

func taskKey(queue, id string) string { return "asynq:{" + queue + "}:t:" + id }

// Epoch implements handlers.Work: the moment at which this Redis began to be used, which changes when it loses its data.
func (w *Work) Epoch(ctx context.Context) (string, error) {
	now := strconv.FormatInt(time.Now().UnixMicro(), 10)
	if err := w.rdb.SetNX(ctx, frontier.EpochKey, now, 0).Err(); err != nil {
		return "", fault.New(fault.RedisDown, fmt.Errorf("epoch: %w", err))
	}
	epoch, err := w.rdb.Get(ctx, frontier.EpochKey).Result()
	if err != nil {
		return "", fault.New(fault.RedisDown, fmt.Errorf("epoch: %w", err))
	}
	return epoch, nil
}

// Handover implements handlers.Work.
func (*Work) Handover() time.Duration { return 10 * time.Second }

//go:embed revive.lua
var reviveSource string

var reviveScript = redis.NewScript(reviveSource)

// Revive puts the tasks of dead workers back to pending: those whose lease, which a living worker renews every few seconds, ran
// out, and those that have none. Asynq does the first after one to two minutes, and uses up a try; it never does the second.
// It also makes sure that the queues are listed, which asynq's client does only once. It returns how many tasks it put back.
func (w *Work) Revive(ctx context.Context) (int, error) {
	n := 0
	for _, q := range Names() {
		if err := w.rdb.SAdd(ctx, "asynq:queues", q).Err(); err != nil {
			return n, fault.New(fault.RedisDown, fmt.Errorf("revive %s: %w", q, err))
		}
		p := "asynq:{" + q + "}:"
		put, err := reviveScript.Run(ctx, w.rdb, []string{p + "lease", p + "active", p + "pending"}, p+"t:", time.Now().Unix()).Int()
		if err != nil {
			return n, fault.New(fault.RedisDown, fmt.Errorf("revive %s: %w", q, err))
		}
		n += put
	}
	return n, nil
}

// Names lists the queues.
func Names() []string {
	var out []string
	for _, s := range byQueue(nil) {
		out = append(out, s.Queue)
	}
	return out
}
