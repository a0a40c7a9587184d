// Package scheduler sets the periodic work going: promotion, reconcile, what is submitted again and again, and the revival of a dead
// worker's tasks. Any number of
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

// Entry is a submission that is made again and again.
type Entry struct {
	ID   string
	Spec string // as cron has it, or @every with a duration
}

// syncEvery is how soon a new entry is taken up.
const syncEvery = 5 * time.Second

// Run schedules until ctx is done. Entries are asked for again and again; while that fails, those known so far go on.
func Run(ctx context.Context, rdb redis.UniversalClient, entries func(context.Context) ([]Entry, error), log *slog.Logger) error {
	p := &provider{ctx: ctx, entries: entries, log: log}
	m, err := asynq.NewPeriodicTaskManager(asynq.PeriodicTaskManagerOpts{
		PeriodicTaskConfigProvider: p, RedisUniversalClient: rdb, SyncInterval: syncEvery,
		SchedulerOpts: &asynq.SchedulerOpts{
			LogLevel: asynq.FatalLevel,
			PostEnqueueFunc: func(_ *asynq.TaskInfo, err error) {
				if err != nil && ctx.Err() == nil {
					log.DebugContext(ctx, "tick", "err", err) // most often: the last one is still there
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	if err := m.Start(); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	defer m.Shutdown()
	revive(ctx, queue.NewWork(rdb), log)
	return nil
}

// provider tells asynq what is periodic: our own work, and the entries.
type provider struct {
	ctx     context.Context
	entries func(context.Context) ([]Entry, error)
	log     *slog.Logger
	last    []Entry
}

// GetConfigs implements asynq.PeriodicTaskConfigProvider.
func (p *provider) GetConfigs() ([]*asynq.PeriodicTaskConfig, error) {
	if all, err := p.entries(p.ctx); err == nil {
		p.last = all
	} else if p.ctx.Err() == nil {
		p.log.WarnContext(p.ctx, "schedules", "err", err)
	}
	promote, err := periodic(tasks.Promote{}, "@every "+promoteEvery.String())
	if err != nil {
		return nil, err
	}
	reconcile, err := periodic(tasks.Reconcile{}, "@every "+reconcileEvery.String())
	if err != nil {
		return nil, err
	}
	out := []*asynq.PeriodicTaskConfig{promote, reconcile}
	for _, e := range p.last {
		one, err := periodic(tasks.Schedule{Entry: e.ID}, e.Spec)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// periodic is t as asynq's scheduler wants it; a tick whose task is still there adds nothing.
func periodic(t tasks.Task, spec string) (*asynq.PeriodicTaskConfig, error) {
	payload, err := tasks.Encode(t)
	if err != nil {
		return nil, err
	}
	return &asynq.PeriodicTaskConfig{
		Cronspec: spec, Task: asynq.NewTask(string(t.Kind()), payload),
		Opts: []asynq.Option{asynq.Queue(tasks.QueuePeriodic), asynq.TaskID(t.ID()), asynq.Timeout(tasks.SpecOf(t.Kind()).Timeout + 30*time.Second)},
	}, nil
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
