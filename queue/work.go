package queue

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/fault"
	"example.org/trawl/frontier"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// Work looks into asynq's own keys for what asynq's API cannot tell at this size: which visits still have a task, and which
// tasks belong to a worker that died. A test pins the layout of the keys.
type Work struct {
	rdb redis.UniversalClient

	mu     sync.Mutex
	load   pipeline.Load
	loadAt time.Time
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

// Whereabouts tells in which stage a visit has a task, and from when it may touch its host; found is false when it has none.
func (w *Work) Whereabouts(ctx context.Context, visit string) (stage tasks.Kind, slot time.Time, found bool, err error) {
	inspector := asynq.NewInspectorFromRedisClient(w.rdb)
	ids := []string{visit, tasks.TurnedID(visit)}
	var there []*redis.IntCmd
	_, err = w.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, q := range visitQueues() {
			for _, id := range ids {
				there = append(there, p.Exists(ctx, taskKey(q, id)))
			}
		}
		return nil
	})
	if err != nil {
		return "", slot, false, fault.New(fault.RedisDown, fmt.Errorf("look for a visit: %w", err))
	}
	for i, q := range visitQueues() {
		for j, id := range ids {
			if there[i*len(ids)+j].Val() == 0 {
				continue
			}
			info, err := inspector.GetTaskInfo(q, id)
			if errors.Is(err, asynq.ErrTaskNotFound) { // it went on meanwhile
				continue
			}
			if err != nil {
				return "", slot, false, fault.New(fault.RedisDown, fmt.Errorf("look for a visit: %w", err))
			}
			t, err := tasks.Decode(tasks.Kind(info.Type), info.Payload)
			if l, ok := t.(interface{ At() time.Time }); ok && err == nil {
				slot = l.At()
			}
			return tasks.Kind(info.Type), slot, true, err
		}
	}
	return "", slot, false, nil
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

// loadFresh is how long a Load holds.
const loadFresh = 200 * time.Millisecond

// Load implements handlers.Work.
func (w *Work) Load(ctx context.Context) (pipeline.Load, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.loadAt) < loadFresh {
		return w.load, nil
	}
	pipe := w.rdb.Pipeline()
	lens := map[string]*redis.IntCmd{}
	for _, q := range visitQueues() {
		lens[q] = pipe.LLen(ctx, "asynq:{"+q+"}:pending")
	}
	info := pipe.Info(ctx, "memory")
	if _, err := pipe.Exec(ctx); err != nil && lens["store"].Err() != nil {
		return pipeline.Load{}, fault.New(fault.RedisDown, fmt.Errorf("load of the queues: %w", err))
	}
	l := pipeline.Load{Store: int(lens["store"].Val())}
	for _, q := range []string{"resolve", "head", "fetch"} {
		l.Ready += int(lens[q].Val())
	}
	if used, most := infoNumber(info.Val(), "used_memory"), infoNumber(info.Val(), "maxmemory"); most > 0 {
		l.Memory = used / most
	}
	w.load, w.loadAt = l, time.Now()
	return l, nil
}

// infoNumber reads a field of what INFO says; 0 when it is not there, as in a Redis that is not a real one.
func infoNumber(info, field string) float64 {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			n, _ := strconv.ParseFloat(v, 64)
			return n
		}
	}
	return 0
}

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
