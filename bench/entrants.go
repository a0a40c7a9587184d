package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/embedded"
)

// entrant is one of those that are measured.
type entrant struct {
	name  string
	keeps string // what there is of a page afterwards
	run   func(context.Context, *course) error
	whole bool // to miss a page is an error, and to ask for one twice
}

const keepsAll = "WARC, database, full text"

// course is what an entrant has for its turn.
type course struct {
	options
	web  *web
	dir  string
	took time.Duration // where not all of its time counts
	used []usage
	more []string // settings
}

// entrants are all of them.
func entrants() []entrant {
	trawl := []entrant{
		{"trawl worker", keepsAll, worker("on"), true},
		{"trawl worker --index=off", "WARC, database", worker("off"), true},
		{"trawl crawl", keepsAll, crawl("on"), true},
		{"trawl crawl --index=off", "WARC, database", crawl("off"), true},
	}
	return slices.Concat(trawl, floors(), peers())
}

// most is more pages than there are.
func (c *course) most() string { return strconv.Itoa(10 * c.pages) }

func (c *course) trawl(name string) string { return absolute(c.bin, name) }

// env is what a Trawl of its own is told.
func (c *course) env() []string {
	return append([]string{"TRAWL_DATA=" + filepath.Join(c.dir, "data"), "TRAWL_DNS=" + c.web.dns, "TRAWL_ALLOW_NETS=127.0.0.0/8", "PORT=0", "TRAWL_LOG=warn,json"}, c.more...)
}

// finish runs a process to its end.
func (c *course) finish(ctx context.Context, name string, env []string, argv ...string) error {
	p, err := start(ctx, c.dir, name, env, argv...)
	if err != nil {
		return err
	}
	u, err := p.wait()
	c.used = append(c.used, u)
	return err
}

// crawl is Trawl in one process.
func crawl(index string) func(context.Context, *course) error {
	return func(ctx context.Context, c *course) error {
		argv := append([]string{c.trawl("trawl"), "crawl", "--delay", "0", "--index", index, "--max-pages", c.most()}, c.web.roots...)
		return c.finish(ctx, "trawl", c.env(), argv...)
	}
}

// worker is Trawl with asynq and Redis.
func worker(index string) func(context.Context, *course) error { return workers(1, index) }

// workers is Trawl with so many workers. The clock stops when every page is closed, and searchable.
func workers(n int, index string) func(context.Context, *course) error {
	return func(ctx context.Context, c *course) error {
		return c.cluster(ctx, n, func(s *system) error {
			began := time.Now()
			err := c.submit(ctx, s, "--delay", "0", "--index", index)
			if err == nil {
				err = c.done(ctx)
			}
			c.took = time.Since(began)
			return err
		})
	}
}

// cluster gives do a Trawl of n workers, with a scheduler and a Redis.
func (c *course) cluster(ctx context.Context, n int, do func(*system) error) error {
	return c.withRedis(ctx, func(url string, rdb *redis.Client) (err error) {
		s := &system{env: append(c.env(), "REDIS_URL="+url), rdb: rdb}
		if err := c.finish(ctx, "migrate", s.env, c.trawl("trawl"), "migrate"); err != nil {
			return err
		}
		for _, role := range append([]string{"scheduler"}, slices.Repeat([]string{"worker"}, n)...) {
			p, err := start(ctx, c.dir, role, s.env, c.trawl("trawl"), role)
			if err != nil {
				return err
			}
			defer func() {
				u, perr := p.stop()
				c.used, err = append(c.used, u), errors.Join(err, perr)
			}()
			s.processes = append(s.processes, p)
		}
		return do(s)
	})
}

// submit has a cluster crawl the web.
func (c *course) submit(ctx context.Context, s *system, args ...string) error {
	argv := slices.Concat([]string{c.trawl("enqueue"), "--depth", "-1", "--max-pages", c.most()}, args, c.web.roots)
	return c.finish(ctx, "enqueue", s.env, argv...)
}

// withRedis gives do a redis-server of its own.
func (c *course) withRedis(ctx context.Context, do func(url string, rdb *redis.Client) error) (err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	r, err := embedded.Server(ctx, path, filepath.Join(c.dir, "redis"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	o, err := redis.ParseURL(r.URL)
	if err != nil {
		return err
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	if err := do(r.URL, rdb); err != nil {
		return err
	}
	u, err := redisUsage(ctx, rdb)
	c.used = append(c.used, u)
	return err
}

// watch looks at how far the crawl has come, again and again, until enough says that it is far enough.
func (c *course) watch(ctx context.Context, enough func(*sqlite.Catalog, catalog.Counts) (bool, error)) error {
	cat, err := sqlite.Open(ctx, c.catalog(), quietLog)
	if err != nil {
		return err
	}
	defer cat.Close()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		all, err := cat.Status(ctx)
		if err != nil {
			return err
		}
		if ok, err := enough(cat, catalog.Total(all)); ok || err != nil {
			return err
		}
	}
	return ctx.Err()
}

// done waits until every page is closed and searchable.
func (c *course) done(ctx context.Context) error {
	return c.watch(ctx, func(cat *sqlite.Catalog, n catalog.Counts) (bool, error) { return isDone(ctx, cat, n) })
}

func isDone(ctx context.Context, cat *sqlite.Catalog, n catalog.Counts) (bool, error) {
	if n.Stored == 0 || n.Open() > 0 {
		return false, nil
	}
	leads, err := cat.LeadsLeft(ctx)
	lag, lerr := cat.IndexLag(ctx)
	return leads+lag == 0, errors.Join(err, lerr)
}

// catalog is the file that a Trawl of its own keeps its catalog in.
func (c *course) catalog() string { return filepath.Join(c.dir, "data", "catalog.db") }

// redisUsage is what a Redis needed until now.
func redisUsage(ctx context.Context, rdb *redis.Client) (usage, error) {
	text, err := rdb.Info(ctx, "cpu", "memory").Result()
	u := usage{name: "redis"}
	for line := range strings.Lines(text) {
		key, v, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, _ := strconv.ParseFloat(v, 64)
		switch key {
		case "used_cpu_user", "used_cpu_sys":
			u.cpu += time.Duration(n * float64(time.Second))
		case "used_memory_peak":
			u.peak = int64(n)
		}
	}
	if err == nil && u.cpu == 0 {
		err = fmt.Errorf("redis says nothing of its CPU: %s", text)
	}
	return u, err
}
