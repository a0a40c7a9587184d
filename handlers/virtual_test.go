package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/events"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/inline"
	"example.org/trawl/internal/paper"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// age is a whole crawl in synthetic time: everything is real but network and clock, so that an hour's trouble takes a moment and
// every claim about time is exact.
type age struct {
	*handlers.Crawler
	t       *testing.T
	catalog *sqlite.Catalog
	runner  *inline.Runner
	web     *paper.Web
	dns     *paper.Names
	began   time.Time
	stop    func()
}

// inAge runs test in a bubble of synthetic time.
func inAge(t *testing.T, test func(*age)) {
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
		a := &age{t: t, catalog: cat, web: paper.NewWeb(50 * time.Millisecond), dns: paper.NewNames(time.Minute), began: time.Now()}
		a.Crawler = &handlers.Crawler{
			Catalog: cat, Gate: frontier.NewMemoryGate(time.Time{}), DNS: a.dns, Web: a.web, Archive: store, Log: log,
			Policy: handlers.Policy{Agent: "Trawl", HasContact: true, MaxBody: maxBody, Window: 4000, Patience: 24 * time.Hour},
		}
		line := pipeline.New(a.Stages(), a.Crawler, events.Nowhere{}, log)
		a.runner = inline.New(line, 64, func(ctx context.Context) (int64, error) { return a.open(), nil }, log)
		a.Work = a.runner
		defer func() { // also when the test gives up
			if a.stop != nil {
				a.stop()
			}
			if err := errors.Join(store.Close(), cat.Close()); err != nil {
				t.Error(err)
			}
		}()
		test(a)
	})
}

// long skips a test of many hours where those are not to be gone through.
func long(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of synthetic time: run it without -short")
	}
}

// start begins a crawl that goes on beside the test, until the test ends.
func (a *age) start(first ...tasks.Task) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.Watch(ctx) })
	wg.Go(func() {
		if err := a.runner.Run(ctx, first...); err != nil && !errors.Is(err, context.Canceled) {
			a.t.Error(err)
		}
	})
	a.stop = func() {
		cancel()
		wg.Wait()
	}
}

// until waits for what must come true within the given time, and returns how long that took.
func (a *age) until(within time.Duration, what string, ok func() bool) time.Duration {
	a.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			a.t.Fatalf("%s: not within %s: %+v", what, within, a.counts())
		}
		time.Sleep(min(within/100, time.Second))
	}
	return time.Since(began)
}

func (a *age) counts() catalog.Counts {
	all, err := a.catalog.Status(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	return catalog.Total(all)
}

// over tells whether the crawl has begun, and nothing is left to do.
func (a *age) over() bool {
	c := a.counts()
	return c.Admitted() > 0 && c.Open() == 0
}

func (a *age) open() int64 { return a.counts().Open() }

func (a *age) host(name string) catalog.Host {
	a.t.Helper()
	h, err := a.catalog.Host(context.Background(), "http://"+name+":80")
	if err != nil {
		a.t.Fatal(err)
	}
	return h
}

// urls are n addresses of a host.
func urls(host string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("http://%s/%d", host, i))
	}
	return out
}

// polite submits urls with a delay of a second.
func polite(urls ...string) tasks.Admit {
	return tasks.Admit{Batch: tasks.NewID(), Crawl: "c", Submitter: "s", Origin: tasks.OriginSeed, URLs: urls}
}
