package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/events"
	"example.org/trawl/fetch"
	"example.org/trawl/frontier"
	"example.org/trawl/observe"
	"example.org/trawl/pipeline"
	"example.org/trawl/queue"
	"example.org/trawl/scheduler"
	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

func workerCommand(a *app) *cobra.Command {
	var stages []string
	cmd := &cobra.Command{
		Use:     "worker",
		Short:   "Run stages from the queues",
		Long:    "Run stages from the queues: all of them, or those named. Start as many workers as are needed; they share nothing but Redis, database and archive.",
		Example: "  trawl worker\n  trawl worker --stages head,fetch",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			kinds, err := parseStages(stages)
			if err != nil {
				return &submit.UsageError{Err: err}
			}
			return a.withRedis(cmd.Context(), func(ctx context.Context, rdb redis.UniversalClient) error {
				return a.runWorker(ctx, rdb, "worker", kinds)
			})
		},
	}
	cmd.Flags().StringSliceVar(&stages, "stages", nil, "only these stages: "+strings.Join(stageNames(), ","))
	return cmd
}

func stageNames() (names []string) {
	for _, k := range tasks.Stages() {
		names = append(names, string(k))
	}
	return names
}

func parseStages(names []string) ([]tasks.Kind, error) {
	var out []tasks.Kind
	for _, n := range names {
		k := tasks.Kind(strings.TrimSpace(n))
		if !slices.Contains(tasks.Stages(), k) {
			return nil, fmt.Errorf("--stages %q: want some of %s", n, strings.Join(stageNames(), ","))
		}
		out = append(out, k)
	}
	return out, nil
}

func schedulerCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "scheduler",
		Short: "Set the periodic work going: promotion, reconcile, schedules",
		Long:  "Set the periodic work going, and what enqueue --every submits again and again. One is enough, more do no harm: a tick whose work is still under way adds nothing.",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRedis(cmd.Context(), func(ctx context.Context, rdb redis.UniversalClient) error {
				return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
					at, stop, err := a.serveProfiles(ctx)
					if err != nil {
						return err
					}
					defer stop()
					defer a.observe(ctx, "scheduler", at, rdb, c)()
					return scheduler.Run(ctx, rdb, entries(c), a.log)
				})
			})
		},
	}
}

// entries are the schedules in the catalog, as the scheduler wants them.
func entries(c *sqlite.Catalog) func(context.Context) ([]scheduler.Entry, error) {
	return func(ctx context.Context) (out []scheduler.Entry, err error) {
		all, err := c.Schedules(ctx, time.Now().AddDate(100, 0, 0))
		for _, s := range all {
			out = append(out, scheduler.Entry{ID: strconv.FormatInt(s.ID, 10), Spec: s.Spec})
		}
		return out, err
	}
}

func migrateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's tables up to date",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.openCatalog(cmd.Context())
			if err != nil {
				return err
			}
			path, _ := a.cfg.DatabasePath()
			fmt.Fprintf(cmd.OutOrStdout(), "%s is up to date\n", path)
			return c.Close()
		},
	}
}

// withRedis connects to REDIS_URL. A Redis that cannot be reached at the start is an error within seconds; one that goes away
// later is waited for.
func (a *app) withRedis(ctx context.Context, fn func(context.Context, redis.UniversalClient) error) error {
	if a.cfg.RedisURL == "" {
		return errNoRedis
	}
	probe, err := queue.OpenBriefly(ctx, a.cfg.RedisURL)
	if err != nil {
		return err
	}
	_ = probe.Close()
	rdb, err := queue.Open(a.cfg.RedisURL)
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx, rdb), rdb.Close())
}

// runWorker runs the stages until ctx is done, and what belongs to having them: the event feed and the signals, the intake of
// submitted URLs where admit runs, and the counts for those who can reach Redis alone.
func (a *app) runWorker(ctx context.Context, rdb redis.UniversalClient, role string, kinds []tasks.Kind) error {
	unlock, err := lockData(a.cfg.Data, false)
	if err != nil {
		return err
	}
	defer unlock()
	if a.cfg.Contact == "" && len(a.cfg.AllowNets) == 0 {
		a.log.WarnContext(ctx, errNoContact.Error())
	}
	endTraces, err := a.traces(ctx)
	if err != nil {
		return err
	}
	defer endTraces()
	p, err := a.open(ctx, frontier.NewRedisGate(rdb), queue.NewWork(rdb))
	if err != nil {
		return err
	}
	at, stop := "", func() {}
	if role == "worker" { // the dashboard has those of up
		if at, stop, err = a.serveProfiles(ctx); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	defer stop()
	feed := events.NewFeed(rdb, a.log)
	fold := signals.NewFold(time.Now())
	line := p.line(pipeline.Recorders{feed, fold}, a.log)
	watch := observe.New(observe.Options{
		Role: role, Version: version(), Stages: kindsOf(kinds), Profile: at, Fold: fold, Redis: rdb, Alerts: a.alerts(rdb), Log: a.log,
		Look: a.look(rdb, p.catalog, a.canaries(p)),
	})
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { p.crawler.Watch(gctx); return nil })
	g.Go(func() error { watch.Run(gctx); return nil })
	g.Go(func() error { return queue.NewWorker(rdb, line, kinds, a.log).Run(gctx) })
	if kinds == nil || slices.Contains(kinds, tasks.KindAdmit) {
		in := events.NewIntake(rdb, a.admitNow(line, queue.NewClient(rdb)), a.log)
		g.Go(func() error { in.Run(gctx); return nil })
		g.Go(func() error { a.publish(gctx, rdb, p.catalog); return nil })
	}
	a.log.InfoContext(ctx, "worker started", "stages", kindsOf(kinds), "agent", a.userAgent())
	err = g.Wait()
	feed.Close()
	a.log.InfoContext(context.WithoutCancel(ctx), "worker stopped")
	return errors.Join(err, p.Close())
}

// observe has a process without stages say that it is there, and how things are if no worker does. The function that it returns ends it.
func (a *app) observe(ctx context.Context, role, profile string, rdb redis.UniversalClient, c *sqlite.Catalog) (stop func()) {
	watch := observe.New(observe.Options{Role: role, Version: version(), Profile: profile, Redis: rdb, Alerts: a.alerts(rdb), Log: a.log, Look: a.look(rdb, c, nil)})
	return background(ctx, watch.Run)
}

// background runs fn until stop is called, which waits for its end.
func background(ctx context.Context, fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { fn(ctx) })
	return func() { cancel(); wg.Wait() }
}

func (a *app) look(rdb redis.UniversalClient, c *sqlite.Catalog, canaries map[string]observe.Canary) observe.Look {
	return observe.Look{Catalog: c, Queues: status.NewQueues(rdb), Redis: observe.RedisOf(rdb), Canaries: canaries, Dirs: a.dirs()}
}

// canaries are what a process with stages tries.
func (a *app) canaries(p *parts) map[string]observe.Canary {
	all := map[string]observe.Canary{signals.CanaryDNS: p.dns.Ping, signals.CanaryArchive: p.archive.Check}
	if a.cfg.Canary != "" {
		all[signals.CanaryUplink] = p.uplink(a.cfg.Canary)
	}
	return all
}

// uplink asks for the header of a page that is always there: any answer shows that the line is.
func (p *parts) uplink(page string) observe.Canary {
	return func(ctx context.Context) error {
		page, err := weburl.Canonical(page)
		if err != nil {
			return err
		}
		found, err := p.dns.Lookup(ctx, weburl.Hostname(page))
		if err != nil {
			return err
		}
		answer, err := p.web.Do(ctx, fetch.Request{Method: http.MethodHead, URL: page, Addrs: found.Addrs})
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
}

// alerts is who is to be told when something is wrong; nil for nobody.
func (a *app) alerts(rdb redis.UniversalClient) *observe.Alerts {
	if a.cfg.Alert == "" {
		return nil
	}
	return observe.NewAlerts(a.cfg.Alert, rdb, a.log)
}

// dirs are the folders whose disks must not be full.
func (a *app) dirs() []string {
	dirs := []string{a.cfg.Data}
	if dir, err := a.cfg.StoreDir(); err == nil && !slices.Contains(dirs, dir) {
		dirs = append(dirs, dir)
	}
	return dirs
}

func kindsOf(kinds []tasks.Kind) []tasks.Kind {
	if kinds == nil {
		return tasks.Stages()
	}
	return kinds
}

// admitNow runs admit in the intake's own goroutine: an entry may be acknowledged only when the database has its URL.
func (a *app) admitNow(line *pipeline.Line, client *queue.Client) func(context.Context, tasks.Admit) error {
	return func(ctx context.Context, t tasks.Admit) error {
		next, err := line.Run(ctx, t, 0)
		if err != nil {
			return err
		}
		return client.Enqueue(ctx, next...)
	}
}

func publish(ctx context.Context, rdb redis.UniversalClient, c *sqlite.Catalog) error {
	now := time.Now() // before they are read: they say nothing of what comes later
	leads, err := c.LeadsLeft(ctx)
	if err != nil {
		return err
	}
	all, err := c.Status(ctx)
	if err != nil {
		return err
	}
	quotas, err := c.Quotas(ctx)
	if err != nil {
		return err
	}
	return errors.Join(submit.Publish(ctx, rdb, all, leads, now), submit.PublishQuotas(ctx, rdb, quotas))
}

// publish writes the counts to Redis once a second.
func (a *app) publish(ctx context.Context, rdb redis.UniversalClient, c *sqlite.Catalog) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := publish(ctx, rdb, c); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "publish counts", "err", err)
		}
	}
}
