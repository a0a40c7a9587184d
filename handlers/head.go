package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"example.org/trawl/fetch"
	"example.org/trawl/tasks"
)

// ask is the stage that asks the host: for the header alone first where the crawl wants that, or for the body.
func (c *Crawler) ask(ctx context.Context, leg tasks.Leg) (tasks.Task, error) {
	if leg.Head || leg.Visit.Robots || leg.Visit.Sitemap || leg.Visit.Prior != nil {
		return tasks.Fetch{Leg: leg}, nil
	}
	crawl, err := c.crawl(ctx, leg.Visit.Crawl)
	if err != nil {
		return nil, fmt.Errorf("settings of %s: %w", leg.Visit.Crawl, err)
	}
	switch mode := crawl.settings.Head; {
	case mode == tasks.HeadAlways, mode == tasks.HeadAuto && suspect(leg.URL()):
		return tasks.Head{Leg: leg}, nil
	}
	return tasks.Fetch{Leg: leg}, nil
}

// Head asks for the header and ends the visit when that is enough to know that the body is not wanted. Anything else, also a
// host that does not know HEAD, is left to fetch.
func (c *Crawler) Head(ctx context.Context, t tasks.Head) (tasks.Result, error) {
	a, err := c.touch(ctx, t.Leg, http.MethodHead)
	if leg, ok, err := c.later(ctx, t.Leg, err); ok {
		return tasks.Then(tasks.Head{Leg: leg}), err
	}
	if err != nil {
		if reason := guarded(err); reason != "" {
			return tasks.End(reason), nil
		}
		return tasks.Done().With(tasks.Fact{Took: took(t.Leg, fetch.TimesOf(err), time.Time{})}), fmt.Errorf("head %s: %w", t.URL(), err)
	}
	if err := a.leave(nil); err != nil {
		return tasks.Result{}, fmt.Errorf("head %s: %w", t.URL(), err)
	}
	fact := tasks.Fact{Status: a.Status, Took: took(t.Leg, a.Times, time.Time{})}
	if reason := c.closedBy(a); reason != "" {
		return tasks.End(reason).With(fact), nil
	}
	leg, err := c.again(ctx, t.Leg)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("head %s: %w", t.URL(), err)
	}
	leg.Head = true
	return tasks.Then(tasks.Fetch{Leg: leg}).With(fact), nil
}

// closedBy returns why the header alone ends the visit, or "".
func (c *Crawler) closedBy(a *answer) tasks.Reason {
	switch {
	case a.Status == http.StatusNotFound, a.Status == http.StatusGone:
		return verdict(a.Status)
	case a.Status < 200 || a.Status > 299:
		return ""
	}
	return c.refuse(a.Header.Get("Content-Type"), contentLength(a.Header))
}

func contentLength(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
