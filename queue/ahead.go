package queue

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// ahead takes tasks before asynq's servers ask for them. A server asks for one at a time and waits for it; where many are ready, the wait
// is what bounds it. What is taken and not begun within seconds, or when the worker stops, goes back to its queue: taken tasks count as
// active, and another worker may have room for them.
type ahead struct {
	rdb redis.UniversalClient
	log *slog.Logger

	mu     sync.Mutex
	over   bool // no more than what is asked for
	queues map[string]*taken
}

// taken is what of one queue was taken and not begun.
type taken struct {
	mu sync.Mutex
	dequeue
	tasks []readyTask
	next  int           // how many to take the next time
	since time.Time     // when the first of tasks was taken
	pause time.Duration // that follows an answer that there are none
	quiet time.Time     // until when the queue is taken to be empty still
	woken chan struct{} // this process has put a task into the queue

	stopped atomic.Bool // somebody paused the queue
}

type readyTask struct{ id, msg string }

// dequeue is what asynq says when it takes a task.
type dequeue struct {
	pending, paused, active, lease, prefix string
}

const (
	// aheadMost is how many tasks are taken at once.
	aheadMost = 16
	// idlePause is the longest time for which a queue that was found empty again and again is not asked; asynq asks fifty times a second.
	idlePause = 160 * time.Millisecond
	// aheadFor is how long a task may wait in this process. It is far below leaseTime, and asynq's heartbeat, which renews leases, counts
	// them from when it is given the task.
	aheadFor = 2 * time.Second
	// leaseTime is asynq's.
	leaseTime = 30 * time.Second
)

//go:embed ahead.lua
var aheadSource string

//go:embed back.lua
var backSource string

var (
	aheadScript = redis.NewScript(aheadSource)
	backScript  = redis.NewScript(backSource)
)

// dequeues tells whether a script call is the one with which asynq takes a task. Should asynq come to take them in another way, it is no
// longer known, and nothing is taken ahead: a test says so.
func dequeues(args []any) (dequeue, bool) {
	var s [9]string
	if len(args) != len(s) {
		return dequeue{}, false
	}
	for i, a := range args {
		s[i], _ = a.(string)
	}
	d := dequeue{s[3], s[4], s[5], s[6], s[8]}
	queue, ok := strings.CutSuffix(d.pending, "pending")
	return d, ok && d == dequeue{queue + "pending", queue + "paused", queue + "active", queue + "lease", queue + "t:"}
}

// take returns a task, as asynq's own script does, and redis.Nil if there is none.
func (a *ahead) take(ctx context.Context, d dequeue) (any, error) {
	a.mu.Lock()
	q := a.queues[d.pending]
	if q == nil {
		q = &taken{dequeue: d, next: 1, woken: make(chan struct{}, 1)}
		a.queues[d.pending] = q
	}
	a.mu.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.tasks) == 0 {
		q.await(ctx)
		if err := a.fill(context.WithoutCancel(ctx), q); err != nil { // what was taken must not be lost on the way
			return nil, err
		}
		q.rest()
	}
	if len(q.tasks) == 0 {
		return nil, redis.Nil
	}
	t := q.tasks[0]
	q.tasks = q.tasks[1:]
	return t.msg, nil
}

// rest decides how long not to ask again. The caller holds q's lock.
func (q *taken) rest() {
	if len(q.tasks) > 0 {
		q.pause = 0
		return
	}
	q.quiet = time.Now().Add(q.pause)
	q.pause = min(max(2*q.pause, 20*time.Millisecond), idlePause)
}

// await waits while the queue is taken to be empty. The caller holds q's lock, and has it again afterwards.
func (q *taken) await(ctx context.Context) {
	wait := time.Until(q.quiet)
	if wait <= 0 {
		return
	}
	q.mu.Unlock()
	defer q.mu.Lock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-q.woken:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wake has a queue asked again at once.
func (a *ahead) wake(pending string) {
	a.mu.Lock()
	q := a.queues[pending]
	a.mu.Unlock()
	if q == nil {
		return
	}
	select {
	case q.woken <- struct{}{}:
	default: // it will be
	}
}

// enqueues tells whether a script call is the one with which asynq puts a task into a queue at once, and which list that is.
func enqueues(args []any) (pending string, ok bool) {
	if len(args) < 5 {
		return "", false
	}
	key, _ := args[3].(string)
	pending, _ = args[4].(string)
	queue, ok := strings.CutSuffix(pending, "pending")
	return pending, ok && strings.HasPrefix(key, queue+"t:")
}

// paused tells whether a queue was paused when it was last asked for a task.
func (a *ahead) paused(queue string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.queues["asynq:{"+queue+"}:pending"]
	return q != nil && q.stopped.Load()
}

// fill takes tasks. The caller holds q's lock.
func (a *ahead) fill(ctx context.Context, q *taken) error {
	a.mu.Lock()
	n := q.next
	if a.over {
		n = 1
	}
	a.mu.Unlock()
	now := time.Now()
	got, err := aheadScript.Run(ctx, a.rdb, []string{q.pending, q.paused, q.active, q.lease}, now.Add(leaseTime).Unix(), q.prefix, n).StringSlice()
	if q.stopped.Store(errors.Is(err, redis.Nil)); err != nil {
		return err // of a queue that is paused, redis.Nil
	}
	for i := 0; i+1 < len(got); i += 2 {
		q.tasks = append(q.tasks, readyTask{got[i], got[i+1]})
	}
	if q.next = max(1, len(q.tasks)); len(q.tasks) == n {
		q.next = min(2*n, aheadMost)
	}
	if q.since = now; len(q.tasks) > 1 {
		time.AfterFunc(aheadFor, func() { a.expire(q, now) })
	}
	return nil
}

// expire puts back what is left of those that were taken at a time.
func (a *ahead) expire(q *taken, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.since.Equal(since) {
		a.back(q)
	}
}

// back puts q's tasks back. The caller holds its lock.
func (a *ahead) back(q *taken) {
	if len(q.tasks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), aheadFor)
	defer cancel()
	args := []any{q.prefix, time.Now().Unix()}
	for _, t := range q.tasks {
		args = append(args, t.id)
	}
	if err := backScript.Run(ctx, a.rdb, []string{q.pending, q.active, q.lease}, args...).Err(); err != nil {
		a.log.Warn("tasks that were taken and not begun wait until their lease is over", "queue", q.pending, "tasks", len(q.tasks), "err", err)
	}
	q.tasks, q.next = nil, 1
}

// stop puts all back and takes nothing ahead from now on.
func (a *ahead) stop() {
	a.mu.Lock()
	a.over = true
	queues := make([]*taken, 0, len(a.queues))
	for _, q := range a.queues {
		queues = append(queues, q)
	}
	a.mu.Unlock()
	for _, q := range queues {
		a.wake(q.pending)
		q.mu.Lock()
		a.back(q)
		q.mu.Unlock()
	}
}
