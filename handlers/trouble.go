package handlers

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// forgiven is after how long without a push-back the count of a host's push-backs begins again.
const forgiven = 30 * time.Minute

// breaker is how many visits in a row have to end badly at a host before it is left alone: the trouble is then the host's.
const breaker = 10

// errBroken is the error of a visit that was one too many to end badly.
type errBroken struct{ error }

func (e *errBroken) Unwrap() error { return e.error }

// errBegan is the error of a stage with the moment at which the stage began.
type errBegan struct {
	error
	at time.Time
}

func (e *errBegan) Unwrap() error { return e.error }

// began is when the stage that failed began: what is known of its host from later is news to it.
func began(err error, now time.Time) time.Time {
	if e := (*errBegan)(nil); errors.As(err, &e) {
		return e.at
	}
	return now
}

// Postpone implements pipeline.Settler. What is everybody's trouble costs no try; nor does what is the host's, which is left alone,
// with all its pages, until a single visit finds that it is over. Anything else is the page's own, which has one try less.
func (c *Crawler) Postpone(ctx context.Context, v tasks.Visit, f pipeline.Failure) (tasks.Result, error) {
	c.bodies.take(v.ID)
	rule := fault.Of(f.Kind)
	broken := (*errBroken)(nil)
	switch {
	case c.down(ctx) != nil:
		return c.back(ctx, v, string(f.Kind))
	case rule.Retries == fault.Forever, v.Robots, v.Probe, errors.As(f.Err, &broken):
		return tasks.Done(), c.hold(ctx, v, f)
	}
	now := time.Now()
	err := c.Catalog.Postpone(ctx, catalog.Postponed{
		Page: v.Page, Visit: v.ID, Due: now.Add(rule.Wait(f.Attempts)), Spent: true, Attempt: attempt(f, now),
	})
	return tasks.Done(), settled(err)
}

func attempt(f pipeline.Failure, now time.Time) catalog.Attempt {
	return catalog.Attempt{At: now, Stage: string(f.Stage), Fault: string(f.Kind), Err: f.Err.Error(), Took: catalog.Took(f.Fact.Took)}
}

// hold leaves the visit's host alone for as long as its trouble asks for.
func (c *Crawler) hold(ctx context.Context, v tasks.Visit, f pipeline.Failure) error {
	now := time.Now()
	if v.Robots && fault.Of(f.Kind).Retries != fault.Forever {
		f.Kind = fault.RobotsDown // whatever kept it: nothing may be fetched (RFC 9309 §2.3.1.4)
	}
	h := catalog.Hold{
		Host: weburl.Host(v.URL), State: hostState(f.Kind), Began: began(f.Err, now), Now: now, Patience: c.Policy.Patience, Quiet: forgiven,
		Wait: func(n int) time.Duration { return holdFor(f, n) }, Attempt: attempt(f, now), Page: v.Page, Visit: v.ID,
	}
	if v.Robots {
		h.Page = 0
	}
	held, err := c.Catalog.HoldHost(ctx, h)
	if err != nil {
		return err
	}
	c.Log.InfoContext(ctx, "host is left alone: "+fault.Of(f.Kind).Means, "host", h.Host, "until", held.Until, "times", held.Fails, "err", f.Err)
	return c.Gate.Hold(ctx, h.Host, held.Holds)
}

// holdFor is how long a host is left alone after a trouble that was met n times in a row: what it asked for, or by the fault table;
// up to a tenth longer, so that not everything begins again at one moment.
func holdFor(f pipeline.Failure, n int) time.Duration {
	rule := fault.Of(f.Kind)
	if rule.Retries != fault.Forever { // the breaker's
		rule = fault.Of(fault.Unreachable)
	}
	d := rule.Wait(n)
	if asked := fault.RetryAfter(f.Err); asked > 0 {
		d = asked
	}
	return d + rand.N(d/10+1)
}

func hostState(k fault.Kind) catalog.HostState {
	switch k {
	case fault.PushedBack:
		return catalog.HostBackoff
	case fault.DNSDown:
		return catalog.HostDNS
	case fault.RobotsDown:
		return catalog.HostRobots
	}
	return catalog.HostDead
}

// release says that the visit's host answers again.
func (c *Crawler) release(ctx context.Context, v tasks.Visit) error {
	return c.Catalog.ReleaseHost(ctx, weburl.Host(v.URL), time.Now())
}

// errBack says that the visit's page has to wait in the frontier: nothing is wrong with it.
type errBack struct{ why string }

func (e *errBack) Error() string { return "back to the frontier: " + e.why }

// back ends a visit whose page waits again, with all its tries.
func (c *Crawler) back(ctx context.Context, v tasks.Visit, why string) (tasks.Result, error) {
	_, err := c.Catalog.Requeue(ctx, []catalog.Lease{{Visit: v.ID, Page: v.Page, Robots: v.Robots}}, time.Now())
	return tasks.Done().With(tasks.Fact{Reason: "back to the frontier: " + why}), err
}
