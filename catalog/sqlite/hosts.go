package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

// Host returns the host of that name, or ErrNotFound.
func (c *Catalog) Host(ctx context.Context, name string) (catalog.Host, error) {
	return c.hostWhere(ctx, "name=?", name)
}

// HostByID returns the host with that ID, or ErrNotFound.
func (c *Catalog) HostByID(ctx context.Context, id int64) (catalog.Host, error) {
	return c.hostWhere(ctx, "id=?", id)
}

func (c *Catalog) hostWhere(ctx context.Context, where string, arg any) (catalog.Host, error) {
	h, err := scanHost(c.reads.QueryRowContext(ctx, `SELECT `+hostColumns+` FROM hosts h WHERE `+where, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return h, fmt.Errorf("host %v: %w", arg, catalog.ErrNotFound)
	}
	if err != nil {
		return h, sqlError(err)
	}
	err = c.reads.QueryRowContext(ctx, `SELECT `+sums+` FROM counts WHERE dim=1 AND ref=?`, h.ID).
		Scan(&h.Waiting, &h.Queued, &h.Stored, &h.Failed, &h.Ended, &h.Bytes)
	return h, wrap(err)
}

const hostColumns = `h.id, h.name, h.site, h.robots_state, coalesce(h.robots, x''), h.robots_delay, h.robots_at, h.robots_until, h.pace, h.promote_at,
	h.state, h.since, h.until, h.fails, h.fault, h.error, h.given_up, h.own_delay, h.own_per_host, EXISTS (SELECT 1 FROM pauses WHERE what='host' AND name=h.name)`

func scanHost(r interface{ Scan(...any) error }) (h catalog.Host, err error) {
	var delay, at, until, pace, next, since, tried, own int64
	var state, perHost int
	x := &h.Trouble
	err = r.Scan(&h.ID, &h.Name, &h.Site, &h.Robots.State, &h.Robots.Body, &delay, &at, &until, &pace, &next,
		&state, &since, &tried, &x.Fails, &x.Fault, &x.Err, &x.GivenUp, &own, &perHost, &h.Paused)
	if err != nil {
		return h, err
	}
	h.Own = ownLimits(own, perHost)
	h.Robots.CrawlDelay, h.Pace = time.Duration(delay), time.Duration(pace)
	h.Robots.At, h.Robots.Until, h.NextAt = time.UnixMilli(at), time.UnixMilli(until), time.UnixMilli(next)
	x.State, x.Since, x.Until = catalog.HostStates()[state], time.UnixMilli(since), time.UnixMilli(tried)
	return h, nil
}

const sums = `coalesce(sum(waiting),0), coalesce(sum(queued),0), coalesce(sum(stored),0), coalesce(sum(failed),0), coalesce(sum(ended),0), coalesce(sum(bytes),0)`

// SetRobots writes what the visit found out about the host's robots.txt; the host's pages are then due, and a trouble of the host
// is over, for it answered. ErrFenced: the visit was given up meanwhile.
func (c *Catalog) SetRobots(ctx context.Context, host int64, visit string, r catalog.Robots) error {
	fenced := false
	err := c.write.do(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE hosts SET robots_state=?, robots=?, robots_delay=?, robots_at=?, robots_until=?, robots_visit='', `+untroubled+` WHERE id=? AND robots_visit=?`,
			int(r.State), r.Body, int64(r.CrawlDelay), r.At.UnixMilli(), r.Until.UnixMilli(), host, visit)
		if fenced = n == 0; err != nil || fenced {
			return err
		}
		return t.freeHost(host, r.At)
	})
	if err == nil && fenced {
		err = catalog.ErrFenced
	}
	return err
}
