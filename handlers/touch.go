package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/fetch"
	"example.org/trawl/frontier"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// patience is how long a stage waits in its place for a host. A task may start up to a second before its slot, for the queue
// counts whole seconds; what has to wait longer goes back to the queue.
const patience = 2 * time.Second

// errLater says that the host cannot be touched soon.
type errLater struct {
	at  time.Time
	own bool // at is the visit's own, for which it came too early
}

func (e *errLater) Error() string { return "host is to be touched at " + e.at.Format(time.TimeOnly) }

// answer is a response whose visit is still at the host. Leave must be called, once the body is read, with the error that the
// visit ended with.
type answer struct {
	*fetch.Response
	leave func(error) error
}

// touch sends one request to the leg's host when its turn comes. An *errLater says that the turn is too far away to wait for, an
// *errBack that the host is not to be touched for now.
func (c *Crawler) touch(ctx context.Context, leg tasks.Leg, method string) (*answer, error) {
	if err := waitUntil(ctx, leg.At()); err != nil {
		return nil, err
	}
	if err := c.mayGo(ctx, leg); err != nil {
		return nil, err
	}
	host := weburl.Host(leg.URL())
	units := frontier.Units(host, first(leg.Addrs), gateLimit(c.limit(ctx, leg)))
	give := func() {}
	if !leg.Urgent { // it goes before the others
		var err error
		if give, err = c.turns.take(ctx, host, units[0].Places, patience); err != nil {
			return nil, err
		}
	}
	probe := leg.Visit.Probe
	enter := func() (time.Duration, error) { return c.Gate.Enter(ctx, units, leg.Visit.ID, probe) }
	if err := poll(ctx, enter); err != nil {
		give()
		if l := (*errLater)(nil); errors.As(err, &l) && len(units) > 1 {
			l.own = true // its domain or address has given it a moment, which it must not miss
		}
		return nil, held(err)
	}
	stop := c.stay(ctx, host, enter)
	leave := func(lag time.Duration, err error) error {
		stop()
		defer give()
		// Also when ctx is done: the place must be given back.
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		bad, lerr := c.Gate.Leave(free, units, leg.Visit.ID, frontier.Seen{Lag: lag, End: ending(err)})
		if lerr != nil {
			c.Log.WarnContext(ctx, "leave", "host", host, "err", lerr)
		}
		if err != nil && bad >= breaker {
			return &errBroken{err}
		}
		return err
	}
	started := time.Time{} // not after the moment that the gate noted
	req := fetch.Request{Method: method, URL: leg.URL(), Addrs: leg.Addrs, Go: func(ctx context.Context) error {
		return held(poll(ctx, func() (time.Duration, error) {
			started = time.Now()
			return c.Gate.Start(ctx, units, leg.Visit.ID, probe)
		}))
	}}
	// What marks a version is the mark of one URL: behind a redirect it is another's.
	if p := leg.Visit.Prior; p != nil && leg.URL() == priorURL(leg.Visit) && method == http.MethodGet {
		req.ETag, req.LastModified = p.ETag, p.LastModified
	}
	resp, err := c.Web.Do(ctx, req)
	lag := time.Duration(0)
	if !started.IsZero() {
		lag = time.Since(started)
	}
	if err != nil {
		return nil, leave(lag, err)
	}
	c.reached.add(host, resp.Remote)
	return &answer{Response: resp, leave: func(err error) error {
		resp.Body.Close()
		err = leave(lag, err)
		if err == nil && probe { // the host is there
			err = c.release(ctx, leg.Visit)
		}
		return err
	}}, nil
}

// limit is how hard the leg's host may be pressed: as it was when the visit was handed out, but as an operator or the crawl says now.
func (c *Crawler) limit(ctx context.Context, leg tasks.Leg) tasks.Limit {
	l, all := leg.Limit, c.look(ctx).own
	if own, ok := all[weburl.Host(leg.URL())]; ok {
		l.Delay, l.PerHost = own.Delay, own.PerHost
	} else if crawl, err := c.crawl(ctx, leg.Visit.Crawl); err == nil && all != nil {
		l.Delay, l.PerHost = max(l.Floor, crawl.settings.Delay), min(l.PerHost, crawl.settings.PerHost)
	}
	return l
}

func first(addrs []netip.Addr) netip.Addr {
	if len(addrs) == 0 {
		return netip.Addr{}
	}
	return addrs[0]
}

// held turns the gate's refusal into the visit's way back.
func held(err error) error {
	if errors.Is(err, frontier.ErrHeld) {
		return &errBack{"its host is left alone"}
	}
	return err
}

// ending is how a visit with that error ended for its host.
func ending(err error) frontier.End {
	if err == nil {
		return frontier.Well
	}
	if rule := fault.Of(fault.KindOf(err)); rule.Blame == fault.BlameHost && rule.Retries != fault.Forever {
		return frontier.Badly
	}
	return frontier.Neither
}

// stay renews the visit's place at the host until it is told to stop: the place of a worker that died is free again soon.
func (c *Crawler) stay(ctx context.Context, host string, enter func() (time.Duration, error)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(frontier.Permit / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, err := enter(); err != nil && !errors.Is(err, frontier.ErrHeld) && ctx.Err() == nil {
					c.Log.WarnContext(ctx, "keep a place", "host", host, "err", err)
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// poll asks until there is nothing to wait for, or returns *errLater when it would have to wait for longer than patience.
func poll(ctx context.Context, ask func() (time.Duration, error)) error {
	deadline := time.Now().Add(patience)
	for {
		wait, err := ask()
		if err != nil || wait == 0 {
			return err
		}
		at := time.Now().Add(wait)
		if at.After(deadline) {
			return &errLater{at: at}
		}
		if err := waitUntil(ctx, at); err != nil {
			return err
		}
	}
}

// waitUntil waits for a moment that is near, or returns *errLater.
func waitUntil(ctx context.Context, at time.Time) error {
	wait := time.Until(at)
	if wait <= 0 {
		return nil
	}
	if wait > patience {
		return &errLater{at: at, own: true}
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// later tells whether err is about the visit's turn, and returns the leg for another time: for its own slot, or, when the host is
// behind with those, for a new one. Whoever came back on and on to a host that is busy would keep the queue busy too.
func (c *Crawler) later(ctx context.Context, leg tasks.Leg, err error) (tasks.Leg, bool, error) {
	var l *errLater
	if !errors.As(err, &l) {
		return leg, false, nil
	}
	if l.own {
		return leg.Again(l.at), true, nil
	}
	leg, err = c.again(ctx, leg)
	if leg.At().Before(l.at) { // a host without slots to keep
		leg.Slot = l.at.UnixMilli()
	}
	return leg, true, err
}

// again reserves another slot at the host of the leg.
func (c *Crawler) again(ctx context.Context, leg tasks.Leg) (tasks.Leg, error) {
	host := frontier.Units(weburl.Host(leg.URL()), netip.Addr{}, gateLimit(c.limit(ctx, leg)))[0]
	var urgent []string
	if leg.Urgent {
		urgent = []string{leg.Visit.ID}
	}
	slot, _, err := c.Gate.Reserve(ctx, host, 1, urgent, 0)
	if err != nil {
		return leg, err
	}
	return leg.Again(slot), nil
}

// statusFault is the error for a status that is worth another try, or nil.
func statusFault(resp *fetch.Response, robots bool) error {
	err := fmt.Errorf("%d %s", resp.Status, http.StatusText(resp.Status))
	switch {
	case resp.Status == http.StatusServiceUnavailable && robots: // RFC 9309 §2.3.1.4 takes all of 5xx alike
		return &fault.Error{Kind: fault.RobotsDown, Err: err, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case resp.Status == http.StatusTooManyRequests, resp.Status == http.StatusServiceUnavailable:
		return &fault.Error{Kind: fault.PushedBack, Err: err, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case resp.Status >= 500:
		return fault.New(fault.ServerError, err)
	}
	return nil
}

// maxRetryAfter bounds what a host may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header in both of its forms (RFC 9110 §10.2.3); 0 when it says nothing.
func retryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	switch n, err := strconv.ParseUint(v, 10, 64); {
	case errors.Is(err, strconv.ErrRange):
		return maxRetryAfter
	case err == nil:
		return time.Duration(min(n, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// verdict is the reason for which a status ends a visit, or "".
func verdict(status int) tasks.Reason {
	switch {
	case status == http.StatusNotFound:
		return tasks.NotFound
	case status == http.StatusGone:
		return tasks.Gone
	case status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		return tasks.ClientError
	}
	return ""
}
