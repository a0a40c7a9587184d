package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"example.org/trawl/catalog"
)

// untroubled makes a host one that can be visited. Its push-backs stay, with the time until which it was held: they are forgiven later.
const untroubled = `state=0, since=0, fails=0, fault='', error='', given_up=0`

// HoldHost notes a trouble of a host: until it is over, or tried again, none of its pages is handed out. A visit that began before
// the host was held last has met the same trouble, which is not counted twice. The visit's own page waits again.
func (c *Catalog) HoldHost(ctx context.Context, h catalog.Hold) (catalog.Held, error) {
	var out catalog.Held
	err := c.write.do(ctx, func(t *tx) error {
		out = catalog.Held{}
		id, err := c.id(t, "hosts", h.Host)
		if err != nil {
			return err
		}
		if out, err = t.hold(id, h); err != nil {
			return err
		}
		if h.Page == 0 {
			_, err = t.exec(`UPDATE hosts SET robots_visit='' WHERE id=? AND robots_visit=?`, id, h.Visit)
			return err
		}
		back, err := t.putBack(catalog.Postponed{Page: h.Page, Visit: h.Visit})
		if err != nil || !back {
			return err
		}
		return t.attempt(h.Page, h.Attempt)
	})
	return out, err
}

func (t *tx) hold(id int64, h catalog.Hold) (catalog.Held, error) {
	var state, fails, pushes int
	var until, since, heldAt, holds int64
	_, err := t.row(`SELECT state, until, since, held_at, holds, fails, pushes FROM hosts WHERE id=?`, []any{id}, &state, &until, &since, &heldAt, &holds, &fails, &pushes)
	if err != nil {
		return catalog.Held{}, err
	}
	now, last := h.Now.UnixMilli(), until
	if state == 0 { // of the last trouble, that is over
		since, until = now, 0
	}
	if state == 0 || h.Began.UnixMicro() > heldAt {
		fails++
		holds++
		if h.State == catalog.HostBackoff {
			if h.Now.Sub(time.UnixMilli(last)) > h.Quiet {
				pushes = 0
			}
			pushes++
		}
		heldAt = h.Now.UnixMicro()
	}
	n := fails
	if h.State == catalog.HostBackoff {
		n = pushes
	}
	until = max(until, h.Now.Add(h.Wait(n)).UnixMilli())
	x := catalog.Trouble{
		State: h.State, Since: time.UnixMilli(since), Until: time.UnixMilli(until), Fails: fails, Fault: h.Fault, Err: h.Err,
		GivenUp: h.Patience > 0 && now-since >= h.Patience.Milliseconds(),
	}
	_, err = t.exec(`UPDATE hosts SET state=?, until=?, since=?, held_at=?, holds=?, fails=?, pushes=?, fault=?, error=?, given_up=? WHERE id=?`,
		slices.Index(catalog.HostStates(), h.State), until, since, heldAt, holds, fails, pushes, h.Fault, h.Err, x.GivenUp, id)
	if err != nil {
		return catalog.Held{}, err
	}
	next := x.Until
	if x.GivenUp {
		next = h.Now // its pages are to fail
	}
	return catalog.Held{Holds: holds, Trouble: x}, t.freeHost(id, next)
}

// ReleaseHost says that the trouble of a host is over.
func (c *Catalog) ReleaseHost(ctx context.Context, name string, now time.Time) error {
	return c.write.do(ctx, func(t *tx) error {
		var id int64
		found, err := t.row(`UPDATE hosts SET `+untroubled+` WHERE name=? AND state>0 RETURNING id`, []any{name}, &id)
		if err != nil || !found {
			return err
		}
		return t.freeHost(id, now)
	})
}

// NoteHost keeps what was found out about a host: where its visits go, "" for what is known, and how far apart its starts are.
func (c *Catalog) NoteHost(ctx context.Context, name, addr string, pace time.Duration) error {
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE hosts SET addr=CASE WHEN ?='' THEN addr ELSE ? END, pace=CASE WHEN ?=0 THEN pace ELSE ? END WHERE name=?`, addr, addr, pace, pace, name)
		return err
	})
}

// Declare notes an outage, unless it is known; it is to be probed after the given time.
func (c *Catalog) Declare(ctx context.Context, o catalog.Outage, probe time.Time) error {
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO outages (kind, since, probe_at, error) VALUES (?,?,?,?) ON CONFLICT DO NOTHING`, o.Kind, o.Since.UnixMilli(), probe.UnixMilli(), o.Err)
		return err
	})
}

// Outages lists what is down.
func (c *Catalog) Outages(ctx context.Context) (out []catalog.Outage, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT kind, since, error FROM outages ORDER BY kind`)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var o catalog.Outage
		var since int64
		err := r.Scan(&o.Kind, &since, &o.Err)
		o.Since = time.UnixMilli(since)
		out = append(out, o)
		return err
	})
	return out, wrap(err)
}

// Probe tells whether the caller is the one to try whether an outage is over; the next is to do so after another while.
func (c *Catalog) Probe(ctx context.Context, kind string, now, next time.Time) (mine bool, err error) {
	err = c.write.do(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE outages SET probe_at=? WHERE kind=? AND probe_at<=?`, next.UnixMilli(), kind, now.UnixMilli())
		mine = n > 0
		return err
	})
	return mine, err
}

// EndOutage says that an outage is over.
func (c *Catalog) EndOutage(ctx context.Context, kind string) error {
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM outages WHERE kind=?`, kind)
		return err
	})
}

// Hosts lists hosts, those with the most waiting pages first.
func (c *Catalog) Hosts(ctx context.Context, state catalog.HostState, limit int) (out []catalog.Host, err error) {
	query := `SELECT ` + hostColumns + ` FROM hosts h WHERE h.waiting > 0 ORDER BY h.waiting DESC LIMIT ?`
	args := []any{limit}
	switch state {
	case "":
	case catalog.HostPaused:
		query = `SELECT ` + hostColumns + ` FROM pauses p JOIN hosts h ON h.name=p.name WHERE p.what='host' ORDER BY h.waiting DESC LIMIT ?`
	default:
		i := slices.Index(catalog.HostStates(), state)
		if i < 0 {
			return nil, fmt.Errorf("host state %q: %w", state, catalog.ErrNotFound)
		}
		query = `SELECT ` + hostColumns + ` FROM hosts h WHERE h.state=? AND h.state>0 ORDER BY h.waiting DESC LIMIT ?`
		args = []any{i, limit}
	}
	rows, err := c.reads.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		h, err := scanHost(r)
		out = append(out, h)
		return err
	})
	if err != nil {
		return nil, sqlError(err)
	}
	for i := range out {
		h := &out[i]
		err := c.reads.QueryRowContext(ctx, `SELECT `+sums+` FROM counts WHERE dim=1 AND ref=?`, h.ID).Scan(&h.Waiting, &h.Queued, &h.Stored, &h.Failed, &h.Ended, &h.Bytes)
		if err != nil {
			return nil, sqlError(err)
		}
	}
	return out, nil
}

// Slowest is how long each crawl's slowest host will take: its open pages, a delay apart each, once it is free.
func (c *Catalog) Slowest(ctx context.Context, now time.Time) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	rows, err := c.reads.QueryContext(ctx, `SELECT w.name, max(CASE WHEN h.state>0 THEN max(h.until-?, 0) ELSE 0 END + (h.waiting+h.queued)*(max(h.pace, h.robots_delay, CASE WHEN h.own_delay<0 THEN w.delay ELSE h.own_delay END)/1000000))
		FROM counts n JOIN hosts h ON h.id=n.ref JOIN crawls w ON w.id=n.crawl_id WHERE n.dim=1 AND n.waiting+n.queued > 0 GROUP BY n.crawl_id`, now.UnixMilli())
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var name string
		var ms int64
		err := r.Scan(&name, &ms)
		out[name] = time.Duration(ms) * time.Millisecond
		return err
	})
	return out, wrap(err)
}

// HostStates counts the hosts in each state of trouble.
func (c *Catalog) HostStates(ctx context.Context) (map[catalog.HostState]int64, error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT state, count(*) FROM hosts WHERE state>0 GROUP BY state`)
	if err != nil {
		return nil, sqlError(err)
	}
	out := map[catalog.HostState]int64{}
	return out, wrap(each(rows, func(r *sql.Rows) error {
		var state int
		var n int64
		err := r.Scan(&state, &n)
		out[catalog.HostStates()[state]] = n
		return err
	}))
}
