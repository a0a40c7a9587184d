package handlers

import (
	"context"
	"errors"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// End implements pipeline.Settler.
func (c *Crawler) End(ctx context.Context, v tasks.Visit, reason tasks.Reason, f tasks.Fact) (tasks.Result, error) {
	c.bodies.take(v.ID)
	if v.Robots {
		return c.noRobots(ctx, v, reason)
	}
	if v.Probe { // the host is there, whatever it said
		if err := c.release(ctx, v); err != nil {
			return tasks.Result{}, err
		}
	}
	lead, err := c.Catalog.CloseVisit(ctx, catalog.Closing{
		Page: v.Page, Visit: v.ID, State: catalog.Ended, Reason: string(reason), Status: f.Status, FinalURL: f.URL, Follow: reason == tasks.Redirected, Now: time.Now(),
		Took: catalog.Took(f.Took), Plan: c.planOf(ctx, v, reason, f.Status),
	})
	return tasks.Then(expand(lead)...), settled(err)
}

// Fail implements pipeline.Settler.
func (c *Crawler) Fail(ctx context.Context, v tasks.Visit, f pipeline.Failure) (tasks.Result, error) {
	c.bodies.take(v.ID)
	_, err := c.Catalog.CloseVisit(ctx, catalog.Closing{
		Page: v.Page, Visit: v.ID, State: catalog.Failed, Reason: string(f.Kind), Status: f.Fact.Status, Now: time.Now(), Took: catalog.Took(f.Fact.Took),
		Stage: string(f.Stage), Attempts: f.Attempts, Err: f.Err.Error(), Plan: c.planOf(ctx, v, "", 0),
	})
	return tasks.Done(), settled(err)
}

// settled takes a visit that lost its page for closed: it has nothing more to say.
func settled(err error) error {
	if errors.Is(err, catalog.ErrFenced) {
		return nil
	}
	return err
}

// noRobots settles a host without a robots.txt: a 4xx, or too many redirects, allows everything (RFC 9309 §2.3.1.2, §2.3.1.3).
// So does a host that cannot be asked at all; its pages meet the same reason, each for itself, and nothing is sent.
func (c *Crawler) noRobots(ctx context.Context, v tasks.Visit, reason tasks.Reason) (tasks.Result, error) {
	fresh := robotsFresh
	switch reason {
	case tasks.NoSuchHost, tasks.Private, tasks.NoContact:
		fresh = 10 * time.Minute
	}
	return c.setRobots(ctx, v, catalog.Robots{State: catalog.RobotsAllow, Until: time.Now().Add(fresh)})
}
