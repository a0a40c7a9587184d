package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// How often an outage is probed, by one process of all, and how stale a process's view of outages and orders may be.
const (
	probeEvery  = time.Second
	boardFresh  = 500 * time.Millisecond
	probeWithin = 5 * time.Second
)

// board is what a process knows of outages, and of what an operator has said.
type board struct {
	mu     sync.Mutex
	read   time.Time
	notes  notes
	probed map[fault.Kind]time.Time
}

type notes struct {
	outages   []catalog.Outage
	pauses    []catalog.Pause
	own       map[string]catalog.HostLimits // of hosts that have limits of their own; nil while that is not known
	cancelled time.Time                     // when pages were cancelled last
}

// look reads outages and orders, unless that was done a moment ago. A catalog that does not answer leaves what was known.
func (c *Crawler) look(ctx context.Context) notes {
	b := &c.board
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.read) < boardFresh {
		return b.notes
	}
	b.read = time.Now()
	out, err := c.Catalog.Outages(ctx)
	paused, perr := c.Catalog.Pauses(ctx)
	own, oerr := c.Catalog.OwnLimits(ctx)
	at, merr := c.Catalog.Meta(ctx, catalog.CancelledKey)
	if errors.Join(err, perr, oerr, merr) == nil {
		ms, _ := strconv.ParseInt(at, 10, 64) // nothing: never
		b.notes = notes{outages: out, pauses: paused, own: own, cancelled: time.UnixMilli(ms)}
	}
	return b.notes
}

// down returns an outage, if there is one.
func (c *Crawler) down(ctx context.Context) *catalog.Outage {
	if all := c.look(ctx).outages; len(all) > 0 {
		return &all[0]
	}
	return nil
}

// mayGo returns *errBack when the visit is not to touch its host: something that everybody needs is down, or an operator has
// paused or cancelled what the page belongs to.
func (c *Crawler) mayGo(ctx context.Context, leg tasks.Leg) error {
	known := c.look(ctx)
	if len(known.outages) > 0 {
		return &errBack{known.outages[0].Kind}
	}
	v := leg.Visit
	for _, p := range known.pauses {
		if p.What == "host" && (p.Name == weburl.Host(v.URL) || p.Name == weburl.Host(leg.URL())) ||
			!v.Robots && (p.What == "crawl" && p.Name == v.Crawl || p.What == "submitter" && p.Name == v.Submitter) {
			return &errBack{"paused " + p.What + " " + p.Name}
		}
	}
	if !v.Robots && time.Since(known.cancelled) < visitLease {
		if owns, err := c.Catalog.Owns(ctx, v.Page, v.ID); err != nil || !owns {
			return cmp.Or[error](err, &errBack{string(tasks.Cancelled)})
		}
	}
	return nil
}

// suspect looks whether an error is the sign of an outage, and declares it if so.
func (c *Crawler) suspect(ctx context.Context, t tasks.Task, err error) {
	kind := fault.KindOf(err)
	switch kind {
	case fault.DNSDown, fault.StoreDown, fault.DiskFull:
	case fault.Refused, fault.Unreachable:
		kind = fault.UplinkDown
	default:
		return
	}
	if ctx.Err() != nil || !c.mayProbe(kind) {
		return
	}
	known, cerr := c.canary(ctx, kind, weburl.Host(t.About().URL))
	if !known || cerr == nil {
		return
	}
	now := time.Now()
	if derr := c.Catalog.Declare(ctx, catalog.Outage{Kind: string(kind), Since: now, Err: cerr.Error()}, now.Add(probeEvery)); derr != nil {
		c.Log.WarnContext(ctx, "declare an outage", "fault", kind, "err", derr)
		return
	}
	c.Log.WarnContext(ctx, "nothing is handed out: "+fault.Of(kind).Means, "fault", kind, "err", cerr)
	c.board.mu.Lock()
	c.board.read = time.Time{}
	c.board.mu.Unlock()
}

// mayProbe tells whether a canary may be sent: when many stages meet one trouble, one of them looks into it, once a second.
func (c *Crawler) mayProbe(kind fault.Kind) bool {
	b := &c.board
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.probed[kind]) < probeEvery {
		return false
	}
	if b.probed == nil {
		b.probed = map[fault.Kind]time.Time{}
	}
	b.probed[kind] = time.Now()
	return true
}

// canary tries what everybody needs. Known is false when that cannot be told. Except is a host that is left out, for it is known
// to be in trouble.
func (c *Crawler) canary(ctx context.Context, kind fault.Kind, except string) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	switch kind {
	case fault.DNSDown:
		return true, c.DNS.Ping(ctx)
	case fault.UplinkDown:
		return c.reached.try(ctx, c.Web, except)
	}
	return true, c.Archive.Check(ctx)
}

// Watch looks after outages until ctx is done: what is down is tried again once a second, by one process of all.
func (c *Crawler) Watch(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, o := range c.look(ctx).outages {
			if err := c.probe(ctx, o); err != nil && ctx.Err() == nil {
				c.Log.DebugContext(ctx, "probe", "fault", o.Kind, "err", err)
			}
		}
	}
}

// blind is how long an uplink is taken to be down by a process that never reached a host.
const blind = 30 * time.Second

func (c *Crawler) probe(ctx context.Context, o catalog.Outage) error {
	now := time.Now()
	mine, err := c.Catalog.Probe(ctx, o.Kind, now, now.Add(probeEvery))
	if err != nil || !mine {
		return err
	}
	known, err := c.canary(ctx, fault.Kind(o.Kind), "")
	if err != nil || !known && now.Sub(o.Since) < blind {
		return err
	}
	c.Log.WarnContext(ctx, "pages are handed out again", "fault", o.Kind, "after", now.Sub(o.Since).Round(time.Second))
	return c.Catalog.EndOutage(ctx, o.Kind)
}

// reached remembers addresses that answered a short while ago: when none of them can be connected to, it is not them.
type reached struct {
	mu  sync.Mutex
	all []answered // the newest last
}

type answered struct {
	host string
	addr netip.AddrPort
	at   time.Time
}

// How many addresses are remembered, how long, and how many are tried.
const (
	reachedKept  = 16
	reachedFresh = 30 * time.Minute
	reachedTried = 3
)

func (r *reached) add(host string, addr netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.all); n > 0 && r.all[n-1].addr == addr {
		r.all[n-1].at = time.Now()
		return
	}
	r.all = slices.DeleteFunc(r.all, func(a answered) bool { return a.addr == addr })
	r.all = append(r.all, answered{host, addr, time.Now()})
	if len(r.all) > reachedKept {
		r.all = slices.Delete(r.all, 0, 1)
	}
}

// try connects to a few of the addresses at once. Known is false when there is none but those of the host that is in trouble.
func (r *reached) try(ctx context.Context, web Web, except string) (known bool, err error) {
	r.mu.Lock()
	var to []netip.AddrPort
	for _, a := range slices.Backward(r.all) {
		if a.host != except && time.Since(a.at) < reachedFresh && len(to) < reachedTried {
			to = append(to, a.addr)
		}
	}
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(to))
	var wg sync.WaitGroup
	for i, a := range to {
		wg.Go(func() {
			if errs[i] = web.Reach(ctx, a); errs[i] == nil {
				cancel() // the others need not finish
			}
		})
	}
	wg.Wait()
	for _, err = range errs {
		if err == nil {
			break
		}
	}
	return len(to) > 0, err
}
