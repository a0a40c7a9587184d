package queue_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/pipeline"
	"example.org/trawl/queue"
	"example.org/trawl/tasks"
)

// indexTasks puts n tasks into the queue whose worker runs one at a time.
func indexTasks(t *testing.T, rdb redis.UniversalClient, n int) (ids []string) {
	t.Helper()
	for i := range n {
		ids = append(ids, fmt.Sprintf("t%02d", i))
		enqueue(t, rdb, tasks.Next{Task: tasks.Index{Batch: ids[i]}})
	}
	return ids
}

// left lists the tasks of the queue in the order in which they are taken.
func left(t *testing.T, rdb redis.UniversalClient) []string {
	t.Helper()
	ids := rdb.LRange(t.Context(), "asynq:{index}:pending", 0, -1).Val()
	slices.Reverse(ids)
	return ids
}

func active(t *testing.T, rdb redis.UniversalClient) []string {
	t.Helper()
	return rdb.LRange(t.Context(), "asynq:{index}:active", 0, -1).Val()
}

// blocking is a stage that stops at its nth task until it may go on.
func blocking(n int) (stage pipeline.Stage, ran func() []string, blocked chan struct{}, goOn func()) {
	var mu sync.Mutex
	var ids []string
	blocked, on := make(chan struct{}), make(chan struct{})
	stage = func(_ context.Context, t tasks.Task) (tasks.Result, error) {
		mu.Lock()
		ids = append(ids, t.ID())
		stop := len(ids) == n
		mu.Unlock()
		if stop {
			close(blocked)
			<-on
		}
		return tasks.Done(), nil
	}
	return stage, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(ids)
	}, blocked, sync.OnceFunc(func() { close(on) })
}

func TestTasksAreTakenAheadAndGivenBack(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ids := indexTasks(t, rdb, 40)
	stage, ran, blocked, goOn := blocking(8)
	defer goOn()
	stop := work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindIndex: stage}, tasks.KindIndex)
	defer stop()
	<-blocked
	eventually(t, "tasks are taken ahead: if never, asynq takes them in another way than queue/ahead.go knows", func() bool { return len(active(t, rdb)) > 1 })
	eventually(t, "those that are not begun go back", func() bool { return len(active(t, rdb)) == 1 })
	if got := left(t, rdb); !slices.Equal(got, ids[8:]) {
		t.Errorf("after 8 tasks the queue has %v", got)
	}
	if n := rdb.ZCard(t.Context(), "asynq:{index}:lease").Val(); n != 1 {
		t.Errorf("%d leases are left", n)
	}
	goOn()
	eventually(t, "all are done", func() bool { return len(ran()) == len(ids) })
	if got := ran(); !slices.Equal(got, ids) {
		t.Errorf("they ran as %v", got)
	}
}

func TestWhatWasTakenAheadGoesBackWhenTheWorkerStops(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ids := indexTasks(t, rdb, 40)
	stage, ran, blocked, goOn := blocking(8)
	defer goOn()
	stop := work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindIndex: stage}, tasks.KindIndex)
	<-blocked
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop()
	}()
	eventually(t, "those that are not begun go back", func() bool { return len(active(t, rdb)) == 1 })
	goOn()
	<-done
	if got := slices.Concat(ran(), left(t, rdb)); !slices.Equal(got, ids) {
		t.Errorf("%v ran, and %v are left", ran(), left(t, rdb))
	}
	if n := rdb.Exists(t.Context(), "asynq:{index}:active", "asynq:{index}:lease").Val(); n != 0 {
		t.Error("some are taken by nobody")
	}
}

func TestAPausedQueueIsNotTakenFrom(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ids := indexTasks(t, rdb, 3)
	if err := rdb.Set(t.Context(), "asynq:{index}:paused", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	stage, ran, _, _ := blocking(0)
	stop := work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindIndex: stage, tasks.KindFetch: stage}, tasks.KindIndex, tasks.KindFetch)
	defer stop()
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v")})
	eventually(t, "another queue is served", func() bool { return len(ran()) == 1 })
	if got := left(t, rdb); !slices.Equal(got, ids) {
		t.Errorf("the paused queue has %v", got)
	}
}

// pipelines counts them.
type pipelines struct{ n *atomic.Int64 }

func (pipelines) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (pipelines) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (p pipelines) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		p.n.Add(1)
		return next(ctx, cmds)
	}
}

func TestScriptCallsAreJoined(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	var n atomic.Int64
	rdb.AddHook(pipelines{&n})
	queue.NewWorker(rdb, nil, nil, nil)
	echo := redis.NewScript(`if ARGV[1] == 'bad' then return redis.error_reply('BAD') end if ARGV[1] == 'none' then return nil end return ARGV[1]`)
	const calls = 500
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range calls {
		wg.Go(func() {
			<-start
			want := strconv.Itoa(i)
			if got, err := echo.Run(t.Context(), rdb, nil, want).Text(); got != want || err != nil {
				t.Errorf("call %s returned %q (%v)", want, got, err)
			}
		})
	}
	close(start)
	wg.Wait()
	if n := n.Load(); n == 0 || n > calls/2 {
		t.Errorf("%d calls took %d pipelines", calls, n)
	}
	if err := echo.Run(t.Context(), rdb, nil, "bad").Err(); err == nil || err.Error() != "ERR BAD" {
		t.Errorf("an error came through as %v", err)
	}
	if err := echo.Run(t.Context(), rdb, nil, "none").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("nil came through as %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := echo.Run(over, rdb, nil, "late").Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was given up returned %v", err)
	}
}
