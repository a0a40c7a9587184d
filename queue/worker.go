package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// Drain is how long a worker that is told to stop lets its tasks finish; what is not through by then goes back to its queue.
// A platform such as Heroku kills after 30 seconds.
const Drain = 25 * time.Second

// hurry is how long before the end of Drain the stages themselves are told to stop.
const hurry = 5 * time.Second

// Worker runs stages: one asynq server for each, so that no stage can take another's places. A server has one goroutine that
// dequeues, so several of them are also faster than one.
type Worker struct {
	rdb    redis.UniversalClient
	client *Client
	line   *pipeline.Line
	specs  []tasks.Spec
	ahead  *ahead
	along  map[tasks.Kind]chan struct{} // places for what runs along with the stage before it
	log    *slog.Logger
}

// NewWorker returns a worker for the queues of the given kinds; nil means all. From then on rdb joins script calls, and takes tasks ahead
// for whoever takes tasks through it.
func NewWorker(rdb redis.UniversalClient, line *pipeline.Line, kinds []tasks.Kind, log *slog.Logger) *Worker {
	a := &ahead{rdb: rdb, log: log, queues: map[string]*taken{}}
	rdb.AddHook(hook{&joiner{rdb: rdb}, a})
	w := &Worker{rdb: rdb, client: NewClient(rdb), line: line, specs: byQueue(kinds), ahead: a, along: map[tasks.Kind]chan struct{}{}, log: log}
	for _, s := range w.specs {
		if s.Along {
			w.along[s.Kind] = make(chan struct{}, s.Concurrency)
		}
	}
	return w
}

// byQueue returns one spec for each queue that has to be served. The periodic work goes with admit, for promotion hands on what
// admit brought in.
func byQueue(kinds []tasks.Kind) []tasks.Spec {
	wanted := map[string]bool{}
	for _, k := range kinds {
		wanted[tasks.SpecOf(k).Queue] = true
		if k == tasks.KindAdmit {
			wanted[tasks.QueuePeriodic] = true
		}
	}
	var out []tasks.Spec
	done := map[string]bool{}
	for _, s := range tasks.Specs() {
		if (kinds == nil || wanted[s.Queue]) && !done[s.Queue] {
			done[s.Queue] = true
			out = append(out, s)
		}
	}
	return out
}

// Run works until ctx is done and then drains.
func (w *Worker) Run(ctx context.Context) error {
	// The stages go on while the worker drains, and are told to stop shortly before asynq puts them back.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var servers []*asynq.Server
	for _, spec := range w.specs {
		s := asynq.NewServerFromRedisClient(w.rdb, w.config(work, spec))
		if err := s.Start(asynq.HandlerFunc(w.handle)); err != nil {
			shutdown(servers)
			return fmt.Errorf("start %s: %w", spec.Queue, err)
		}
		servers = append(servers, s)
	}
	<-ctx.Done()
	timer := time.AfterFunc(Drain-hurry, stop)
	defer timer.Stop()
	var back sync.WaitGroup
	back.Go(w.ahead.stop)
	shutdown(servers)
	back.Wait()
	return nil
}

func shutdown(servers []*asynq.Server) {
	done := make(chan struct{})
	for _, s := range servers {
		go func() {
			s.Shutdown()
			done <- struct{}{}
		}()
	}
	for range servers {
		<-done
	}
}

func (w *Worker) config(work context.Context, spec tasks.Spec) asynq.Config {
	look := time.Second
	if spec.Queue == string(tasks.KindIndex) || slices.Contains(visitQueues(), spec.Queue) { // tasks wait for their moment there
		look = 200 * time.Millisecond
	}
	return asynq.Config{
		Concurrency:              spec.Concurrency,
		Queues:                   map[string]int{spec.Queue: 1},
		BaseContext:              func() context.Context { return work },
		TaskCheckInterval:        20 * time.Millisecond,
		DelayedTaskCheckInterval: look,
		ShutdownTimeout:          Drain,
		IsFailure:                counts,
		RetryDelayFunc:           func(_ int, err error, _ *asynq.Task) time.Duration { return delay(err) },
		Logger:                   asynqLog{w.log},
		LogLevel:                 asynq.WarnLevel,
		HealthCheckFunc:          nil,
	}
}

// handle runs one task of any stage.
func (w *Worker) handle(ctx context.Context, at *asynq.Task) error {
	t, err := tasks.Decode(tasks.Kind(at.Type()), at.Payload())
	if err != nil {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry) // a bug, or a payload that is not ours: kept in the archive to look at
	}
	ctx, span := span(follow(ctx, at), t)
	defer span.End()
	failed, _ := asynq.GetRetryCount(ctx)
	run := ctx
	if ready, ok := readyAt(at); ok && failed == 0 {
		run = pipeline.WithReady(ctx, ready)
	}
	next, err := w.line.Run(run, t, failed)
	if err != nil && tasks.SpecOf(t.Kind()).Queue == tasks.QueuePeriodic {
		// The next tick does it again. A task that ran out of asynq's tries would be kept, and its ID never be free again.
		return nil
	}
	if err != nil {
		return err
	}
	// Before the task is done: a worker that dies here runs the stage again, which is harmless; the other way round the visit
	// would be lost until reconcile finds it.
	if err := w.goOn(ctx, next); err != nil {
		return &pipeline.Retry{After: time.Second, Free: true, Err: err}
	}
	return nil
}

// goOn enqueues what follows, but for a stage that can run along: that is run here, within the task that it follows from, and what follows
// from it goes on in the same way. A way through Redis costs more than what it would bring, another worker, is worth to a stage that
// has all it needs here.
func (w *Worker) goOn(ctx context.Context, next []tasks.Next) error {
	for {
		i := slices.IndexFunc(next, func(n tasks.Next) bool { return w.enter(ctx, n) })
		if i < 0 {
			return w.client.Enqueue(ctx, next...)
		}
		t := next[i].Task
		err := w.client.Enqueue(ctx, slices.Delete(next, i, i+1)...)
		if err == nil {
			next, err = w.runAlong(ctx, t)
		}
		<-w.along[t.Kind()]
		if err != nil {
			return err
		}
	}
}

// enter takes a place for a task that is to run along; false when it has to go through its queue.
func (w *Worker) enter(ctx context.Context, n tasks.Next) bool {
	spec := tasks.SpecOf(n.Task.Kind())
	limit, limited := ctx.Deadline()
	if !spec.Along || !n.At.IsZero() || limited && time.Until(limit) < spec.Timeout || ctx.Err() != nil || w.ahead.paused(spec.Queue) {
		return false
	}
	select {
	case w.along[spec.Kind] <- struct{}{}: // nil, and never ready, for a stage that this process does not run
		return true
	default:
		return false
	}
}

// runAlong runs t. If t fails, its queue tries it again.
func (w *Worker) runAlong(ctx context.Context, t tasks.Task) ([]tasks.Next, error) {
	ctx, span := span(ctx, t)
	defer span.End()
	next, err := w.line.Run(ctx, t, 0)
	if r := (*pipeline.Retry)(nil); errors.As(err, &r) {
		return nil, w.client.Enqueue(ctx, tasks.Next{Task: t, At: time.Now().Add(r.After)})
	}
	return next, err
}

// counts tells asynq whether an error is to be counted among a task's tries: not when the fault table says that it is free, and
// not when the worker died or was stopped.
func counts(err error) bool {
	if r := (*pipeline.Retry)(nil); errors.As(err, &r) {
		return !r.Free
	}
	return !errors.Is(err, asynq.ErrLeaseExpired) && !errors.Is(err, context.Canceled)
}

func delay(err error) time.Duration {
	if r := (*pipeline.Retry)(nil); errors.As(err, &r) {
		return r.After
	}
	return 0
}

// asynqLog sends asynq's messages to slog.
type asynqLog struct{ log *slog.Logger }

func (l asynqLog) Debug(args ...any) { l.log.Debug("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Info("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.log.Warn("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.log.Error("asynq", "msg", fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error("asynq", "msg", fmt.Sprint(args...)) }
