package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
)

// system is a Trawl that is at work.
type system struct {
	env       []string
	processes []*process
	rdb       *redis.Client // nil: it has none
}

// way is a way to run Trawl: it has the web crawled as args say, and ends when watch returns.
type way struct {
	name string
	run  func(ctx context.Context, c *course, args []string, watch func(*system) error) error
}

// ways are those that are wanted.
func (o options) ways() []way {
	all := []way{
		{"trawl worker", func(ctx context.Context, c *course, args []string, watch func(*system) error) error {
			return c.cluster(ctx, 1, func(s *system) error {
				if err := c.submit(ctx, s, args...); err != nil {
					return err
				}
				return watch(s)
			})
		}},
		{"trawl crawl", func(ctx context.Context, c *course, args []string, watch func(*system) error) error {
			argv := append(append([]string{c.trawl("trawl"), "crawl", "--max-pages", c.most()}, args...), c.web.roots...)
			p, err := start(ctx, c.dir, "trawl", c.env(), argv...)
			if err != nil {
				return err
			}
			err = watch(&system{processes: []*process{p}})
			_, serr := p.stop()
			if exit := (*exec.ExitError)(nil); errors.As(serr, &exit) && exit.ExitCode() == interrupted {
				serr = nil
			}
			return errors.Join(err, serr)
		}},
	}
	return slices.DeleteFunc(all, func(w way) bool { return !o.wants(w.name) })
}

// interrupted is how trawl crawl says that it was told to end.
const interrupted = 130

// used is what its processes have needed so far, in the same order each time.
func (s *system) used(ctx context.Context) (all []usage, err error) {
	for _, p := range s.processes {
		cpu, err := p.cpu()
		if err != nil {
			return nil, err
		}
		all = append(all, usage{name: p.name, cpu: cpu})
	}
	if s.rdb == nil {
		return all, nil
	}
	u, err := redisUsage(ctx, s.rdb)
	return append(all, u), err
}

// since is what was used after before.
func since(before, after []usage) (all []usage) {
	for i, u := range after {
		all = append(all, usage{name: u.name, cpu: u.cpu - before[i].cpu})
	}
	return all
}

// sample is what a crawl had needed, and come to, at a moment.
type sample struct {
	at   time.Time
	used []usage
	n    catalog.Counts
	lag  int64 // stored pages that were not searchable yet
}

// sample looks at a crawl as soon as so many pages are stored.
func (c *course) sample(ctx context.Context, s *system, pages int64) (at sample, err error) {
	err = c.watch(ctx, func(cat *sqlite.Catalog, n catalog.Counts) (bool, error) {
		if n.Stored < pages {
			return false, nil
		}
		at.at, at.n = time.Now(), n
		var lerr, uerr error
		at.used, uerr = s.used(ctx)
		at.lag, lerr = cat.IndexLag(ctx)
		return true, errors.Join(lerr, uerr)
	})
	return at, err
}

// whole fails unless all pages of the web came, and none twice.
func (c *course) whole(ctx context.Context) error {
	got, err := c.web.got(ctx)
	if err != nil {
		return err
	}
	return got.check(c.web.pages, len(c.web.roots))
}

// tick is the unit in which Linux tells programs of CPU time.
const tick = time.Second / 100

// cpu is what a running process has needed so far (proc_pid_stat(5), fields 14 and 15).
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the third
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", p.cmd.Process.Pid, text)
	}
	user, uerr := strconv.ParseInt(fields[11], 10, 64)
	system, serr := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick, errors.Join(uerr, serr)
}

// resident is what a process has in memory, in octets.
type resident struct {
	own, files int64 // memory of its own, and mapped files, which the machine takes back when it needs the room
	peak       int64 // the most that both were
}

// resident is what a running process has in memory (proc_pid_status(5)).
func (p *process) resident() (r resident, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return r, err
	}
	into := map[string]*int64{"RssAnon": &r.own, "RssFile": &r.files, "VmHWM": &r.peak}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n := into[name]
		if n == nil {
			continue
		}
		if *n, err = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); err != nil {
			return r, err
		}
		*n <<= 10
	}
	if r.peak == 0 {
		err = fmt.Errorf("/proc/%d/status says nothing of its memory: %s", p.cmd.Process.Pid, text)
	}
	return r, err
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
