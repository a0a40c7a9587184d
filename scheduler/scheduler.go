// Package scheduler sets the periodic work going: promotion, reconcile, and the revival of a dead worker's tasks. Any number of
// schedulers may run: a tick whose task is still there adds nothing.
package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/queue"
	"example.org/trawl/tasks"
)

// How often.
const (
	promoteEvery   = time.Second
	reconcileEvery = 5 * time.Second
	reviveEvery    = 5 * time.Second
)

// Run schedules until ctx is done.
func Run(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger) error {
	s := asynq.NewSchedulerFromRedisClient(rdb, &asynq.SchedulerOpts{
		LogLevel: asynq.FatalLevel,
		PostEnqueueFunc: func(_ *asynq.TaskInfo, err error) {
			if err != nil && ctx.Err() == nil {
				log.DebugContext(ctx, "tick", "err", err) // most often: the last one is still there
			}
		},
	})
	for _, p := range []struct {
		task  tasks.Task
		every time.Duration
	}{{tasks.Promote{}, promoteEvery}, {tasks.Reconcile{}, reconcileEvery}} {
		k := p.task.Kind()
		_, err := s.Register("@every "+p.every.String(), asynq.NewTask(string(k), nil),
			asynq.Queue(tasks.QueuePeriodic), asynq.TaskID(p.task.ID()), asynq.Timeout(tasks.SpecOf(k).Timeout+30*time.Second))
		if err != nil {
			return fmt.Errorf("schedule %s: %w", k, err)
		}
	}
	if err := s.Start(); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer s.Shutdown()
	revive(ctx, queue.NewWork(rdb), log)
	return nil
}

// revive looks after the tasks of dead workers. It is not a task itself, for the worker that died may have held that task.
func revive(ctx context.Context, w *queue.Work, log *slog.Logger) {
	t := time.NewTicker(reviveEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		n, err := w.Revive(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			log.WarnContext(ctx, "revive", "err", err)
		case n > 0:
			log.WarnContext(ctx, "a worker died: its tasks are pending again", "tasks", n)
		}
	}
}
