package handlers

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"example.org/trawl/fetch"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// Resolve finds the addresses of the leg's host and refuses those that are not to be touched.
func (c *Crawler) Resolve(ctx context.Context, t tasks.Resolve) (tasks.Result, error) {
	if err := c.mayGo(ctx, t.Leg); err != nil {
		return tasks.Result{}, err
	}
	name := weburl.Hostname(t.URL())
	asked := time.Now()
	a, err := c.DNS.Lookup(ctx, name)
	leg := t.Leg
	leg.DNS = time.Since(asked).Truncate(time.Microsecond)
	fact := tasks.Fact{Took: tasks.Took{DNS: leg.DNS}}
	if err != nil {
		return tasks.Done().With(fact), fmt.Errorf("resolve %s: %w", name, err)
	}
	if a.Missing {
		return tasks.End(tasks.NoSuchHost).With(fact), nil
	}
	addrs, reason := c.usable(a.Addrs)
	if reason != "" {
		return tasks.End(reason).With(fact), nil
	}
	leg.Addrs = addrs
	if leg.Limit.PerIP > 0 {
		if err := c.Catalog.NoteHost(ctx, weburl.Host(t.URL()), addrs[0].String(), 0); err != nil {
			return tasks.Result{}, fmt.Errorf("resolve %s: %w", name, err)
		}
	}
	next, err := c.ask(ctx, leg)
	if err != nil {
		return tasks.Result{}, err
	}
	return tasks.Then(next), nil
}

// usable returns the addresses that may be dialled, or the reason why there are none. The dialler checks again.
func (c *Crawler) usable(addrs []netip.Addr) ([]netip.Addr, tasks.Reason) {
	const most = 4 // as many as are ever tried
	var out []netip.Addr
	reason := tasks.Private
	for _, a := range addrs {
		if fetch.Allowed(a, c.Policy.AllowNets) != nil {
			continue
		}
		if !c.Policy.HasContact && !c.named(a) {
			reason = tasks.NoContact
			continue
		}
		if out = append(out, a); len(out) == most {
			break
		}
	}
	if len(out) > 0 {
		return out, ""
	}
	return nil, reason
}

// named tells whether a is in a network that the operator has named.
func (c *Crawler) named(a netip.Addr) bool {
	for _, p := range c.Policy.AllowNets {
		if p.Contains(a.Unmap()) {
			return true
		}
	}
	return false
}
