package sqlite_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
)

// BenchmarkPromoteAtSize is what it costs to hand out 256 pages of a frontier of so many pages, over 1,000 hosts and 10 submitters.
// It must not grow with the frontier. TRAWL_BENCH_PAGES=2000000 adds a size.
func BenchmarkPromoteAtSize(b *testing.B) {
	sizes := []int{20_000, 200_000}
	if n, err := strconv.Atoi(os.Getenv("TRAWL_BENCH_PAGES")); err == nil && n > 0 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "catalog.db"), quiet)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			now := frontier(b, c, n)
			benchPromote(b, c, now)
		})
	}
}

// frontier admits n pages and lets robots.txt of all hosts allow everything.
func frontier(b *testing.B, c *sqlite.Catalog, n int) time.Time {
	b.Helper()
	const hosts, submitters, batch = 1000, 10, 2000
	ctx, now := b.Context(), time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	cr, err := c.Submit(ctx, "a", nil, now, func(json.RawMessage) (catalog.Crawl, error) {
		return catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{Delay: time.Second, PerHost: 1}, MaxPages: int64(n)}, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < n; i += batch {
		a := catalog.Admission{Crawl: cr.ID, Submitter: fmt.Sprint("s", i/batch%submitters), Origin: "seed", Now: now}
		for j := i; j < min(i+batch, n); j++ {
			host := fmt.Sprintf("http://h%d.example", j%hosts)
			a.Pages = append(a.Pages, catalog.Candidate{URL: fmt.Sprint(host, "/", j), Host: host + ":80"})
		}
		if _, err := c.Admit(ctx, a); err != nil {
			b.Fatal(err)
		}
	}
	for known := 0; known < hosts; now = now.Add(time.Second) {
		w := window(now, n)
		w.Horizon = time.Millisecond // a page of each host that is known
		got, err := c.Promote(ctx, w)
		if err != nil {
			b.Fatal(err)
		}
		for _, x := range got {
			if x.RobotsVisit != "" {
				known++
				if err := c.SetRobots(ctx, x.HostID, x.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: now, Until: now.Add(1000 * time.Hour)}); err != nil {
					b.Fatal(err)
				}
			}
			giveBack(b, c, now, x.Pages)
		}
	}
	return now
}

func window(now time.Time, total int) catalog.Window {
	n := 0
	return catalog.Window{Now: now, Lease: time.Minute, Horizon: time.Minute, Total: total, NewID: func() string { n++; return fmt.Sprint("robots-", n) }}
}

// giveBack makes pages wait again.
func giveBack(b *testing.B, c *sqlite.Catalog, now time.Time, pages []catalog.Promoted) {
	b.Helper()
	var l []catalog.Lease
	for _, p := range pages {
		l = append(l, catalog.Lease{Visit: p.Visit, Page: p.ID})
	}
	if _, err := c.Requeue(b.Context(), l, now); err != nil {
		b.Fatal(err)
	}
}

func benchPromote(b *testing.B, c *sqlite.Catalog, now time.Time) {
	b.Helper()
	pages := 0
	for b.Loop() {
		got, err := c.Promote(b.Context(), window(now, 256))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		for _, x := range got {
			pages += len(x.Pages)
			giveBack(b, c, now, x.Pages)
		}
		now = now.Add(time.Second)
		b.StartTimer()
	}
	b.ReportMetric(float64(pages)/float64(b.N), "pages/op")
}
