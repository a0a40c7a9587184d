package why

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"example.org/trawl/pipeline"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

// runner runs the stages as workers do behind the queues: each stage has places of its own, and what is ready waits for one of them in
// the order in which it became so. It stands in for Redis and asynq, which know no synthetic time.
type runner struct {
	line   *pipeline.Line
	mu     sync.Mutex
	ctx    context.Context
	lines  map[tasks.Kind]*lane
	known  map[string]bool
	visits map[string]int
	memory float64 // part of the queue's memory that is used
	runs   sync.WaitGroup
}

// lane is the queue of one stage.
type lane struct {
	due    dueHeap
	active int
	slots  int
	timer  *time.Timer
}

type item struct {
	task   tasks.Task
	at     time.Time
	failed int
}

type dueHeap []*item

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(*item)) }
func (h *dueHeap) Pop() any {
	old := *h
	it := old[len(old)-1]
	*h = old[:len(old)-1]
	return it
}

func newRunner(ctx context.Context) *runner {
	r := &runner{ctx: ctx, lines: map[tasks.Kind]*lane{}, known: map[string]bool{}, visits: map[string]int{}}
	for _, s := range tasks.Specs() {
		r.lines[s.Kind] = &lane{slots: s.Concurrency}
	}
	return r
}

// serve gives a stage so many places; 0 takes its workers away.
func (r *runner) serve(k tasks.Kind, slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[k].slots = slots
	r.pump(k)
}

func (r *runner) put(all ...tasks.Next) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, n := range all {
		key := string(n.Task.Kind()) + " " + n.Task.ID()
		if r.known[key] {
			continue
		}
		r.known[key] = true
		r.visits[n.Task.About().ID]++
		at := n.At
		if at.Before(now) {
			at = now
		}
		heap.Push(&r.lines[n.Task.Kind()].due, &item{task: n.Task, at: at})
		r.pump(n.Task.Kind())
	}
}

// pump starts what is due as far as there are places. The caller holds the lock.
func (r *runner) pump(k tasks.Kind) {
	l := r.lines[k]
	for len(l.due) > 0 && l.active < l.slots && r.ctx.Err() == nil {
		wait := time.Until(l.due[0].at)
		if wait > 0 {
			if l.timer != nil {
				l.timer.Stop()
			}
			l.timer = time.AfterFunc(wait, func() {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.pump(k)
			})
			return
		}
		it := heap.Pop(&l.due).(*item)
		l.active++
		r.runs.Go(func() { r.run(k, it) })
	}
}

func (r *runner) run(k tasks.Kind, it *item) {
	next, err := r.line.Run(pipeline.WithReady(r.ctx, it.at), it.task, it.failed)
	r.mu.Lock()
	l := r.lines[k]
	l.active--
	if retry := (*pipeline.Retry)(nil); errors.As(err, &retry) && r.ctx.Err() == nil {
		again := &item{task: it.task, at: time.Now().Add(retry.After), failed: it.failed}
		if !retry.Free {
			again.failed++
		}
		heap.Push(&l.due, again)
	} else {
		delete(r.known, string(k)+" "+it.task.ID())
		if id := it.task.About().ID; r.visits[id] > 1 {
			r.visits[id]--
		} else {
			delete(r.visits, id)
		}
	}
	r.pump(k)
	r.mu.Unlock()
	r.put(next...)
}

// Stages implements status.Queues.
func (r *runner) Stages(context.Context) (out []status.Stage, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, k := range tasks.Stages() {
		l := r.lines[k]
		st := status.Stage{Stage: k, Active: l.active, Slots: l.slots}
		if l.slots > 0 {
			st.Workers = 1
		}
		for _, it := range l.due {
			if it.at.After(now) {
				st.Sched++
				continue
			}
			st.Pending++
			st.Oldest = max(st.Oldest, now.Sub(it.at).Seconds())
		}
		out = append(out, st)
	}
	return out, nil
}

// Alive implements handlers.Work.
func (r *runner) Alive(_ context.Context, visits []string) ([]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]bool, len(visits))
	for i, v := range visits {
		out[i] = r.visits[v] > 0
	}
	return out, nil
}

// Load implements handlers.Work.
func (r *runner) Load(context.Context) (l pipeline.Load, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	l.Memory = r.memory
	for k, q := range r.lines {
		for _, it := range q.due {
			switch {
			case it.at.After(now) || it.task.About().ID == "":
			case k == tasks.KindStore:
				l.Store++
			default:
				l.Ready++
			}
		}
	}
	return l, nil
}

// Epoch implements handlers.Work.
func (*runner) Epoch(context.Context) (string, error) { return "paper", nil }

// Handover implements handlers.Work.
func (*runner) Handover() time.Duration { return 0 }
