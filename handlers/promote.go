package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.org/trawl/catalog"
	"example.org/trawl/frontier"
	"example.org/trawl/robots"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// The bounds of the window: the part of the frontier that is handed out.
const (
	windowHorizon = time.Minute     // of a host's time
	busyHorizon   = 2 * time.Second // of it while workers have more than they can do: all hosts get some, and none all
	visitLease    = 6 * time.Minute // from then on, after which reconcile asks whether the visit still exists; the horizon is part of it
)

// Promote moves due pages from the frontier into the window.
func (c *Crawler) Promote(ctx context.Context, _ tasks.Promote) (tasks.Result, error) {
	if err := c.promoting.take(ctx); err != nil {
		return tasks.Result{}, err
	}
	defer c.promoting.give()
	return c.promote(ctx)
}

// promote hands out due pages, reserves their slots and returns their first stages. The caller holds promoting.
func (c *Crawler) promote(ctx context.Context) (tasks.Result, error) {
	c.promoted.Store(time.Now().UnixMilli())
	w, why, err := c.window(ctx)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("promote: %w", err)
	}
	if why != "" {
		return tasks.Done().With(tasks.Fact{Reason: why}), nil
	}
	batches, err := c.Catalog.Promote(ctx, w)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("promote: %w", err)
	}
	hosts := map[int64][]catalog.Batch{}
	n := 0
	for _, b := range batches {
		n += len(b.Pages)
		hosts[b.HostID] = append(hosts[b.HostID], b)
	}
	var mu sync.Mutex
	var errs []error
	res := tasks.Done()
	var g errgroup.Group
	g.SetLimit(64) // writes that wait together share a transaction
	for _, batches := range hosts {
		g.Go(func() error {
			for _, b := range batches {
				more, err := c.start(ctx, b)
				if err != nil {
					err = errors.Join(fmt.Errorf("promote %s: %w", b.Host, err), c.giveBack(ctx, b))
				}
				mu.Lock()
				res.Next, res.Closed, errs = append(res.Next, more.Next...), append(res.Closed, more.Closed...), append(errs, err)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait()                                  // errs has the errors
	if len(res.Next) > 0 || len(res.Closed) > 0 { // what went well must go on, whatever else did not
		for _, err := range errs {
			if err != nil {
				c.Log.WarnContext(ctx, "promotion", "err", err)
			}
		}
		errs = nil
	}
	return res.With(tasks.Fact{Reason: fmt.Sprintf("%d pages in %d batches", n, len(batches))}), errors.Join(errs...)
}

// start turns what a host was handed out into visits.
func (c *Crawler) start(ctx context.Context, b catalog.Batch) (tasks.Result, error) {
	switch {
	case b.RobotsVisit != "":
		v := tasks.Visit{ID: b.RobotsVisit, Page: b.HostID, URL: robotsURL(b.Host), Robots: true, Probe: b.Probe}
		return c.slots(ctx, b, []tasks.Visit{v})
	case b.GivenUp != nil:
		return c.fail(ctx, b)
	}
	allowed, closed, err := c.obeyRobots(ctx, b)
	if err != nil {
		return tasks.Result{}, err
	}
	res, err := c.slots(ctx, b, allowed)
	res.Closed = closed
	return res, err
}

func robotsURL(host string) string {
	u, err := weburl.Canonical(host + "/robots.txt")
	if err != nil {
		return host + "/robots.txt"
	}
	return u
}

// slots reserves a slot for each visit and returns its first stage.
func (c *Crawler) slots(ctx context.Context, b catalog.Batch, visits []tasks.Visit) (tasks.Result, error) {
	if len(visits) == 0 {
		return tasks.Done(), nil
	}
	limit := tasks.Limit{Delay: b.Delay, Floor: b.Floor, PerHost: b.PerHost, PerDomain: b.PerDomain, PerIP: b.PerIP, Adapt: b.Adapt}
	slot, apart, err := c.reserve(ctx, b, frontier.Units(b.Host, netip.Addr{}, gateLimit(limit))[0], visits)
	if err != nil {
		return tasks.Result{}, err
	}
	if err := c.notePace(ctx, b, apart); err != nil {
		return tasks.Result{}, err
	}
	next := make([]tasks.Task, len(visits))
	for i, v := range visits {
		leg := tasks.Leg{Visit: v, Limit: limit, Urgent: b.Urgent, Slot: slot.Add(time.Duration(i) * apart).UnixMilli()}
		if next[i], err = c.first(ctx, leg); err != nil {
			return tasks.Result{}, err
		}
	}
	return tasks.Then(next...), nil
}

// stretched is how much further the slots of a host may reach than its pages that are handed out need, before they are
// handed out anew.
const stretched = windowHorizon / 4

// reserve reserves slots for visits of b. When the host's delay has become shorter, those handed out before are further apart than they
// have to be, up to a minute ahead: they are recalled, so that the new ones come in between. Whoever has an old one comes then, and
// gets another if its turn is taken.
func (c *Crawler) reserve(ctx context.Context, b catalog.Batch, host frontier.Unit, visits []tasks.Visit) (slot time.Time, apart time.Duration, err error) {
	var urgent []string
	if b.Urgent {
		for _, v := range visits {
			urgent = append(urgent, v.ID)
		}
	}
	slot, apart, err = c.Gate.Reserve(ctx, host, len(visits), urgent, b.Holds)
	ahead := time.Until(slot)
	switch {
	case err != nil || b.Urgent:
		return slot, apart, err
	case apart == 0: // it has no slots any more
		return time.Now(), 0, nil
	case ahead-time.Duration(b.Queued+1)*apart < stretched:
		return slot, apart, nil
	}
	if err = c.Gate.Recall(ctx, b.Host); err != nil {
		return slot, apart, err
	}
	return c.Gate.Reserve(ctx, host, len(visits), nil, b.Holds)
}

func gateLimit(l tasks.Limit) frontier.Limit {
	return frontier.Limit{Delay: l.Delay, PerHost: l.PerHost, PerDomain: l.PerDomain, PerIP: l.PerIP, Adapt: l.Adapt}
}

// notePace remembers how far apart a host's starts turn out to be: its window and every estimate go by that.
func (c *Crawler) notePace(ctx context.Context, b catalog.Batch, apart time.Duration) error {
	known := max(b.Pace, b.Delay)
	if (apart - known).Abs() <= known/32 {
		return nil
	}
	return c.Catalog.NoteHost(ctx, b.Host, "", apart)
}

// fail closes pages of a host that has been in trouble for too long.
func (c *Crawler) fail(ctx context.Context, b catalog.Batch) (tasks.Result, error) {
	res := tasks.Done()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(64) // writes that wait together share a transaction
	for _, p := range b.Pages {
		res.Closed = append(res.Closed, tasks.Closed{Visit: visitOf(p), Fault: b.GivenUp.Fault})
		g.Go(func() error {
			_, err := c.Catalog.CloseVisit(gctx, catalog.Closing{
				Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: b.GivenUp.Fault, Now: time.Now(),
				Stage: string(tasks.KindPromote), Attempts: p.Tries + b.GivenUp.Fails, Err: b.GivenUp.Err,
			})
			return settled(err)
		})
	}
	return res, g.Wait()
}

// first is the first stage that has something to do for the leg: resolve is passed over when the address is known.
func (c *Crawler) first(ctx context.Context, leg tasks.Leg) (tasks.Task, error) {
	a, ok := c.DNS.Cached(weburl.Hostname(leg.URL()))
	if !ok || a.Missing {
		return tasks.Resolve{Leg: leg}, nil
	}
	addrs, reason := c.usable(a.Addrs)
	if reason != "" {
		return tasks.Resolve{Leg: leg}, nil
	}
	leg.Addrs = addrs
	return c.ask(ctx, leg)
}

// obeyRobots closes the pages that robots.txt forbids and returns the visits of the others.
func (c *Crawler) obeyRobots(ctx context.Context, b catalog.Batch) (allowed []tasks.Visit, closed []tasks.Closed, err error) {
	rules, err := c.rulesOf(ctx, b.HostID, b.RobotsAt)
	if err != nil {
		return nil, nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(64) // writes that wait together share a transaction
	for _, p := range b.Pages {
		v := visitOf(p)
		v.Probe = b.Probe
		if ok, _ := rules.Allowed(weburl.Path(p.URL)); ok {
			allowed = append(allowed, v)
			continue
		}
		closed = append(closed, tasks.Closed{Visit: v, Reason: tasks.Robots})
		g.Go(func() error {
			_, err := c.Catalog.CloseVisit(gctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: string(tasks.Robots), Now: time.Now()})
			return settled(err)
		})
	}
	return allowed, closed, g.Wait()
}

func visitOf(p catalog.Promoted) tasks.Visit {
	v := tasks.Visit{ID: p.Visit, Page: p.ID, URL: p.URL, Crawl: p.Crawl, Submitter: p.Submitter, Depth: p.Depth, Reach: p.Reach, Sitemap: p.Sitemap, Tries: p.Tries}
	if p.Payload != "" {
		v.Prior = &tasks.Prior{ETag: p.ETag, LastModified: p.LastModified, Payload: p.Payload, At: p.BodyAt, URL: p.FinalURL}
	}
	return v
}

// giveBack returns what could not be started.
func (c *Crawler) giveBack(ctx context.Context, b catalog.Batch) error {
	var l []catalog.Lease
	for _, p := range b.Pages {
		l = append(l, catalog.Lease{Visit: p.Visit, Page: p.ID})
	}
	if b.RobotsVisit != "" {
		l = append(l, catalog.Lease{Visit: b.RobotsVisit, Page: b.HostID, Robots: true})
	}
	_, err := c.Catalog.Requeue(context.WithoutCancel(ctx), l, time.Now().Add(time.Second))
	return err
}

// hostRules are a host's robots rules for us, as they were read at a time.
type hostRules struct {
	robots.Rules
	at time.Time
}

type rulesCache = cache[int64, hostRules]

// rulesOf returns the robots rules of a host that were read at the given time; the zero time means whichever hold.
func (c *Crawler) rulesOf(ctx context.Context, host int64, at time.Time) (robots.Rules, error) {
	if r, ok := c.rules.get(host); ok && r.at.Equal(at) {
		return r.Rules, nil
	}
	h, err := c.Catalog.HostByID(ctx, host)
	if err != nil {
		return robots.Rules{}, err
	}
	r := hostRules{at: h.Robots.At, Rules: robots.Parse(h.Robots.Body).For(c.Policy.Agent)}
	c.rules.put(host, r, 20_000)
	return r.Rules, nil
}
