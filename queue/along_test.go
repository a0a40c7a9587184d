package queue_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// fetchThenStore are stages of which the first leads to the second.
func fetchThenStore(store pipeline.Stage) map[tasks.Kind]pipeline.Stage {
	return map[tasks.Kind]pipeline.Stage{
		tasks.KindFetch: func(_ context.Context, t tasks.Task) (tasks.Result, error) {
			return tasks.Then(tasks.Store{Visit: t.About()}), nil
		},
		tasks.KindStore: store,
	}
}

// begun is how many tasks of a queue are under way.
func begun(t *testing.T, rdb redis.UniversalClient, queue string) int64 {
	t.Helper()
	return rdb.LLen(t.Context(), "asynq:{"+queue+"}:active").Val()
}

func TestAStageRunsAlongWithTheOneBefore(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	stored, goOn := make(chan struct{}), make(chan struct{})
	var admitted atomic.Int64
	stages := fetchThenStore(func(context.Context, tasks.Task) (tasks.Result, error) {
		close(stored)
		<-goOn
		return tasks.Then(tasks.Admit{Batch: "links"}, tasks.Index{Batch: "b"}), nil
	})
	stages[tasks.KindAdmit] = func(context.Context, tasks.Task) (tasks.Result, error) {
		admitted.Add(1)
		return tasks.Done(), nil
	}
	work(t, rdb, stages, tasks.KindFetch, tasks.KindStore, tasks.KindAdmit)
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v")})
	<-stored
	// As long as its store is not through, the fetch is not either: who dies here has it run again.
	if f, s := keys(t, rdb, "fetch"), keys(t, rdb, "store"); len(f) != 1 || len(s) != 0 || begun(t, rdb, "fetch") != 1 {
		t.Errorf("while store runs, fetch has %q and store has %q", f, s)
	}
	close(goOn)
	eventually(t, "the fetch is done", func() bool { return len(keys(t, rdb, "fetch")) == 0 })
	if a, i := keys(t, rdb, "admit"), keys(t, rdb, "index"); admitted.Load() != 1 || len(a) != 0 || len(i) != 1 {
		t.Errorf("admitted %d times; admit has %q, index has %q: want one admission along with the store, and the index task in its queue", admitted.Load(), a, i)
	}
}

func TestWithoutAPlaceAStageGoesThroughItsQueue(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	places := tasks.SpecOf(tasks.KindStore).Concurrency
	var running atomic.Int64
	goOn := make(chan struct{})
	stop := work(t, rdb, fetchThenStore(func(context.Context, tasks.Task) (tasks.Result, error) {
		running.Add(1)
		<-goOn
		return tasks.Done(), nil
	}), tasks.KindFetch, tasks.KindStore)
	for i := range places + 1 {
		enqueue(t, rdb, tasks.Next{Task: fetchOf(fmt.Sprint(i))})
	}
	eventually(t, "all are being stored", func() bool { return running.Load() == int64(places+1) })
	eventually(t, "one went through the queue", func() bool {
		return begun(t, rdb, "fetch") == int64(places) && begun(t, rdb, "store") == 1
	})
	close(goOn)
	stop()
	if f, s := keys(t, rdb, "fetch"), keys(t, rdb, "store"); len(f)+len(s) != 0 {
		t.Errorf("fetch has %q, store has %q", f, s)
	}
}

func TestNoStageOfAPausedQueueRunsAlong(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	var stored atomic.Int64
	work(t, rdb, fetchThenStore(func(context.Context, tasks.Task) (tasks.Result, error) {
		stored.Add(1)
		return tasks.Done(), nil
	}), tasks.KindFetch, tasks.KindStore)
	if err := rdb.Set(t.Context(), "asynq:{store}:paused", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	// The pause is met when the queue is asked next. From then on nothing is stored.
	visits := 0
	eventually(t, "a task waits in the paused queue", func() bool {
		enqueue(t, rdb, tasks.Next{Task: fetchOf(fmt.Sprint(visits))})
		visits++
		return len(keys(t, rdb, "store")) > 0
	})
	before := stored.Load()
	for range 5 {
		enqueue(t, rdb, tasks.Next{Task: fetchOf(fmt.Sprint(visits))})
		visits++
	}
	eventually(t, "all wait", func() bool { return stored.Load()+int64(len(keys(t, rdb, "store"))) == int64(visits) })
	if stored.Load() != before {
		t.Errorf("%d were stored while the queue was paused", stored.Load()-before)
	}
	if err := rdb.Del(t.Context(), "asynq:{store}:paused").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are stored", func() bool { return stored.Load() == int64(visits) })
}

func TestAStageThatFailsAlongIsTriedByItsQueue(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	var fetches, tries atomic.Int64
	stages := fetchThenStore(func(context.Context, tasks.Task) (tasks.Result, error) {
		if tries.Add(1) < 3 {
			return tasks.Result{}, fault.New(fault.Stopped, errors.New("stopped"))
		}
		return tasks.Done(), nil
	})
	fetch := stages[tasks.KindFetch]
	stages[tasks.KindFetch] = func(ctx context.Context, t tasks.Task) (tasks.Result, error) {
		fetches.Add(1)
		return fetch(ctx, t)
	}
	work(t, rdb, stages, tasks.KindFetch, tasks.KindStore)
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v")})
	eventually(t, "it is stored", func() bool {
		return tries.Load() == 3 && len(keys(t, rdb, "store"))+len(keys(t, rdb, "fetch")) == 0
	})
	if fetches.Load() != 1 {
		t.Errorf("it was fetched %d times", fetches.Load())
	}
}
