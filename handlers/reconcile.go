package handlers

import (
	"context"
	"fmt"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

// leasesAtOnce bounds the visits that are asked after in one go.
const leasesAtOnce = 1000

// leadPatience is how long a page's links may wait to be admitted before it is looked into, in handovers.
const leadPatience = 6

// scheduleLate is how long after its time a submission is taken to have been missed by the schedulers.
const scheduleLate = 5 * time.Second

// Reconcile puts back into the frontier what the queue has lost. In the usual case it looks at the visits whose lease ran out.
// When the queue is not the one that the window was handed out to, because Redis lost its data or the crawl was moved, it looks
// at all of them.
func (c *Crawler) Reconcile(ctx context.Context, _ tasks.Reconcile) (tasks.Result, error) {
	epoch, err := c.Work.Epoch(ctx)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	known, err := c.Catalog.Meta(ctx, "epoch")
	if err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	now := time.Now()
	// Whoever is alive gets until then, which is later than any lease that was given so far.
	until := now.Add(visitLease)
	before := now
	if epoch != known {
		// A visit that was promoted a moment ago may be on its way into the queue: it is looked at next time.
		before = until.Add(-c.Work.Handover())
	}
	lost, err := c.reclaim(ctx, before, until)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	if lost > 0 {
		c.Log.InfoContext(ctx, "visits that the queue had lost wait again", "visits", lost)
	}
	if epoch != known && c.lookedAt(epoch, now) {
		if err := c.Catalog.SetMeta(ctx, "epoch", epoch); err != nil {
			return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
		}
	}
	res := tasks.Done().With(tasks.Fact{Reason: fmt.Sprintf("%d visits put back", lost)})
	// Whose links have waited for long may have lost the task that was to admit them; one that is still there is not doubled.
	waited := now.Add(-leadPatience * c.Work.Handover())
	if epoch != known {
		waited = now.Add(-c.Work.Handover())
	}
	leads, err := c.Catalog.Leads(ctx, waited, leasesAtOnce)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	for _, l := range leads {
		res = res.And(expand(&l)...)
	}
	late, err := c.Catalog.Schedules(ctx, now.Add(-scheduleLate))
	if err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	if len(late) > 0 { // no scheduler ran when they were due
		res = res.And(tasks.Schedule{Entry: "late"})
	}
	if _, err := c.lookAgain(ctx); err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	lag, err := c.Catalog.IndexLag(ctx)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("reconcile: %w", err)
	}
	if lag > 0 {
		c.announce(&res)
	}
	return res, nil
}

// lookedAt tells whether the epoch has been there for so long that every visit from before it has been looked at.
func (c *Crawler) lookedAt(epoch string, now time.Time) bool {
	first, ok := c.epochs.get(epoch)
	if !ok {
		first = now
		c.epochs.put(epoch, now, 100)
	}
	return now.Sub(first) >= 2*c.Work.Handover()
}

// reclaim gives the visits with a lease before the given time another one if they are alive, and puts their pages back if not.
func (c *Crawler) reclaim(ctx context.Context, before, until time.Time) (lost int, err error) {
	for {
		leases, err := c.Catalog.Leases(ctx, before, leasesAtOnce)
		if err != nil || len(leases) == 0 {
			return lost, err
		}
		visits := make([]string, len(leases))
		for i, l := range leases {
			visits[i] = l.Visit
		}
		alive, err := c.Work.Alive(ctx, visits)
		if err != nil {
			return lost, err
		}
		var keep, drop []catalog.Lease
		for i, l := range leases {
			if alive[i] {
				keep = append(keep, l)
			} else {
				drop = append(drop, l)
			}
		}
		if err := c.Catalog.Extend(ctx, keep, until); err != nil {
			return lost, err
		}
		n, err := c.Catalog.Requeue(ctx, drop, time.Now())
		if err != nil {
			return lost, err
		}
		lost += n
	}
}
