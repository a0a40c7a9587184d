package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/pipeline"
	"example.org/trawl/queue"
	"example.org/trawl/tasks"
)

// What work.go and revive.lua know of asynq's keys, seen at every step of a task's life.
func TestAsynqKeyLayout(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ctx := t.Context()
	changed := func(what string) {
		t.Helper()
		t.Fatalf("asynq changed: %s; queue/work.go and queue/revive.lua read and write these keys", what)
	}
	enqueue(t, rdb, tasks.Next{Task: fetchOf("v")}, tasks.Next{Task: fetchOf("later"), At: time.Now().Add(time.Hour)})
	if n := rdb.Exists(ctx, "asynq:{fetch}:t:v", "asynq:{fetch}:t:later").Val(); n != 2 {
		changed("a task is no longer at asynq:{QUEUE}:t:ID")
	}
	if rdb.HGet(ctx, "asynq:{fetch}:t:v", "state").Val() != "pending" || rdb.HGet(ctx, "asynq:{fetch}:t:v", "pending_since").Val() == "" {
		changed("a pending task no longer has the fields state=pending and pending_since")
	}
	if got := rdb.LRange(ctx, "asynq:{fetch}:pending", 0, -1).Val(); len(got) != 1 || got[0] != "v" {
		changed("pending is no longer a list of IDs at asynq:{QUEUE}:pending")
	}
	if !rdb.SIsMember(ctx, "asynq:queues", "fetch").Val() {
		changed("queues are no longer listed in the set asynq:queues")
	}
	started, finish := make(chan struct{}), make(chan struct{})
	stop := work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindFetch: func(context.Context, tasks.Task) (tasks.Result, error) {
		close(started)
		<-finish
		return tasks.Done(), nil
	}}, tasks.KindFetch)
	<-started
	if got := rdb.LRange(ctx, "asynq:{fetch}:active", 0, -1).Val(); len(got) != 1 || got[0] != "v" {
		changed("active is no longer a list of IDs at asynq:{QUEUE}:active")
	}
	lease := time.Unix(int64(rdb.ZScore(ctx, "asynq:{fetch}:lease", "v").Val()), 0)
	if left := time.Until(lease); left < 0 || left > time.Hour {
		changed("a lease is no longer the Unix second in the sorted set asynq:{QUEUE}:lease")
	}
	// A living worker's task is left alone.
	if n, err := queue.NewWork(rdb).Revive(ctx); n != 0 || err != nil {
		t.Errorf("%d tasks of a living worker were put back (%v)", n, err)
	}
	close(finish)
	stop()
	if n := rdb.Exists(ctx, "asynq:{fetch}:t:v", "asynq:{fetch}:active", "asynq:{fetch}:lease", "asynq:{fetch}:pending").Val(); n != 0 {
		changed("something of a task is left when it is done")
	}
}

// die leaves a task as a worker that was killed leaves it: active, with the lease that it had, or none.
func die(t *testing.T, rdb redis.UniversalClient, visit string, lease time.Time) {
	t.Helper()
	enqueue(t, rdb, tasks.Next{Task: fetchOf(visit)})
	ctx := t.Context()
	if id := rdb.RPopLPush(ctx, "asynq:{fetch}:pending", "asynq:{fetch}:active").Val(); id != visit {
		t.Fatalf("dequeued %q", id)
	}
	err := errors.Join(rdb.HSet(ctx, "asynq:{fetch}:t:"+visit, "state", "active").Err(), rdb.HDel(ctx, "asynq:{fetch}:t:"+visit, "pending_since").Err())
	if !lease.IsZero() {
		err = errors.Join(err, rdb.ZAdd(ctx, "asynq:{fetch}:lease", redis.Z{Score: float64(lease.Unix()), Member: visit}).Err())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRevive(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	ctx := t.Context()
	die(t, rdb, "expired", time.Now().Add(-10*time.Second))
	die(t, rdb, "leaseless", time.Time{})
	die(t, rdb, "alive", time.Now().Add(time.Hour))
	die(t, rdb, "deleted", time.Now().Add(-10*time.Second))
	rdb.Del(ctx, "asynq:{fetch}:t:deleted")
	rdb.SRem(ctx, "asynq:queues", "fetch")
	w := queue.NewWork(rdb)
	if n, err := w.Revive(ctx); n != 2 || err != nil {
		t.Errorf("%d tasks were put back (%v), want the one whose lease ran out and the one without", n, err)
	}
	if n, err := w.Revive(ctx); n != 0 || err != nil {
		t.Errorf("%d more the second time (%v)", n, err)
	}
	if i := info(t, rdb, "fetch"); i.Pending != 2 || i.Active != 1 {
		t.Errorf("%d pending, %d active; want 2 and the one that is alive", i.Pending, i.Active)
	}
	ran := make(chan string, 10)
	work(t, rdb, map[tasks.Kind]pipeline.Stage{tasks.KindFetch: func(ctx context.Context, task tasks.Task) (tasks.Result, error) {
		if n, _ := asynq.GetRetryCount(ctx); n != 0 {
			t.Errorf("%s: a worker's death used up a try", task.ID())
		}
		ran <- task.ID()
		return tasks.Done(), nil
	}}, tasks.KindFetch)
	got := map[string]bool{}
	for deadline := time.After(20 * time.Second); len(got) < 2; {
		select {
		case id := <-ran:
			got[id] = true
		case <-deadline:
			t.Fatalf("only %v ran", got)
		}
	}
	if !got["expired"] || !got["leaseless"] {
		t.Errorf("%v ran", got)
	}
}

func TestAsynqRefusesAnIDThatIsThere(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	c := asynq.NewClientFromRedisClient(rdb)
	for i, want := range []error{nil, asynq.ErrTaskIDConflict} {
		if _, err := c.Enqueue(asynq.NewTask("fetch", nil), asynq.Queue("fetch"), asynq.TaskID("v")); !errors.Is(err, want) {
			t.Fatalf("asynq changed: enqueueing one ID, time %d, gives %v, not %v: queue.Client takes that for \"already there\"", i+1, err, want)
		}
	}
	// Per queue, so that a visit keeps its ID from stage to stage.
	if _, err := c.Enqueue(asynq.NewTask("store", nil), asynq.Queue("store"), asynq.TaskID("v")); err != nil {
		t.Fatalf("asynq changed: IDs are no longer each queue's own: %v", err)
	}
}

func TestAsynqAsksTheLimitBeforeIsFailure(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Queues: map[string]int{"q": 1}, IsFailure: func(error) bool { return false }, LogLevel: asynq.FatalLevel, TaskCheckInterval: 10 * time.Millisecond,
	})
	if err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return errors.New("wait") })); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	c := asynq.NewClientFromRedisClient(rdb)
	for _, retry := range []int{0, 5} {
		if _, err := c.Enqueue(asynq.NewTask("t", nil), asynq.Queue("q"), asynq.MaxRetry(retry)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "asynq changed: IsFailure is now asked before the retry limit; queue.retries need no longer be above the fault table's", func() bool {
		i := info(t, rdb, "q")
		return i.Archived == 1 && i.Retry == 1
	})
	archived, err := asynq.NewInspectorFromRedisClient(rdb).ListArchivedTasks("q")
	if err != nil || len(archived) != 1 {
		t.Fatal(archived, err)
	}
	if _, err := c.Enqueue(asynq.NewTask("t", nil), asynq.Queue("q"), asynq.TaskID(archived[0].ID)); !errors.Is(err, asynq.ErrTaskIDConflict) {
		t.Fatalf("asynq changed: an archived task no longer blocks its ID (%v); periodic tasks might be retried after all", err)
	}
}

// The worker uses no ServeMux: asynq's matches prefixes. If that ends, tasks' rule that no kind begins with another may go.
func TestAsynqServeMuxMatchesPrefixes(t *testing.T) {
	mux := asynq.NewServeMux()
	mux.HandleFunc("fetch", func(context.Context, *asynq.Task) error { return nil })
	if _, pattern := mux.Handler(asynq.NewTask("fetch-more", nil)); !strings.HasPrefix(pattern, "fetch") {
		t.Fatalf("asynq changed: ServeMux now matches whole names (%q)", pattern)
	}
}

func TestAsynqTakesAPastProcessAtForNow(t *testing.T) {
	t.Parallel()
	rdb, _ := redistest.Client(t)
	i, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("t", nil), asynq.Queue("q"), asynq.ProcessAt(time.Now().Add(-time.Hour)))
	if err != nil || i.State != asynq.TaskStatePending {
		t.Fatalf("asynq changed: a task for an hour ago is %v (%v), not pending", i, err)
	}
}
