package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/pipeline"
	"example.org/trawl/queue"
	"example.org/trawl/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eventually polls until ok, and fails when that takes far too long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain: " + what)
		}
	}
}

// settler closes visits into the air.
type settler struct{}

func (settler) End(context.Context, tasks.Visit, tasks.Reason, tasks.Fact) (tasks.Result, error) {
	return tasks.Done(), nil
}

func (settler) Postpone(context.Context, tasks.Visit, pipeline.Failure) (tasks.Result, error) {
	return tasks.Done(), nil
}

func (settler) Fail(context.Context, tasks.Visit, pipeline.Failure) (tasks.Result, error) {
	return tasks.Done(), nil
}

// work starts a worker for all queues and returns how to stop it and wait.
func work(t *testing.T, rdb redis.UniversalClient, stages map[tasks.Kind]pipeline.Stage, kinds ...tasks.Kind) (stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	w := queue.NewWorker(rdb, pipeline.New(stages, settler{}, events.Nowhere{}, log), kinds, log)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func fetchOf(visit string) tasks.Fetch {
	return tasks.Fetch{Leg: tasks.Leg{Visit: tasks.Visit{ID: visit, URL: "http://a.test/" + visit, Reach: tasks.NoLimit}}}
}

func enqueue(t *testing.T, rdb redis.UniversalClient, next ...tasks.Next) {
	t.Helper()
	if err := queue.NewClient(rdb).Enqueue(t.Context(), next...); err != nil {
		t.Fatal(err)
	}
}

// info is asynq's own view of a queue.
func info(t *testing.T, rdb redis.UniversalClient, q string) asynq.QueueInfo {
	t.Helper()
	i, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo(q)
	if err != nil {
		t.Fatal(err)
	}
	return *i
}

// keys are the keys of tasks in a queue.
func keys(t *testing.T, rdb redis.UniversalClient, q string) []string {
	t.Helper()
	k, err := rdb.Keys(t.Context(), "asynq:{"+q+"}:t:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(k)
	return k
}

func TestTasksGoFromQueueToQueue(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	stored := make(chan tasks.Task, 10)
	work(t, rdb, map[tasks.Kind]pipeline.Stage{
		tasks.KindFetch: func(_ context.Context, task tasks.Task) (tasks.Result, error) {
			return tasks.Then(tasks.Store{Visit: task.About(), Status: 200}), nil
		},
		tasks.KindStore: func(_ context.Context, task tasks.Task) (tasks.Result, error) {
			stored <- task
			return tasks.Done(), nil
		},
	})
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v1")})
	select {
	case got := <-stored:
		if diff := cmp.Diff(tasks.Store{Visit: fetchOf("v1").Visit, Status: 200}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("store got nothing")
	}
	eventually(t, "nothing is left of the tasks", func() bool {
		return len(keys(t, rdb, "fetch"))+len(keys(t, rdb, "store")) == 0
	})
}

func TestEnqueueTwiceIsOnce(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	for range 3 {
		enqueue(t, rdb, tasks.Next{Task: fetchOf("v1")}, tasks.Next{Task: fetchOf("v1")})
	}
	turned := fetchOf("v1")
	turned.Leg = turned.Again(time.Now())
	enqueue(t, rdb, tasks.Next{Task: turned}, tasks.Next{Task: fetchOf("v2")})
	if n := info(t, rdb, "fetch").Pending; n != 3 {
		t.Errorf("%d tasks, want v1, its successor in the same stage, and v2", n)
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	enqueue(t, rdb,
		tasks.Next{Task: fetchOf("now")},
		tasks.Next{Task: fetchOf("past"), At: time.Now().Add(-time.Hour)},
		tasks.Next{Task: fetchOf("soon"), At: time.Now().Add(50 * time.Millisecond)}, // the stage waits that out itself
		tasks.Next{Task: fetchOf("later"), At: time.Now().Add(time.Hour)},
	)
	if i := info(t, rdb, "fetch"); i.Pending != 3 || i.Scheduled != 1 || i.Retry != 0 {
		t.Errorf("%d pending, %d scheduled, %d retry; want 3, 1, 0: waiting for politeness is no failure", i.Pending, i.Scheduled, i.Retry)
	}
}

func TestFreeRetriesUseUpNoTries(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	var mu sync.Mutex
	var counted []int
	work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindFetch: func(ctx context.Context, _ tasks.Task) (tasks.Result, error) {
		n, _ := asynq.GetRetryCount(ctx)
		mu.Lock()
		defer mu.Unlock()
		counted = append(counted, n)
		switch len(counted) {
		case 1, 2: // free
			return tasks.Result{}, fault.New(fault.Stopped, errors.New("stopped"))
		case 3: // not free
			return tasks.Result{}, errors.New("a bug")
		}
		return tasks.Done(), nil
	}}, tasks.KindFetch)
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v")})
	eventually(t, "the task is done", func() bool { return len(keys(t, rdb, "fetch")) == 0 })
	mu.Lock()
	defer mu.Unlock()
	if want := []int{0, 0, 0, 1}; !slices.Equal(counted, want) {
		t.Errorf("asynq counted %v, want %v: an error for which IsFailure is false must leave Retried as it is", counted, want)
	}
}

func TestPayloadThatIsNotOursIsKeptAside(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	work(t, rdb, nil, tasks.KindFetch)
	if _, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("fetch", []byte("{")), asynq.Queue("fetch")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is archived without another try", func() bool { return info(t, rdb, "fetch").Archived == 1 })
}

// A periodic task has one ID for ever. If it could run out of tries, that ID would be blocked, and nothing promoted any more.
func TestPeriodicTaskThatFailsLeavesItsIDFree(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ran := make(chan struct{}, 10)
	work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindPromote: func(context.Context, tasks.Task) (tasks.Result, error) {
		ran <- struct{}{}
		return tasks.Result{}, errors.New("a bug")
	}}, tasks.KindAdmit)
	for range 3 {
		enqueue(t, rdb, tasks.Next{Task: tasks.Promote{}})
		eventually(t, "the task runs", func() bool { return len(ran) > 0 })
		<-ran
		eventually(t, "the ID is free", func() bool { return len(keys(t, rdb, tasks.QueuePeriodic)) == 0 })
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	started, finish := make(chan struct{}), make(chan struct{})
	var atEnd error
	stop := work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindFetch: func(ctx context.Context, task tasks.Task) (tasks.Result, error) {
		close(started)
		<-finish
		atEnd = ctx.Err()
		return tasks.Then(tasks.Store{Visit: task.About()}), nil
	}}, tasks.KindFetch)
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v")})
	<-started
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	// A worker that drains takes nothing new: what comes now stays.
	eventually(t, "the worker takes nothing more", func() bool {
		servers, err := asynq.NewInspectorFromRedisClient(rdb).Servers()
		return err == nil && (len(servers) == 0 || servers[0].Status != "active")
	})
	select {
	case <-stopped:
		t.Fatal("Run returned while a task was under way")
	default:
	}
	close(finish)
	<-stopped
	if atEnd != nil {
		t.Errorf("the stage was told to stop, with most of %s left: %v", queue.Drain, atEnd)
	}
	if f, s := keys(t, rdb, "fetch"), keys(t, rdb, "store"); len(f) != 0 || len(s) != 1 {
		t.Errorf("fetch has %q, store has %q; want the task finished and what follows enqueued", f, s)
	}
}

func TestAWorkerServesItsStagesOnly(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	work(t, rdb, nil, tasks.KindHead, tasks.KindAdmit)
	var got []string
	eventually(t, "the servers have announced themselves", func() bool {
		servers, err := asynq.NewInspectorFromRedisClient(rdb).Servers()
		if err != nil {
			t.Fatal(err)
		}
		got = nil
		for _, s := range servers {
			for q := range s.Queues {
				got = append(got, q)
			}
		}
		return len(got) >= 3
	})
	slices.Sort(got)
	if want := []string{"admit", "head", tasks.QueuePeriodic}; !slices.Equal(got, want) {
		t.Errorf("queues %q, want %q: who admits also promotes", got, want)
	}
	if want := []string{"admit", "resolve", "head", "fetch", "store", "index", tasks.QueuePeriodic}; !slices.Equal(queue.Names(), want) {
		t.Errorf("queues %q, want %q", queue.Names(), want)
	}
}

func TestOpen(t *testing.T) {
	if _, err := queue.Open("not a url"); err == nil {
		t.Error("it was taken")
	}
	if _, err := queue.OpenBriefly(t.Context(), "unix:///nowhere/at/all"); fault.KindOf(err) != fault.RedisDown {
		t.Errorf("a Redis that is not there: %v", err)
	}
	rdb, err := queue.Open("unix:///nowhere/at/all")
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := queue.NewClient(rdb).Enqueue(ctx, tasks.Next{Task: fetchOf("v")}); fault.KindOf(err) != fault.RedisDown {
		t.Errorf("enqueued nowhere: %v", err)
	}
}

func TestEpoch(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	w := queue.NewWork(rdb)
	epoch := func() string {
		e, err := w.Epoch(t.Context())
		if err != nil || e == "" {
			t.Fatal(e, err)
		}
		return e
	}
	first := epoch()
	if epoch() != first {
		t.Error("the epoch changed though nothing happened")
	}
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if epoch() == first {
		t.Error("Redis lost everything, and the epoch is the same")
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	turned := tasks.Leg{Visit: tasks.Visit{ID: "turned"}}.Again(time.Now())
	enqueue(t, rdb,
		tasks.Next{Task: tasks.Resolve{Leg: tasks.Leg{Visit: tasks.Visit{ID: "resolve"}}}},
		tasks.Next{Task: tasks.Head{Leg: tasks.Leg{Visit: tasks.Visit{ID: "head"}}}, At: time.Now().Add(time.Hour)},
		tasks.Next{Task: fetchOf("fetch")},
		tasks.Next{Task: tasks.Fetch{Leg: turned}},
		tasks.Next{Task: tasks.Store{Visit: tasks.Visit{ID: "store"}}},
		tasks.Next{Task: tasks.Admit{Batch: "admit"}}, // belongs to no visit
	)
	visits := []string{"resolve", "head", "fetch", "turned", "store", "admit", "lost"}
	got, err := queue.NewWork(rdb).Alive(t.Context(), visits)
	if want := []bool{true, true, true, true, true, false, false}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q: %v, want %v (%v)", visits, got, want, err)
	}
	if got, err := queue.NewWork(rdb).Alive(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("nobody: %v, %v", got, err)
	}
	for _, s := range tasks.Specs() { // a stage that is added must not be forgotten
		if s.Kind == tasks.KindAdmit || s.Kind == tasks.KindIndex || s.Queue == tasks.QueuePeriodic {
			continue
		}
		if err := rdb.Set(t.Context(), fmt.Sprintf("asynq:{%s}:t:of-%s", s.Queue, s.Kind), "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := queue.NewWork(rdb).Alive(t.Context(), []string{"of-" + string(s.Kind)}); err != nil || !got[0] {
			t.Errorf("a visit that is in %s is not found (%v)", s.Queue, err)
		}
	}
}
