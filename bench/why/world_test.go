// Package why measures whether the diagnosis tells the truth: crawls in synthetic time, of which everything is real but network, queue
// and clock, with one thing going wrong in each, and what the verdict was at every moment.
package why

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/internal/paper"
	"example.org/trawl/observe"
	"example.org/trawl/pipeline"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// world is a crawl of some hosts for some submitters, each host with a delay, that goes on for longer than anybody looks. Each seed draws another.
type world struct {
	*runner
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	hosts   int
	delay   time.Duration // between two starts at a host
	took    time.Duration // until a host answers
	pages   int           // of all hosts
	bare    bool          // there is no such crawl
	often   func()        // at every tick
	next    time.Time     // the next beat
	catalog *slowCatalog
	archive *fullArchive
	web     *paper.Web
	names   *paper.Names
	crawler *handlers.Crawler
	fold    *signals.Fold
	look    observe.Look
	process signals.Process
	redis   signals.Redis
	cpu     chan struct{} // of a machine that is full, which stores one page at a time; a mutex would stop the clock
	busy    atomic.Int64  // how long that takes
	beats   []signals.Beat
	batch   int
}

// pace is how many pages a second are visited, about.
func (w *world) pace() float64 { return float64(w.hosts) / w.delay.Seconds() }

// between draws a number.
func (w *world) between(from, to float64) float64 { return from + (to-from)*w.rng.Float64() }

// lasting draws a duration.
func (w *world) lasting(from, to time.Duration) time.Duration {
	return time.Duration(w.between(float64(from), float64(to)))
}

// most is the pace up to which a seed may go: what is beyond makes the runs longer, and shows nothing more.
const most = 12

var submitters = []string{"ann", "ben", "cleo", "dora", "emil", "fay"}

// slowCatalog is a database that can be made slow, and to break on a page.
type slowCatalog struct {
	*sqlite.Catalog
	takes  atomic.Int64 // for a write
	poison atomic.Pointer[string]
}

func (c *slowCatalog) wait() { time.Sleep(time.Duration(c.takes.Load())) }

// Store implements handlers.Catalog.
func (c *slowCatalog) Store(ctx context.Context, s catalog.Storing) (*catalog.Lead, error) {
	if p := c.poison.Load(); p != nil {
		if page, err := c.Outlinks(ctx, s.Page); err == nil && hostOf(page.URL) == *p {
			panic("a page that nobody can read")
		}
	}
	c.wait()
	return c.Catalog.Store(ctx, s)
}

// SetMeta implements observe.Catalog.
func (c *slowCatalog) SetMeta(ctx context.Context, name, value string) error {
	c.wait()
	return c.Catalog.SetMeta(ctx, name, value)
}

// fullArchive is an archive whose disk can be full.
type fullArchive struct {
	*archive.Store
	full atomic.Bool
}

var errFull = fault.New(fault.DiskFull, errors.New("no space left on device"))

// Append implements handlers.Archive.
func (a *fullArchive) Append(ctx context.Context, x archive.Exchange) (archive.Ref, string, error) {
	if a.full.Load() {
		return archive.Ref{}, "", errFull
	}
	return a.Store.Append(ctx, x)
}

// Check implements handlers.Archive.
func (a *fullArchive) Check(ctx context.Context) error {
	if a.full.Load() {
		return errFull
	}
	return a.Store.Check(ctx)
}

func hostName(i int) string { return fmt.Sprintf("h%d.test", i) }

func hostOf(url string) string {
	var host string
	if n, _ := fmt.Sscanf(url, "http://%s", &host); n == 0 {
		return ""
	}
	for i, c := range host {
		if c == '/' {
			return host[:i]
		}
	}
	return host
}

// inWorld runs test in a bubble of synthetic time, while the crawl goes on.
func inWorld(t *testing.T, seed uint64, test func(*world)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		cat, err := sqlite.Open(t.Context(), filepath.Join(dir, "catalog.db"), log)
		if err != nil {
			t.Fatal(err)
		}
		store, err := archive.Open(filepath.Join(dir, "warc"), archive.Options{Log: log})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		w := &world{
			t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), runner: newRunner(ctx), catalog: &slowCatalog{Catalog: cat}, archive: &fullArchive{Store: store},
			web: paper.NewWeb(0), names: paper.NewNames(20 * time.Second), fold: signals.NewFold(time.Now()), cpu: make(chan struct{}, 1),
			redis: signals.Redis{Ping: 300 * time.Microsecond, Used: 20 << 20, Max: 256 << 20},
			process: signals.Process{
				ID: "w", Role: "up", Host: "box", Started: time.Now(), Stages: tasks.Stages(), CPU: 0.6, Busy: 0.35, Cores: 2, Memory: 300 << 20, MemMax: 8 << 30, Files: 100, FileMax: 1024,
			},
		}
		w.hosts, w.took, w.next = 20+w.rng.IntN(41), w.lasting(20*time.Millisecond, 300*time.Millisecond), time.Now()
		w.delay = max(w.lasting(time.Second, 6*time.Second), time.Duration(w.hosts)*time.Second/most).Round(time.Millisecond)
		w.web.Slow(w.took)
		w.crawler = &handlers.Crawler{
			Catalog: w.catalog, Gate: frontier.NewMemoryGate(time.Time{}), DNS: w.names, Web: w.web, Archive: w.archive, Work: w.runner, Log: log,
			Policy: handlers.Policy{Agent: "Trawl", HasContact: true, MaxBody: 1 << 20, Window: 4000, Patience: 24 * time.Hour},
		}
		w.line = pipeline.New(w.stages(), w.crawler, w.fold, log)
		w.look = observe.Look{
			Catalog: w.catalog, Queues: w.runner, Redis: func(context.Context) signals.Redis { return w.redis },
			Canaries: map[string]observe.Canary{signals.CanaryDNS: w.names.Ping, signals.CanaryArchive: w.archive.Check},
		}
		var all sync.WaitGroup
		all.Go(func() { w.crawler.Watch(ctx) })
		all.Go(func() { w.every(ctx, 200*time.Millisecond, tasks.Promote{}) })
		all.Go(func() { w.every(ctx, 30*time.Second, tasks.Reconcile{}) })
		defer func() {
			cancel()
			all.Wait()
			w.runs.Wait()
			if err := errors.Join(store.Close(), cat.Close()); err != nil {
				t.Error(err)
			}
		}()
		test(w)
	})
}

// load submits the crawl: enough for every host until nobody looks any more, for one submitter or for several.
func (w *world) load() {
	n := 1 + w.rng.IntN(len(submitters))
	each := int(w.between(1.1, 1.6) * float64(warm+behind+last+name) * signals.Every.Seconds() / w.delay.Seconds())
	w.pages = w.hosts * each
	for i := range w.hosts {
		w.submit(submitters[w.rng.IntN(n)], w.delay, pagesOf(hostName(i), 0, each)...)
	}
}

// stages are the crawler's, on a machine whose processors can be full.
func (w *world) stages() map[tasks.Kind]pipeline.Stage {
	out := map[tasks.Kind]pipeline.Stage{}
	for k, run := range w.crawler.Stages() {
		out[k] = func(ctx context.Context, t tasks.Task) (tasks.Result, error) {
			if d := time.Duration(w.busy.Load()); d > 0 && k == tasks.KindStore {
				w.cpu <- struct{}{}
				time.Sleep(d)
				<-w.cpu
			}
			return run(ctx, t)
		}
	}
	return out
}

func (w *world) every(ctx context.Context, d time.Duration, t tasks.Task) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.put(tasks.Next{Task: t})
		}
	}
}

// pagesOf are n addresses of a host.
func pagesOf(host string, from, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("http://%s/%d", host, from+i))
	}
	return out
}

// submit submits pages.
func (w *world) submit(who string, delay time.Duration, urls ...string) {
	for len(urls) > 0 {
		n := min(len(urls), 500)
		w.batch++
		t := tasks.Admit{
			Batch: fmt.Sprint("b", w.batch), Crawl: "c", Submitter: who, Origin: tasks.OriginSeed, URLs: urls[:n],
			Settings: fmt.Appendf(nil, `{"delay":%d,"max_pages":10000000,"maze_pages":0,"per_host":1}`, delay),
		}
		if delay != w.delay { // a crawl has one delay
			t.Crawl = fmt.Sprint("c", delay)
		}
		w.put(tasks.Next{Task: t})
		urls = urls[n:]
	}
}

// tick lets a beat go by and judges.
func (w *world) tick() why.Report {
	if w.often != nil {
		w.often()
	}
	w.next = w.next.Add(signals.Every)
	time.Sleep(time.Until(w.next))
	now := time.Now()
	b := w.fold.Beat(now)
	s := w.look.State(context.Background())
	b.Process, b.State = w.process, &s
	b.At = now.Add(-time.Millisecond) // of the tick that is over
	w.beats = append(w.beats, b)
	return why.Judge(signals.NewWindow(now, why.Length, w.beats))
}
