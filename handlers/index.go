package handlers

import (
	"context"
	"fmt"
	"time"

	"example.org/trawl/tasks"
)

// indexBatch is how many pages become searchable in one transaction.
const indexBatch = 500

// indexTime is how long one index task goes on before it lets another follow.
const indexTime = 30 * time.Second

// Index makes stored pages searchable, batch by batch, until none is left.
func (c *Crawler) Index(ctx context.Context, t tasks.Index) (tasks.Result, error) {
	total := 0
	for began := time.Now(); time.Since(began) < indexTime; {
		n, err := c.Catalog.IndexBatch(ctx, indexBatch)
		if err != nil {
			return tasks.Result{}, fmt.Errorf("index: %w", err)
		}
		total += n
		if n == 0 {
			return tasks.Done().With(tasks.Fact{Reason: fmt.Sprintf("%d pages", total)}), nil
		}
	}
	return tasks.Then(tasks.Index{Batch: t.Batch + "+"}).With(tasks.Fact{Reason: fmt.Sprintf("%d pages, more to come", total)}), nil
}
