package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.org/trawl/catalog"
)

// Concurrent checks that eight promoters, writers and readers at once, half of them on a and half on b, hand out each page once
// and lose no count. a and b are one empty catalog: the same twice, or opened by two processes.
func Concurrent(t *testing.T, a, b Catalog) {
	const hosts, each = 12, 10
	w := &world{T: t, Catalog: a, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	cats := []Catalog{a, b}
	cr := w.crawl("a")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	together := func(n int, fn func(i int, c Catalog) error) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := fn(i, cats[i%2]); err != nil {
					cancel(fmt.Errorf("worker %d: %w", i, err))
				}
			})
		}
		wg.Wait()
		if err := context.Cause(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// Everybody finds the same pages at once; each is new to one of them.
	var mu sync.Mutex
	fresh := map[string]int{}
	together(8, func(i int, c Catalog) error {
		for h := range hosts {
			var pages []catalog.Candidate
			for p := range each {
				pages = append(pages, page(fmt.Sprintf("http://h%d.example/%d", (h+i)%hosts, p), at(i, 8-i)))
			}
			got, err := c.Admit(ctx, catalog.Admission{Crawl: cr.ID, Submitter: fmt.Sprint("s", i), Origin: "link", Now: w.now, Pages: pages})
			if err != nil {
				return err
			}
			mu.Lock()
			for _, u := range got.New {
				fresh[u]++
			}
			mu.Unlock()
		}
		return nil
	})
	for u, n := range fresh {
		if n != 1 {
			t.Errorf("%s was new %d times", u, n)
		}
	}
	if len(fresh) != hosts*each {
		t.Errorf("%d pages were new, want %d", len(fresh), hosts*each)
	}
	for _, p := range w.all(catalog.Filter{}) {
		if p.Depth != 0 || p.Reach != 8 {
			t.Errorf("%s has depth %d and reach %d, want the best of all finds, 0 and 8", p.URL, p.Depth, p.Reach)
		}
	}
	w.exact()

	visits, robots := map[string]string{}, map[int64]int{}
	together(8, func(i int, c Catalog) error {
		win := w.window()
		n := 0
		win.NewID = func() string { n++; return fmt.Sprintf("robots-%d-%d", i, n) }
		win.Total = 7 * hosts
		for idle := 0; idle < 3; idle++ {
			got, err := c.Promote(ctx, win)
			if err != nil {
				return err
			}
			for _, b := range got {
				idle = 0
				mu.Lock()
				if b.RobotsVisit != "" {
					robots[b.HostID]++
				}
				for _, p := range b.Pages {
					if by, ok := visits[p.URL]; ok {
						cancel(fmt.Errorf("%s was handed out to %s and %s", p.URL, by, p.Visit))
					}
					visits[p.URL] = p.Visit
				}
				mu.Unlock()
				if b.RobotsVisit != "" {
					if err := c.SetRobots(ctx, b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.now.Add(time.Hour)}); err != nil {
						return err
					}
				}
				for j, p := range b.Pages {
					if err := finish(ctx, c, j, p, w.found(p)); err != nil {
						return err
					}
				}
			}
			mu.Lock()
			if len(visits) < hosts*each {
				idle = 0 // others are at it
			}
			mu.Unlock()
		}
		return nil
	})
	seen := map[string]bool{}
	for _, v := range visits {
		seen[v] = true
	}
	if len(visits) != hosts*each || len(seen) != len(visits) || len(robots) != hosts {
		t.Errorf("%d pages of %d were handed out, to %d visits; robots.txt of %d hosts of %d was read", len(visits), hosts*each, len(seen), len(robots), hosts)
	}
	for h, n := range robots {
		if n != 1 {
			t.Errorf("robots.txt of host %d was read %d times", h, n)
		}
	}
	w.exact()
	together(4, func(_ int, c Catalog) error {
		for {
			if n, err := c.IndexBatch(ctx, 7); n == 0 || err != nil {
				return err
			}
		}
	})
	stored := len(w.all(catalog.Filter{State: catalog.Stored}))
	for _, c := range cats {
		found, err := c.Search(ctx, catalog.Query{Words: "text", Limit: 1})
		if err != nil || int(found.Total) != stored {
			t.Errorf("%d pages are found (%v), want the %d that are stored", found.Total, err, stored)
		}
	}
}

// finish closes the j-th page of a batch in one of the ways there are, twice, as a stage may run twice.
func finish(ctx context.Context, c Catalog, j int, p catalog.Promoted, s catalog.Storing) error {
	for range 2 {
		var err error
		switch j % 4 {
		case 0:
			_, err = c.CloseVisit(ctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "not_found", Now: s.FetchedAt})
		case 1:
			_, err = c.CloseVisit(ctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: "reset", Now: s.FetchedAt, Err: "x"})
		default:
			_, err = c.Store(ctx, s)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("finish %s", p.URL), err)
		}
	}
	return nil
}
