package main

import (
	"context"
	"fmt"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
)

// memory measures what a worker has in memory while it crawls as fast as it can.
func memory(ctx context.Context, o options) error {
	const rows = 10
	fmt.Printf("\na worker, %d pages on %d hosts\n\n", o.pages, o.hosts)
	fmt.Println("| pages | after, s | MB of its own | and of mapped files | both, at most so far |")
	fmt.Println("|---|---|---|---|---|")
	for range o.rounds {
		err := o.onCourse(ctx, func(ctx context.Context, c *course) error {
			err := c.cluster(ctx, 1, func(s *system) error {
				if err := c.submit(ctx, s, "--delay", "0"); err != nil {
					return err
				}
				began, next := time.Now(), int64(c.web.pages/rows)
				return c.watch(ctx, func(cat *sqlite.Catalog, n catalog.Counts) (bool, error) {
					done, err := isDone(ctx, cat, n)
					if err != nil || n.Stored < next && !done {
						return false, err
					}
					next += int64(c.web.pages / rows)
					for _, p := range s.processes {
						if p.name != "worker" {
							continue
						}
						r, err := p.resident()
						if err != nil {
							return false, err
						}
						fmt.Printf("| %d | %.0f | %d | %d | %d |\n", n.Stored, time.Since(began).Seconds(), r.own>>20, r.files>>20, r.peak>>20)
					}
					return done, nil
				})
			})
			if err != nil {
				return err
			}
			return c.whole(ctx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
