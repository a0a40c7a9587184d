package scheduler_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/scheduler"
	"example.org/trawl/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enqueues is a hook that counts how often a scheduler tried to enqueue promotion.
type enqueues struct{ n *atomic.Int64 }

func (enqueues) DialHook(next redis.DialHook) redis.DialHook { return next }

func (enqueues) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (e enqueues) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "evalsha" && slices.Contains(cmd.Args(), any("asynq:{periodic}:t:promote")) {
			e.n.Add(1)
		}
		return err
	}
}

func none(context.Context) ([]scheduler.Entry, error) { return nil, nil }

// Any number of schedulers may run: asynq's own would enqueue every tick once for each.
func TestTwoSchedulersDoNotDoubleTheTasks(t *testing.T) {
	url := redistest.Start(t)
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var tried [2]atomic.Int64
	for i := range tried {
		rdb := redis.NewClient(o)
		rdb.AddHook(enqueues{&tried[i]})
		wg.Go(func() {
			defer rdb.Close()
			if err := scheduler.Run(ctx, rdb, none, slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for tried[0].Load() < 2 || tried[1].Load() < 2 { // nobody takes the tasks
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the schedulers ticked %d and %d times", tried[0].Load(), tried[1].Load())
		}
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	list, err := asynq.NewInspectorFromRedisClient(rdb).ListPendingTasks(tasks.QueuePeriodic)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, i := range list {
		if seen[i.Type] {
			t.Errorf("%s is there twice", i.Type)
		}
		seen[i.Type] = true
		if _, err := tasks.Decode(tasks.Kind(i.Type), i.Payload); err != nil || i.ID != i.Type {
			t.Errorf("%s with the ID %q cannot be run: %v", i.Type, i.ID, err)
		}
	}
	if !seen[string(tasks.KindPromote)] {
		t.Errorf("%v are pending, and no promotion", seen)
	}
}
