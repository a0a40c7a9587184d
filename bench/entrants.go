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

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/embedded"
)

// entrant is one of those that are measured.
type entrant struct {
	name  string
	keeps string // what there is of a page afterwards
	run   func(context.Context, *course) error
	whole bool // to miss a page is an error
}

// course is what an entrant has for its turn.
type course struct {
	options
	web  *web
	dir  string
	took time.Duration // where not all of its time counts
	used []usage
}

// entrants are all of them.
func entrants() []entrant {
	trawl := []entrant{
		{"trawl worker", "WARC, database, full text", worker("on"), true},
		{"trawl worker --index=off", "WARC, database", worker("off"), true},
		{"trawl crawl", "WARC, database, full text", crawl("on"), true},
		{"trawl crawl --index=off", "WARC, database", crawl("off"), true},
	}
	return slices.Concat(trawl, floors(), peers())
}

// most is more pages than there are.
func (c *course) most() string { return strconv.Itoa(10 * c.pages) }

func (c *course) trawl(name string) string { return absolute(c.bin, name) }

// env is what a Trawl of its own is told.
func (c *course) env() []string {
	return []string{"TRAWL_DATA=" + filepath.Join(c.dir, "data"), "TRAWL_DNS=" + c.web.dns, "TRAWL_ALLOW_NETS=127.0.0.0/8", "PORT=0", "TRAWL_LOG=warn,json"}
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

// worker is Trawl with asynq and Redis. The clock stops when every page is closed, and searchable.
func worker(index string) func(context.Context, *course) error {
	return func(ctx context.Context, c *course) error {
		return c.withRedis(ctx, func(url string) (err error) {
			env := append(c.env(), "REDIS_URL="+url)
			if err := c.finish(ctx, "migrate", env, c.trawl("trawl"), "migrate"); err != nil {
				return err
			}
			for _, role := range []string{"scheduler", "worker"} {
				p, err := start(ctx, c.dir, role, env, c.trawl("trawl"), role)
				if err != nil {
					return err
				}
				defer func() {
					u, perr := p.stop()
					c.used, err = append(c.used, u), errors.Join(err, perr)
				}()
			}
			began := time.Now()
			argv := append([]string{c.trawl("enqueue"), "--delay", "0", "--depth", "-1", "--index", index, "--max-pages", c.most()}, c.web.roots...)
			if err := c.finish(ctx, "enqueue", env, argv...); err != nil {
				return err
			}
			err = c.done(ctx)
			c.took = time.Since(began)
			return err
		})
	}
}

// withRedis gives do a redis-server of its own.
func (c *course) withRedis(ctx context.Context, do func(url string) error) (err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	r, err := embedded.Server(ctx, path, filepath.Join(c.dir, "redis"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := do(r.URL); err != nil {
		return err
	}
	o, err := redis.ParseURL(r.URL)
	if err != nil {
		return err
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	u, err := redisUsage(ctx, rdb)
	c.used = append(c.used, u)
	return err
}

// done waits until every page is closed and searchable.
func (c *course) done(ctx context.Context) error {
	cat, err := sqlite.Open(ctx, filepath.Join(c.dir, "data", "catalog.db"), quietLog)
	if err != nil {
		return err
	}
	defer cat.Close()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		all, err := cat.Status(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 || all[0].Stored == 0 || all[0].Waiting+all[0].Queued > 0 {
			continue
		}
		leads, err := cat.LeadsLeft(ctx)
		lag, lerr := cat.IndexLag(ctx)
		if err = errors.Join(err, lerr); err != nil || leads+lag == 0 {
			return err
		}
	}
	return ctx.Err()
}

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
