package handlers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/revisit"
	"example.org/trawl/tasks"
)

// How many pages are made due for another look at once, and how often the price of a look is thought over.
const (
	revisitsAtOnce = 1000
	priceEvery     = time.Hour
)

// policy is how a crawl looks at its pages again; false when it does not.
func (cr *crawl) policy() (revisit.Policy, bool) {
	s := cr.settings
	return revisit.Policy{Bounds: revisit.Bounds{Least: s.RevisitLeast, Most: s.RevisitMost}, Price: cr.Price}, s.Revisit == tasks.RevisitAuto
}

// seen is the plan for a page that was looked at now: sooner or later, as it has changed so far.
func (cr *crawl) seen(now time.Time, changed bool) catalog.Plan {
	p, ok := cr.policy()
	if !ok {
		return nil
	}
	return func(r catalog.Revisit) catalog.Revisit {
		h := revisit.History{Looks: r.Looks, Changes: r.Changes, Seen: r.Seen, Over: r.Over}
		if !r.Last.IsZero() {
			h = h.Next(now.Sub(r.Last), changed)
		}
		return catalog.Revisit{
			At: now.Add(revisit.Jitter(p.Interval(h), rand.Float64())), Last: now, Looks: h.Looks, Changes: h.Changes, Seen: h.Seen, Over: h.Over,
		}
	}
}

// closed is the plan for a page that was not found now, or not got at: what is gone is looked at less and less often.
func (cr *crawl) closed(now time.Time, reason tasks.Reason, status int) catalog.Plan {
	p, ok := cr.policy()
	if !ok {
		return nil
	}
	return func(r catalog.Revisit) catalog.Revisit {
		if r.Last.IsZero() { // it was never there
			return catalog.Revisit{}
		}
		switch reason {
		case tasks.NotFound, tasks.Gone:
			r.Gone++
			if d, ok := revisit.Gone(r.Gone, status, p.Bounds); ok {
				r.At = now.Add(revisit.Jitter(d, rand.Float64()))
			}
		default:
			r.At = now.Add(revisit.Jitter(p.Bounds.Most/4, rand.Float64()))
		}
		return r
	}
}

// planOf is the plan for a page that is closed without having been got.
func (c *Crawler) planOf(ctx context.Context, v tasks.Visit, reason tasks.Reason, status int) catalog.Plan {
	if v.Prior == nil {
		return nil
	}
	crawl, err := c.crawl(ctx, v.Crawl)
	if err != nil {
		return nil
	}
	return crawl.closed(time.Now(), reason, status)
}

// lookAgain makes pages due whose time has come, in every crawl that looks at its pages again.
func (c *Crawler) lookAgain(ctx context.Context) (int, error) {
	all, err := c.Catalog.Status(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, t := range all {
		crawl, err := c.crawl(ctx, t.Crawl)
		if err != nil {
			return total, err
		}
		if _, ok := crawl.policy(); !ok {
			continue
		}
		n, err := c.Catalog.Revisit(ctx, crawl.ID, crawl.settings.RevisitBudget, revisitsAtOnce, time.Now())
		if err != nil {
			return total, fmt.Errorf("revisits of %s: %w", t.Crawl, err)
		}
		total += n
		if err := c.price(ctx, crawl); err != nil {
			return total, fmt.Errorf("revisits of %s: %w", t.Crawl, err)
		}
	}
	return total, nil
}

// price thinks over what a look has to be worth: as much as makes the looks that are asked for meet the budget.
func (c *Crawler) price(ctx context.Context, crawl *crawl) error {
	now := time.Now()
	p, err := c.Catalog.Price(ctx, crawl.ID, now)
	if err != nil || !p.Since.IsZero() && now.Sub(p.Since) < priceEvery {
		return err
	}
	policy, _ := crawl.policy()
	policy.Price = p.Seconds
	if budget := crawl.settings.RevisitBudget; budget == 0 {
		policy.Price = 0
	} else if !p.Since.IsZero() {
		policy = policy.Adjust(float64(p.Looks+p.Late), float64(budget)*now.Sub(p.Since).Hours()/24)
	}
	return c.Catalog.SetPrice(ctx, crawl.ID, p.Since, policy.Price, now)
}
