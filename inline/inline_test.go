package inline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/inline"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a frontier of a few pages, and stages that do nothing but count.
type world struct {
	mu      sync.Mutex
	waiting []string // visits that promotion hands out
	open    int64
	ran     []string // "fetch v1"
	fails   map[string]error
	times   map[string]int // how often fails holds
	left    []tasks.Task   // what reconcile finds
	block   chan struct{}  // fetch waits for it or for its ctx
}

func (w *world) stages() map[tasks.Kind]pipeline.Stage {
	stage := func(what func(context.Context, tasks.Task) (tasks.Result, error)) pipeline.Stage {
		return func(ctx context.Context, t tasks.Task) (tasks.Result, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if t.Kind() != tasks.KindPromote {
				w.ran = append(w.ran, string(t.Kind())+" "+t.ID())
			}
			if w.times[t.ID()] > 0 {
				w.times[t.ID()]--
				return tasks.Result{}, w.fails[t.ID()]
			}
			return what(ctx, t)
		}
	}
	return map[tasks.Kind]pipeline.Stage{
		tasks.KindReconcile: stage(func(context.Context, tasks.Task) (tasks.Result, error) { return tasks.Then(w.left...), nil }),
		tasks.KindAdmit:     stage(func(context.Context, tasks.Task) (tasks.Result, error) { return tasks.Done(), nil }),
		tasks.KindPromote: stage(func(context.Context, tasks.Task) (tasks.Result, error) {
			var next []tasks.Task
			for _, v := range w.waiting {
				next = append(next, fetchOf(v))
			}
			w.waiting = nil
			return tasks.Then(next...), nil
		}),
		tasks.KindFetch: stage(func(ctx context.Context, t tasks.Task) (tasks.Result, error) {
			if w.block != nil {
				close(w.block)
				w.mu.Unlock()
				<-ctx.Done()
				w.mu.Lock()
				return tasks.Result{}, ctx.Err()
			}
			return tasks.Then(tasks.Store{Visit: t.About()}), nil
		}),
		tasks.KindStore: stage(func(context.Context, tasks.Task) (tasks.Result, error) {
			w.open--
			return tasks.Done(), nil
		}),
	}
}

// End implements pipeline.Settler.
func (w *world) End(context.Context, tasks.Visit, tasks.Reason, tasks.Fact) (tasks.Result, error) {
	return tasks.Done(), nil
}

// Fail implements pipeline.Settler.
func (w *world) Fail(context.Context, tasks.Visit, pipeline.Failure) (tasks.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open--
	return tasks.Done(), nil
}

// Postpone implements pipeline.Settler.
func (w *world) Postpone(context.Context, tasks.Visit, pipeline.Failure) (tasks.Result, error) {
	return tasks.Done(), nil
}

func (w *world) runner(workers int) *inline.Runner {
	log := slog.New(slog.DiscardHandler)
	return inline.New(pipeline.New(w.stages(), w, events.Nowhere{}, log), workers, func(context.Context) (int64, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.open, nil
	}, log)
}

func fetchOf(visit string) tasks.Fetch {
	return tasks.Fetch{Leg: tasks.Leg{Visit: tasks.Visit{ID: visit, URL: "http://a.test/" + visit}}}
}

func TestRunsUntilEveryPageIsClosed(t *testing.T) {
	for _, workers := range []int{1, 8} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{}
			for i := range 50 {
				w.waiting = append(w.waiting, fmt.Sprint("v", i))
			}
			w.open = 50
			if err := w.runner(workers).Run(t.Context(), tasks.Admit{Batch: "first"}); err != nil {
				t.Fatal(err)
			}
			// Between two polls of the frontier nothing is at hand, and reconcile is asked once more.
			ran := slices.DeleteFunc(slices.Clone(w.ran), func(s string) bool { return s == "reconcile reconcile" })
			if n := len(ran); w.open != 0 || n != 1+50+50 || w.ran[0] != "reconcile reconcile" {
				t.Errorf("%d pages are open after %d stages, of which the first was %s", w.open, n, w.ran[0])
			}
		})
	}
}

func TestNothingToDo(t *testing.T) {
	if err := (&world{}).runner(4).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A run that was killed may have left pages whose links were not admitted yet: all pages are closed, and there is work to do.
func TestTakesUpWhatTheLastRunLeft(t *testing.T) {
	w := &world{left: []tasks.Task{tasks.Admit{Batch: "page-1-0"}}}
	if err := w.runner(2).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(w.ran, "admit page-1-0") {
		t.Errorf("only %q ran: the links of a stored page are lost", w.ran)
	}
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule := fault.Of(fault.Internal)
		w := &world{
			open: 3, waiting: []string{"once", "always", "free"},
			fails: map[string]error{"once": fault.New(fault.Internal, errors.New("x")), "always": fault.New(fault.Internal, errors.New("x")), "free": fault.New(fault.CatalogDown, errors.New("x"))},
			times: map[string]int{"once": 1, "always": 1000, "free": 40},
		}
		began := time.Now()
		if err := w.runner(4).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, s := range w.ran {
			count[s]++
		}
		if count["fetch once"] != 2 || count["store once"] != 1 || count["fetch always"] != rule.Retries+1 || count["store always"] != 0 || count["fetch free"] != 41 || count["store free"] != 1 {
			t.Errorf("%v", count)
		}
		if time.Since(began) < rule.Wait(1)+rule.Wait(2)+rule.Wait(3) {
			t.Errorf("all retries were through after %s", time.Since(began))
		}
	})
}

func TestTasksWaitForTheirSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{open: 1}
		late := fetchOf("v")
		at := time.Now().Add(90 * time.Second)
		late.Slot = at.UnixMilli()
		if err := w.runner(1).Run(t.Context(), late); err != nil {
			t.Fatal(err)
		}
		if time.Now().Before(at.Truncate(time.Millisecond)) {
			t.Errorf("it ran %s before its slot", time.Until(at))
		}
	})
}

func TestStopsPromptly(t *testing.T) {
	w := &world{open: 2, waiting: []string{"v1"}, block: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	r := w.runner(4)
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	<-w.block
	if alive, err := r.Alive(t.Context(), []string{"v1", "v2"}); err != nil || !slices.Equal(alive, []bool{true, false}) {
		t.Errorf("alive: %v, %v", alive, err)
	}
	working := 0
	for _, s := range r.Tasks() {
		working += s.Working
	}
	if working == 0 {
		t.Error("nothing is at work")
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Run goes on")
	}
	if slices.Contains(w.ran, "store v1") {
		t.Error("it went on with a page that was given up")
	}
}

func TestFrontierThatCannotBeAskedEndsTheRun(t *testing.T) {
	down := errors.New("down")
	w := &world{}
	log := slog.New(slog.DiscardHandler)
	r := inline.New(pipeline.New(w.stages(), w, events.Nowhere{}, log), 2, func(context.Context) (int64, error) { return 0, down }, log)
	if err := r.Run(t.Context()); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
}

func TestEpochIsTheRunners(t *testing.T) {
	a, _ := (&world{}).runner(1).Epoch(t.Context())
	b, _ := (&world{}).runner(1).Epoch(t.Context())
	if a == b {
		t.Errorf("two runs have the epoch %q: the second would wait for what the first lost", a)
	}
}
