package scenario

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/lab"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// table is all scenarios, in the order of the verdicts.
var table = []Scenario{
	{Name: "healthy", About: "nothing goes wrong for a minute", Want: why.Healthy},
	{
		Name: "telemetry-stale", About: "somebody empties the stream of what the processes measure", Want: why.Unknown,
		during: func(ctx context.Context, s *stand) (err error) {
			for ctx.Err() == nil && (err == nil || errors.Is(err, redis.Nil)) { // at once: whoever looks in between has seen it
				err = s.rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{signals.Stream, "0"}, Count: 1, Block: time.Second}).Err()
				_ = s.rdb.Del(ctx, signals.Stream).Err()
			}
			if ctx.Err() != nil || errors.Is(err, redis.Nil) {
				return nil
			}
			return err
		},
	},
	{
		Name: "frozen", About: "every process is frozen (SIGSTOP)", Want: why.WorkersMissing,
		begin: func(_ context.Context, s *stand) error { s.signal(syscall.SIGSTOP); return nil },
		end:   func(_ context.Context, s *stand) error { s.signal(syscall.SIGCONT); return nil },
	},
	{
		Name: "redis-full", About: "maxmemory of Redis is set to little more than is used", Want: why.Redis,
		begin: func(ctx context.Context, s *stand) error {
			used, err := s.memory(ctx)
			return errors.Join(err, s.rdb.ConfigSet(ctx, "maxmemory", strconv.FormatInt(used*int64(115+s.rng.IntN(35))/100, 10)).Err())
		},
		end: func(ctx context.Context, s *stand) error { return s.rdb.ConfigSet(ctx, "maxmemory", "0").Err() },
	},
	{
		Name: "redis-slow", About: "Redis is stopped for most of each half second (SIGSTOP, SIGCONT)", Want: why.Redis,
		during: func(ctx context.Context, s *stand) error {
			pid, err := s.redisPID(ctx)
			if err != nil {
				return err
			}
			halt := time.Duration(300+s.rng.IntN(200)) * time.Millisecond
			for ctx.Err() == nil && err == nil {
				err = syscall.Kill(pid, syscall.SIGSTOP)
				pause(ctx, halt)
				err = errors.Join(err, syscall.Kill(pid, syscall.SIGCONT))
				pause(ctx, 30*time.Millisecond)
			}
			return err
		},
	},
	{
		Name: "no-worker", About: "all workers end", Want: why.WorkersMissing,
		begin: func(_ context.Context, s *stand) error { stop(s.are("worker")...); return nil },
		end:   func(_ context.Context, s *stand) error { return errors.Join(s.start("worker"), s.start("worker")) },
	},
	{
		Name: "stage-paused", About: "somebody pauses the queue fetch, as asynqmon does", Want: why.WorkersMissing,
		begin: func(_ context.Context, s *stand) error {
			return asynq.NewInspectorFromRedisClient(s.rdb).PauseQueue(string(tasks.KindFetch))
		},
		end: func(_ context.Context, s *stand) error {
			return asynq.NewInspectorFromRedisClient(s.rdb).UnpauseQueue(string(tasks.KindFetch))
		},
	},
	{
		Name: "disk-full", About: "the archive's disk is full", Want: why.StorageFailing, Need: "root, to mount a small disk", check: needRoot, place: smallDisk,
		begin: func(_ context.Context, s *stand) error { return s.fill() },
		end:   func(_ context.Context, s *stand) error { return s.makeRoom() },
	},
	{
		Name: "dns-refuses", About: "the resolver refuses every question", Want: why.DNSDown,
		begin: trouble(func(*stand) lab.Trouble { return lab.Trouble{DNS: "refuse"} }), end: noTrouble,
	},
	{
		Name: "dns-silent", About: "the resolver does not answer", Want: why.DNSDown,
		begin: trouble(func(*stand) lab.Trouble { return lab.Trouble{DNS: "silent"} }), end: noTrouble,
	},
	{
		Name: "uplink-down", About: "no host can be reached any more", Want: why.UplinkDown,
		begin: trouble(func(*stand) lab.Trouble { return lab.Trouble{Down: []string{"*"}} }), end: noTrouble,
	},
	{
		Name: "bandwidth", About: "the line that all hosts share is a narrow one", Want: why.Bandwidth, usual: true,
		begin: trouble(func(s *stand) lab.Trouble { return lab.Trouble{Line: 100_000 + s.rng.Int64N(150_000)} }), end: noTrouble,
	},
	{
		Name: "large-downloads", About: "some hosts send pages that never end", Want: why.LargeDownloads,
		begin: trouble(func(s *stand) lab.Trouble {
			of := s.some(8 + s.rng.IntN(4))
			return lab.Trouble{Huge: each(of, int64(1<<20)), Drip: each(of, int64(2000))}
		}),
		end: noTrouble,
	},
	{
		Name: "storage-slow", About: "another program holds the database's lock, for a second or two at a time", Want: why.StorageSlow,
		during: func(ctx context.Context, s *stand) error { return s.hog(ctx) },
	},
	{
		Name: "giant-host", About: "one host has most of what waits: all is well, and it takes long", Want: why.PoliteHost, Who: "the host",
		web: func(c *lab.Config) { c.Pages, c.Giant = 80_000, 0.25 },
		begin: func(ctx context.Context, s *stand) error {
			giant := s.bulk[0]
			s.who = origin(s.pages[giant][0])
			return s.submit(ctx, "giant", "cleo", set{"delay": baseDelay, "per_host": 1}, s.pages[giant]...)
		},
		end: func(ctx context.Context, s *stand) error { return s.cancel(ctx, "giant") },
	},
	{
		Name: "pushback", About: "most hosts answer 429", Want: why.Pushback,
		begin: trouble(func(s *stand) lab.Trouble {
			after := strconv.Itoa(8 + s.rng.IntN(8))
			return lab.Trouble{Push: each(s.some(20+s.rng.IntN(8)), lab.Push{Status: http.StatusTooManyRequests, RetryAfter: after})}
		}),
		end: noTrouble,
	},
	{
		Name: "flood", About: "one submitter submits tens of thousands of pages", Want: why.Abuse, Who: "cleo",
		during: eachSecond(func(ctx context.Context, s *stand, i int) error {
			var urls []string
			for _, name := range s.bulk[1:41] {
				for n := range 10 {
					urls = append(urls, fmt.Sprintf("%s/flood/%d", origin(s.pages[name][0]), 10*i+n))
				}
			}
			return s.submit(ctx, "flood", "cleo", set{"delay": baseDelay, "per_host": 1}, urls...)
		}),
		end: func(ctx context.Context, s *stand) error { return s.cancel(ctx, "flood") },
	},
	{
		Name: "dead-names", About: "a submitter submits a list of names that do not exist", Want: why.Abuse, Who: "cleo",
		during: eachSecond(func(ctx context.Context, s *stand, i int) error {
			return s.submit(ctx, "dead", "cleo", nil, s.web.DeadURLs(30 * (i + 1))[30*i:]...)
		}),
		end: func(ctx context.Context, s *stand) error { return s.cancel(ctx, "dead") },
	},
	{
		Name: "resubmits", About: "a schedule submits the same pages each minute", Want: why.Resubmits, Who: "cleo",
		prepare: func(ctx context.Context, s *stand) error {
			var urls []string
			for _, name := range s.bulk[1:61] {
				urls = append(urls, s.pages[name][:30]...)
			}
			return s.admit(ctx, tasks.Admit{Crawl: "again", Submitter: "cleo", Every: "1m"}, set{"delay": baseDelay, "per_host": 1}, urls)
		},
		ready: func(ctx context.Context, s *stand) (bool, error) { // it is due again, and its pages have been visited
			n, err := s.counts(ctx, "again")
			if err != nil || n.Stored == 0 || n.Waiting+n.Queued < n.Stored {
				return false, err
			}
			all, err := s.catalog.Schedules(ctx, time.Now().Add(time.Hour))
			return slices.ContainsFunc(all, func(x catalog.Schedule) bool { return x.Last != nil }), err
		},
		end: func(ctx context.Context, s *stand) error {
			all, err := s.catalog.Schedules(ctx, time.Now().Add(time.Hour))
			for _, x := range all {
				err = errors.Join(err, s.catalog.RemoveSchedule(ctx, x.ID))
			}
			return errors.Join(err, s.cancel(ctx, "again"))
		},
	},
	{
		Name: "poison-page", About: "one page's tasks break the stage that runs them, each time", Want: why.Poison, Who: "the page",
		begin: func(_ context.Context, s *stand) error { s.who = s.pages[s.bulk[1]][0]; return nil },
		during: eachSecond(func(ctx context.Context, s *stand, _ int) error { // no page is known that does, so the task does: it says of no address
			v := tasks.Visit{ID: tasks.NewID(), URL: s.who, Crawl: "base", Submitter: submitters[0]}
			return s.client.Enqueue(ctx, tasks.Next{Task: tasks.Fetch{Leg: tasks.Leg{Visit: v, Limit: tasks.Limit{PerHost: 1}}}})
		}),
	},
	{
		Name: "machine-saturated", About: "many hosts without a delay have pages that take much to read", Want: why.MachineSaturated,
		begin: func(ctx context.Context, s *stand) error {
			return errors.Join(s.web.SetTrouble(lab.Trouble{Huge: each(s.bulk[1:111], int64(3<<20))}), s.flock(ctx, s.bulk[1:111], 100, 1))
		},
		end: func(ctx context.Context, s *stand) error {
			return errors.Join(s.cancel(ctx, "bulk"), noTrouble(ctx, s))
		},
	},
	{
		Name: "too-few-workers", About: "hosts that answer slowly have more pages than one worker has places for", Want: why.WorkerShortage, alone: true, usual: true,
		web: func(c *lab.Config) { c.Pages = 80_000 },
		prepare: trouble(func(s *stand) lab.Trouble {
			return lab.Trouble{Slow: map[string]time.Duration{"*": time.Duration(8000+s.rng.IntN(3000)) * time.Millisecond}}
		}),
		begin: func(ctx context.Context, s *stand) error { return s.flock(ctx, s.bulk[1:61], 120, 16) },
		end:   func(ctx context.Context, s *stand) error { return s.cancel(ctx, "bulk") },
	},
	{
		Name: "burst", About: "more comes at once than can be done at once, and it is worked off", Want: why.Burst,
		begin: func(ctx context.Context, s *stand) error {
			slow := time.Duration(300+s.rng.IntN(200)) * time.Millisecond
			return errors.Join(s.web.SetTrouble(lab.Trouble{Slow: each(s.bulk[1:13], slow)}), s.flock(ctx, s.bulk[1:13], 300, 1))
		},
		end: func(ctx context.Context, s *stand) error {
			return errors.Join(s.cancel(ctx, "bulk"), noTrouble(ctx, s))
		},
	},
}
