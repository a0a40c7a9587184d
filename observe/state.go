package observe

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/shirou/gopsutil/v4/disk"

	"example.org/trawl/catalog"
	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

// Loads is who has how much waiting.
type Loads interface {
	// Hosts lists hosts, those with the most waiting pages first.
	Hosts(ctx context.Context, state catalog.HostState, limit int) ([]catalog.Host, error)
	// HostStates counts the hosts in each state of trouble.
	HostStates(ctx context.Context) (map[catalog.HostState]int64, error)
	// Quotas lists the submitters with what they have waiting.
	Quotas(ctx context.Context) ([]catalog.Quota, error)
}

// canaryWithin bounds a canary: what takes longer has failed.
const canaryWithin = 4 * time.Second

// told is how many hosts and submitters a state names.
const told = 10

// State looks at what is everybody's. What cannot be found out is named in it.
func (l Look) State(ctx context.Context) signals.State {
	s := signals.State{At: time.Now(), Missing: map[string]string{}}
	miss := func(what string, err error) bool {
		if err != nil {
			s.Missing[what] = err.Error()
		}
		return err != nil
	}
	st, err := status.Collect(ctx, l.Catalog, l.Queues)
	if !miss("status", err) {
		fill(&s, st)
	}
	if hosts, err := l.Catalog.Hosts(ctx, "", told); !miss("hosts", err) {
		for _, h := range hosts {
			v := status.HostOf(h, s.At)
			s.Hosts = append(s.Hosts, signals.Waiting{Name: v.Host, Pages: v.Open(), Pace: v.Pace, State: string(v.State), ETA: v.ETA})
		}
	}
	if states, err := l.Catalog.HostStates(ctx); !miss("host states", err) {
		s.Troubled = map[string]int64{}
		for k, n := range states {
			s.Troubled[string(k)] = n
		}
	}
	if subs, err := l.Catalog.Quotas(ctx); !miss("submitters", err) {
		slices.SortFunc(subs, func(a, b catalog.Quota) int { return cmp.Compare(b.Waiting, a.Waiting) })
		for _, x := range subs[:min(told, len(subs))] {
			s.Submitters = append(s.Submitters, signals.Waiting{Name: x.Submitter, Pages: x.Waiting})
		}
	}
	for _, dir := range l.Dirs {
		if u, err := disk.UsageWithContext(ctx, dir); !miss("disk of "+dir, err) {
			s.Disks = append(s.Disks, signals.Disk{Path: dir, Free: int64(u.Free), Size: int64(u.Total)})
		}
	}
	if l.Redis != nil {
		s.Redis = l.Redis(ctx)
	}
	s.Canaries = l.canaries(ctx, s.Outages)
	return s
}

func fill(s *signals.State, st status.Status) {
	s.Backlog, s.Unindexed = st.Backlog, st.IndexLag
	s.Queues = map[tasks.Kind]signals.Queue{}
	for _, x := range st.Stages {
		s.Queues[x.Stage] = signals.Queue{
			Pending: x.Pending, Active: x.Active, Scheduled: x.Sched, Retry: x.Retry, Archived: x.Archived, Paused: x.Paused,
			Oldest: time.Duration(x.Oldest * float64(time.Second)), Workers: x.Workers, Slots: x.Slots,
		}
	}
	for _, c := range st.Crawls {
		s.Open += c.Open()
		s.Closed += c.Stored + c.Failed + c.Ended
		if c.ETA < 0 || s.ETA < 0 {
			s.ETA = -1
		} else {
			s.ETA = max(s.ETA, c.ETA)
		}
	}
	for _, x := range st.Outages {
		s.Outages = append(s.Outages, signals.Outage{Fault: x.Fault, Since: x.Since, Err: x.Err})
	}
	for _, p := range st.Paused {
		s.Paused = append(s.Paused, p.What+" "+p.Name)
	}
}

// RedisOf asks the Redis at rdb how it is.
func RedisOf(rdb redis.UniversalClient) func(context.Context) signals.Redis {
	return func(ctx context.Context) (r signals.Redis) {
		for i := range 3 {
			if i > 0 { // whoever comes right behind an answer finds Redis awake, also one that nods off all the time
				time.Sleep(pingApart)
			}
			began := time.Now()
			if err := rdb.Ping(ctx).Err(); err != nil {
				r.Err = err.Error()
				return r
			}
			r.Ping = max(r.Ping, time.Since(began))
		}
		text, err := rdb.Info(ctx, "memory", "stats", "persistence", "errorstats").Result()
		if err != nil {
			r.Err = err.Error()
			return r
		}
		read(&r, text)
		return r
	}
}

// pingApart is how far apart the pings are by which Redis is judged.
const pingApart = 50 * time.Millisecond

// read takes what it needs from Redis's INFO.
func read(r *signals.Redis, text string) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "used_memory":
			r.Used = number(value)
		case "maxmemory":
			r.Max = number(value)
		case "evicted_keys":
			r.Evicted = number(value)
		case "aof_delayed_fsync":
			r.Fsyncs = number(value)
		case "errorstat_OOM": // count=3
			r.Refused = number(strings.TrimPrefix(value, "count="))
		}
	}
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSpace(s), 10, 64) // "max" and what is not told: 0
	return n
}

// canaries tries them all at once. What is known to be down is tried by those who declared it, and not more often.
func (l Look) canaries(ctx context.Context, down []signals.Outage) map[string]signals.Canary {
	out := map[string]signals.Canary{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	try := func(name string, c Canary) {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, canaryWithin)
			defer cancel()
			began := time.Now()
			err := c(ctx)
			if err != nil && errors.Is(ctx.Err(), context.Canceled) {
				return // the process ends
			}
			mu.Lock()
			defer mu.Unlock()
			x := signals.Canary{Took: time.Since(began)}
			if err != nil {
				x.Err = err.Error()
			}
			out[name] = x
		})
	}
	try(signals.CanaryDatabase, func(ctx context.Context) error {
		return l.Catalog.SetMeta(ctx, "canary", strconv.FormatInt(time.Now().Unix(), 10))
	})
	if len(down) == 0 {
		for name, c := range l.Canaries {
			try(name, c)
		}
	}
	wg.Wait()
	return out
}
