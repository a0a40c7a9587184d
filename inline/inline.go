// Package inline runs the stages in one plain process, without Redis and without any queue but a heap: the same stages, in the
// same pipeline, as the profiler and a laptop want them.
package inline

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// Runner runs tasks until nothing is left to do.
type Runner struct {
	line    *pipeline.Line
	workers int
	log     *slog.Logger
	epoch   string
	// open tells how many pages are not closed: while there are any, there will be something to do.
	open func(context.Context) (int64, error)

	mu      sync.Mutex
	due     dueHeap
	known   map[string]int // kind and ID of every task that is waiting or at work
	visits  map[string]int // tasks by visit
	working map[tasks.Kind]int
	dry     int // times in a row that the frontier was asked, and no page was visited meanwhile
	wake    chan struct{}
}

// New returns a runner with that many workers.
func New(line *pipeline.Line, workers int, open func(context.Context) (int64, error), log *slog.Logger) *Runner {
	return &Runner{epoch: tasks.NewID(), line: line, workers: workers, open: open, log: log, known: map[string]int{}, visits: map[string]int{}, working: map[tasks.Kind]int{}, wake: make(chan struct{}, 1)}
}

// How often the frontier is asked for more: pollEvery, and less and less often, down to idleEvery, while it has nothing to give.
const (
	pollEvery = 200 * time.Millisecond
	idleEvery = 2 * time.Second
)

// Run runs first and all that follows from it, and what the frontier has, until every page is closed or ctx is done. What is
// under way when ctx is done is given up: its pages are still queued in the catalog, and the next run takes them up again.
func (r *Runner) Run(ctx context.Context, first ...tasks.Task) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Before anything is handed out: whatever is queued now was queued by a run that is over.
	left, err := r.line.Run(ctx, tasks.Reconcile{}, 0)
	if err != nil {
		return fmt.Errorf("take up the last run: %w", err)
	}
	for _, n := range append(left, tasks.Then(first...).Next...) {
		r.put(n, 0)
	}
	ready := make(chan *item)
	var wg sync.WaitGroup
	for range r.workers {
		wg.Go(func() {
			for it := range ready {
				r.run(ctx, it)
			}
		})
	}
	err = r.feed(ctx, ready)
	cancel(err)
	close(ready)
	wg.Wait()
	return err
}

// Add takes in a task while Run is under way.
func (r *Runner) Add(t tasks.Task) { r.put(tasks.Then(t).Next[0], 0) }

// feed hands out what is due, and asks the frontier for more.
func (r *Runner) feed(ctx context.Context, ready chan<- *item) error {
	poll := time.NewTimer(pollEvery)
	defer poll.Stop()
	for {
		it, wait, idle := r.next()
		if it != nil {
			select {
			case ready <- it:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if idle {
			left, err := r.open(ctx)
			if err != nil || left == 0 {
				return err
			}
			// Nothing is at hand, and yet not all is done: what the last run left half done is found bit by bit.
			r.put(tasks.Next{Task: tasks.Reconcile{}, At: time.Now().Add(r.pause())}, 0)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-r.wake:
		case <-poll.C:
			r.put(tasks.Next{Task: tasks.Promote{}}, 0)
			poll.Reset(r.pause())
			r.idled()
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		timer.Stop()
	}
}

// pause is how long to wait before the frontier is asked again.
func (r *Runner) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(pollEvery*time.Duration(1+r.dry), idleEvery)
}

// idled counts that the frontier was asked.
func (r *Runner) idled() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dry++
}

// next returns a task that is due, or how long until one is. Idle says that there is none, and none at work.
func (r *Runner) next() (it *item, wait time.Duration, idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.due) == 0 {
		return nil, time.Hour, r.atWork() == 0
	}
	if wait = time.Until(r.due[0].at); wait > 0 {
		return nil, wait, false
	}
	it = heap.Pop(&r.due).(*item)
	r.working[it.task.Kind()]++
	return it, 0, false
}

// atWork is how many tasks are at work. The caller holds the lock.
func (r *Runner) atWork() (n int) {
	for _, k := range r.working {
		n += k
	}
	return n
}

// run runs a task, and after it those that can run along with the stage before them.
func (r *Runner) run(ctx context.Context, it *item) {
	for it != nil {
		it = r.runOne(ctx, it)
	}
}

// runOne runs a task, and returns what is to run right after it, if there is anything.
func (r *Runner) runOne(ctx context.Context, it *item) (along *item) {
	next, err := r.line.Run(ctx, it.task, it.failed)
	retry := (*pipeline.Retry)(nil)
	if errors.As(err, &retry) {
		if ctx.Err() == nil {
			failed := it.failed
			if !retry.Free {
				failed++
			}
			r.again(it, time.Now().Add(retry.After), failed)
			return nil
		}
	} else if err != nil {
		r.log.ErrorContext(ctx, "task dropped", "stage", it.task.Kind(), "err", err)
	}
	for _, n := range next {
		if along == nil && n.At.IsZero() && tasks.SpecOf(n.Task.Kind()).Along && ctx.Err() == nil {
			along = r.begin(n.Task)
			continue
		}
		r.put(n, 0)
	}
	r.done(it)
	return along
}

func key(t tasks.Task) string { return string(t.Kind()) + " " + t.ID() }

// put takes a task in, unless it is there already.
func (r *Runner) put(n tasks.Next, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key(n.Task)
	if r.known[k] > 0 {
		return
	}
	r.known[k]++
	r.visits[n.Task.About().ID]++
	heap.Push(&r.due, &item{task: n.Task, at: n.At, failed: failed})
	r.nudge()
}

// begin takes in a task that is run at once; nil if it is there already.
func (r *Runner) begin(t tasks.Task) *item {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[key(t)] > 0 {
		return nil
	}
	r.known[key(t)]++
	r.visits[t.About().ID]++
	r.working[t.Kind()]++
	return &item{task: t}
}

func (r *Runner) again(it *item, at time.Time, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working[it.task.Kind()]--
	heap.Push(&r.due, &item{task: it.task, at: at, failed: failed})
	r.nudge()
}

func (r *Runner) done(it *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.working[it.task.Kind()]--
	delete(r.known, key(it.task))
	if it.task.About().ID != "" {
		r.dry = 0
	}
	if id := it.task.About().ID; r.visits[id] > 1 {
		r.visits[id]--
	} else {
		delete(r.visits, id)
	}
	r.nudge()
}

func (r *Runner) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Standing is how the tasks of one kind stand.
type Standing struct {
	Ready, Later, Working int
	Oldest                time.Duration // that a ready one has waited
}

// Tasks says how the tasks stand, by kind.
func (r *Runner) Tasks() map[tasks.Kind]Standing {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[tasks.Kind]Standing{}
	for k, n := range r.working {
		out[k] = Standing{Working: n}
	}
	for _, it := range r.due {
		s := out[it.task.Kind()]
		if wait := time.Since(it.at); wait < 0 {
			s.Later++
		} else if s.Ready++; !it.at.IsZero() { // zero: at once
			s.Oldest = max(s.Oldest, wait)
		}
		out[it.task.Kind()] = s
	}
	return out
}

// Alive implements handlers.Work.
func (r *Runner) Alive(_ context.Context, visits []string) ([]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	alive := make([]bool, len(visits))
	for i, v := range visits {
		alive[i] = r.visits[v] > 0
	}
	return alive, nil
}

// Load implements handlers.Work.
func (r *Runner) Load(context.Context) (l pipeline.Load, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Ready = r.due.ready(0, time.Now())
	return l, nil
}

// Epoch implements handlers.Work: a runner keeps nothing, so each is an epoch of its own.
func (r *Runner) Epoch(context.Context) (string, error) { return "inline " + r.epoch, nil }

// Handover implements handlers.Work.
func (*Runner) Handover() time.Duration { return 0 }

type item struct {
	task   tasks.Task
	at     time.Time
	failed int
}

type dueHeap []*item

// ready is how many visits' tasks are due, from the i-th on: below one that is not due, none is.
func (h dueHeap) ready(i int, now time.Time) (n int) {
	if i >= len(h) || h[i].at.After(now) {
		return 0
	}
	if h[i].task.About().ID != "" {
		n = 1
	}
	return n + h.ready(2*i+1, now) + h.ready(2*i+2, now)
}

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*item)) }
func (h *dueHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return it
}
