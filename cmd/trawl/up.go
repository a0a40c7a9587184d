package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/config"
	"example.org/trawl/embedded"
	"example.org/trawl/lab"
	"example.org/trawl/queue"
	"example.org/trawl/scheduler"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

type upOptions struct {
	demo      bool
	demoPages int
	miniredis bool
}

func upCommand(a *app) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process: workers, scheduler and dashboard",
		Long: `Up runs every process type in one process. Without REDIS_URL it starts a Redis of its own: a redis-server where one is
installed, else one that is built in.`,
		Args: submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.up(cmd, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.demo, "demo", false, "also serve the simulated web and crawl it")
	f.IntVar(&o.demoPages, "demo-pages", 2000, "pages of the demonstration")
	f.BoolVar(&o.miniredis, "miniredis", false, "use the built-in Redis also where a redis-server is installed")
	return cmd
}

func (a *app) up(cmd *cobra.Command, o upOptions) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	out := cmd.OutOrStdout()
	var web *lab.Web
	if o.demo {
		var err error
		if web, err = a.startDemo(ctx, o); err != nil {
			return err
		}
		defer web.Close()
	}
	kind, stop, err := a.ownRedis(ctx, o.miniredis)
	if err != nil {
		return err
	}
	defer stop()
	return a.withRedis(ctx, func(ctx context.Context, rdb redis.UniversalClient) error {
		c, err := a.openCatalog(ctx) // brings the tables up to date before anybody uses them
		if err != nil {
			return err
		}
		defer c.Close()
		ln, err := a.listen(ctx)
		if err != nil {
			return err
		}
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() error { return a.runWorker(gctx, rdb, "up", nil) })
		g.Go(func() error { return scheduler.Run(gctx, rdb, entries(c), a.log) })
		g.Go(func() error { return a.serveWeb(gctx, rdb, ln) })
		base := "http://" + ln.Addr().String()
		fmt.Fprintf(out, "trawl is up: dashboard %s/  queues %s/asynqmon/  search %s/search\n", base, base, base)
		fmt.Fprintf(out, "redis: %s, REDIS_URL=%s\n", kind, redisShown(a.cfg.RedisURL))
		if o.demo {
			g.Go(func() error {
				err := a.demo(gctx, out, rdb, c, web, base)
				if err != nil || !isatty.IsTerminal(os.Stdin.Fd()) {
					cancel() // nobody is there to look at it
					return err
				}
				fmt.Fprintln(out, "\nall of it is still being served; Ctrl-C ends it")
				return nil
			})
		}
		return g.Wait()
	})
}

// ownRedis starts a Redis when there is none, and points the configuration to it.
func (a *app) ownRedis(ctx context.Context, mini bool) (kind string, stop func(), err error) {
	if a.cfg.RedisURL != "" {
		return "given", func() {}, nil
	}
	start := func() (*embedded.Redis, error) { return embedded.Start(ctx, filepath.Join(a.cfg.Data, "redis"), a.log) }
	if mini {
		start = embedded.Mini
	}
	r, err := start()
	if err != nil {
		return "", nil, err
	}
	a.cfg.RedisURL = r.URL
	return r.Kind, func() {
		if err := r.Close(); err != nil {
			a.log.Warn("redis", "err", err)
		}
	}, nil
}

// startDemo serves the simulated web and points resolver and allowed networks to it.
func (a *app) startDemo(ctx context.Context, o upOptions) (*lab.Web, error) {
	web, err := lab.Start(ctx, lab.Config{Seed: uint64(time.Now().UnixNano()), Hosts: 10, Pages: max(o.demoPages, 10), Log: a.log})
	if err != nil {
		return nil, err
	}
	var dns config.Addr
	var net config.Net
	if err := errors.Join(dns.UnmarshalText([]byte(web.DNS())), net.UnmarshalText([]byte("127.0.1.0/24"))); err != nil {
		return nil, errors.Join(err, web.Close())
	}
	a.cfg.DNS, a.cfg.AllowNets = []config.Addr{dns}, append(a.cfg.AllowNets, net)
	return web, nil
}

// demo crawls the simulated web through the queues and says what came of it.
func (a *app) demo(ctx context.Context, out io.Writer, rdb redis.UniversalClient, c *sqlite.Catalog, web *lab.Web, base string) error {
	before, err := c.Status(ctx)
	if err != nil {
		return err
	}
	m := startMeter(before)
	t := tasks.Admit{
		Batch: tasks.NewID(), Crawl: "demo-" + time.Now().Format("20060102-150405"), Submitter: "demo", Origin: tasks.OriginSeed, Reach: tasks.NoLimit,
		URLs: web.Seeds(), Settings: []byte(`{"delay":0,"per_host":16,"max_pages":1000000}`),
	}
	fmt.Fprintf(out, "crawling a simulated web of %d hosts as crawl %s\n", len(web.Seeds()), t.Crawl)
	if err := queue.NewClient(rdb).Enqueue(ctx, tasks.Next{Task: t}); err != nil {
		return err
	}
	if err := a.follow(ctx, c, rdb, m, t.Crawl); err != nil {
		return err
	}
	s, err := m.summary(ctx, c)
	if err != nil {
		return err
	}
	s.Data = append(a.places(), place{"dashboard", base + "/"}, place{"queues", base + "/asynqmon/"}, place{"search", base + "/search?q=2024"})
	return s.print(out, false)
}

// follow returns when the crawl has nothing left to do and everything is searchable.
func (a *app) follow(ctx context.Context, c *sqlite.Catalog, rdb redis.UniversalClient, m *meter, crawl string) error {
	progress := startProgress(ctx, false, func(ctx context.Context) (string, error) { return m.line(ctx, c) })
	defer progress.stop()
	if !isatty.IsTerminal(os.Stderr.Fd()) {
		defer a.logProgress(ctx, c, m)()
	}
	if err := submit.Wait(ctx, rdb, crawl); err != nil {
		return err
	}
	t := time.NewTicker(100 * time.Millisecond)
	defer t.Stop()
	for {
		lag, err := c.IndexLag(ctx)
		if err != nil || lag == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return submit.ErrInterrupted
		case <-t.C:
		}
	}
}

// logProgress says how far the crawl is where there is no terminal to show it on.
func (a *app) logProgress(ctx context.Context, c *sqlite.Catalog, m *meter) (stop func()) {
	return background(ctx, func(ctx context.Context) {
		t := time.NewTicker(2 * time.Second)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if s, err := m.line(ctx, c); err == nil {
					a.log.InfoContext(ctx, "progress", "pages", s)
				}
			}
		}
	})
}

// redisShown leaves out the password.
func redisShown(url string) string {
	o, err := redis.ParseURL(url)
	if err != nil || o.Password == "" {
		return url
	}
	return o.Addr
}
