package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

const (
	smallFrontier = 20_000
	growthHosts   = 50
	growthWarm    = 1000 // pages that are stored before the clock starts
)

// growth measures how fast a worker is when few pages wait, and when many do: of one crawl at the same hosts, so that each link of each page
// is looked for among all of them, and each visit is chosen from them.
func growth(ctx context.Context, o options) error {
	if smallFrontier < 2*(growthWarm+o.pages) {
		return fmt.Errorf("-pages %d: too many for a frontier of %d", o.pages, smallFrontier)
	}
	fmt.Printf("\na worker, %d pages after the first %d, all pages of %d hosts known and waiting from the beginning; the rate is that of storing\n\n", o.pages, growthWarm, growthHosts)
	fmt.Println("| waiting pages | pages/s | ms CPU a page | to the first | not searchable yet at the end |")
	fmt.Println("|---|---|---|---|---|")
	for range o.rounds {
		first := 0.0
		for _, n := range []int{smallFrontier, o.frontier} {
			t, lag, err := o.grown(ctx, n)
			if err != nil {
				return fmt.Errorf("%d pages: %w", n, err)
			}
			if first == 0 {
				first = t.rate()
			}
			fmt.Printf("| %d | %.0f | %s | %.2f | %d |\n", n, t.rate(), t.perPage(), t.rate()/first, lag)
		}
	}
	return nil
}

// grown crawls some of n pages that wait.
func (o options) grown(ctx context.Context, n int) (t turn, lag int64, err error) {
	most := growthWarm + o.pages
	o.hosts, o.pages = growthHosts, n
	err = o.onCourse(ctx, func(ctx context.Context, c *course) error {
		if err := c.fill(ctx); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		err := c.cluster(ctx, 1, func(s *system) error {
			from, err := c.sample(ctx, s, growthWarm)
			if err != nil {
				return err
			}
			to, err := c.sample(ctx, s, int64(most))
			if err != nil {
				return err
			}
			t = turn{took: to.at.Sub(from.at), got: int(to.n.Stored - from.n.Stored), used: since(from.used, to.used)}
			lag = to.lag
			if to.n.Admitted() != int64(c.web.pages) || to.n.Failed+to.n.Ended > 0 {
				return fmt.Errorf("of %d pages there are %+v", c.web.pages, to.n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		got, err := c.web.got(ctx)
		if err != nil {
			return err
		}
		return got.check(most, growthHosts)
	})
	return t, lag, err
}

// fill makes all pages of the web known, and none of them visited.
func (c *course) fill(ctx context.Context) (err error) {
	cat, err := sqlite.Open(ctx, c.catalog(), quietLog)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cat.Close()) }()
	cr, err := submitCrawl(ctx, cat, c.web.roots, int64(10*c.pages))
	if err != nil {
		return err
	}
	for urls := range slices.Chunk(c.web.urls(), 2000) {
		a := catalog.Admission{Crawl: cr.ID, Submitter: "bench", Origin: string(tasks.OriginSeed), Now: time.Now()}
		for _, u := range urls {
			a.Pages = append(a.Pages, catalog.Candidate{URL: u, Host: weburl.Host(u), Reach: tasks.NoLimit})
		}
		if _, err := cat.Admit(ctx, a); err != nil {
			return err
		}
	}
	return nil
}
