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
	var h catalog.Host
	var delay, at, until int64
	err := c.reads.QueryRowContext(ctx, `SELECT id, name, robots_state, coalesce(robots, x''), robots_delay, robots_at, robots_until, robots_fails FROM hosts WHERE `+where, arg).
		Scan(&h.ID, &h.Name, &h.Robots.State, &h.Robots.Body, &delay, &at, &until, &h.Robots.Fails)
	if errors.Is(err, sql.ErrNoRows) {
		return h, fmt.Errorf("host %v: %w", arg, catalog.ErrNotFound)
	}
	if err != nil {
		return h, sqlError(err)
	}
	h.Robots.CrawlDelay = time.Duration(delay)
	h.Robots.At, h.Robots.Until = time.UnixMilli(at), time.UnixMilli(until)
	err = c.reads.QueryRowContext(ctx, `SELECT `+sums+` FROM counts WHERE dim=1 AND ref=?`, h.ID).
		Scan(&h.Waiting, &h.Queued, &h.Stored, &h.Failed, &h.Ended, &h.Bytes)
	return h, wrap(err)
}

const sums = `coalesce(sum(waiting),0), coalesce(sum(queued),0), coalesce(sum(stored),0), coalesce(sum(failed),0), coalesce(sum(ended),0), coalesce(sum(bytes),0)`

// SetRobots writes what the visit found out about the host's robots.txt; the host's pages are then due. Fails is counted here.
// ErrFenced: the visit was given up meanwhile.
func (c *Catalog) SetRobots(ctx context.Context, host int64, visit string, r catalog.Robots) error {
	fenced := false
	err := c.write.do(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE hosts SET robots_state=?, robots=?, robots_delay=?, robots_at=?, robots_until=?,
				robots_fails=CASE WHEN ?=3 THEN robots_fails+1 ELSE 0 END, robots_visit='', promote_at=?
			WHERE id=? AND robots_visit=?`,
			int(r.State), r.Body, int64(r.CrawlDelay), r.At.UnixMilli(), r.Until.UnixMilli(), int(r.State), r.At.UnixMilli(), host, visit)
		fenced = n == 0
		return err
	})
	if err == nil && fenced {
		err = catalog.ErrFenced
	}
	return err
}
