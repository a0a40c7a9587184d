package sqlite

import (
	"context"
	"database/sql"
	"sort"
	"time"

	"example.org/trawl/catalog"
)

// hostsAtOnce bounds the hosts that one promotion looks at.
const hostsAtOnce = 256

// Promote hands out pages that are due, host by host, within the bounds of w. It costs what it hands out, however many pages
// wait, and is safe in any number of processes at once: what it returns is queued, with a visit of its own.
func (c *Catalog) Promote(ctx context.Context, w catalog.Window) ([]catalog.Batch, error) {
	var out []catalog.Batch
	err := c.write.do(ctx, func(t *tx) error {
		out = nil
		// Promotion reads the counters: what was counted earlier in this transaction has to be in them.
		if err := t.flush(); err != nil {
			return err
		}
		room, err := t.windowRoom(w)
		if err != nil || room <= 0 {
			return err
		}
		hosts := w.Hosts
		if hosts == nil {
			if hosts, err = t.dueHosts(w.Now); err != nil {
				return err
			}
		}
		for _, h := range hosts {
			if room <= 0 {
				return nil
			}
			b, err := t.promoteHost(w, h, room)
			if err != nil {
				return err
			}
			room -= len(b.Pages)
			if len(b.Pages) > 0 || b.RobotsVisit != "" {
				out = append(out, b)
			}
		}
		return nil
	})
	return out, err
}

func (t *tx) windowRoom(w catalog.Window) (int, error) {
	var queued int64
	_, err := t.row(`SELECT coalesce(sum(queued), 0) FROM counts WHERE dim=0 AND ref=0 AND crawl_id IN (SELECT id FROM crawls)`, nil, &queued)
	for k, c := range t.counts {
		if k.dim == 0 {
			queued += c.Queued
		}
	}
	return w.Total - int(queued), err
}

func (t *tx) dueHosts(now time.Time) (ids []int64, err error) {
	err = t.rows(func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM hosts WHERE waiting > 0 AND promote_at <= ? ORDER BY promote_at LIMIT ?`, now.UnixMilli(), hostsAtOnce)
	return ids, err
}

// hostRow is what promotion needs of a host.
type hostRow struct {
	catalog.Batch
	waiting, queued int64
	robots          catalog.RobotsState
	robotsUntil     int64
	robotsVisit     string
	robotsFails     int
}

func (t *tx) promoteHost(w catalog.Window, id int64, room int) (catalog.Batch, error) {
	h, err := t.host(id)
	if err != nil {
		return h.Batch, err
	}
	now := w.Now.UnixMilli()
	if h.robots == catalog.RobotsUnknown || h.robotsUntil <= now {
		return t.robotsVisit(w, h)
	}
	h.RobotsBad = h.robots == catalog.RobotsUnavailable && h.robotsFails >= catalog.RobotsPatience
	if h.robots == catalog.RobotsUnavailable && !h.RobotsBad {
		_, err := t.exec(`UPDATE hosts SET promote_at=? WHERE id=?`, h.robotsUntil, id)
		return h.Batch, err
	}
	limit := max(1, w.Total/2)
	if h.Delay > 0 {
		limit = max(1, int(w.Horizon/h.Delay))
	}
	own := t.hosts[id]
	limit = min(limit-int(h.queued+own[queued]), room)
	if limit > 0 {
		if h.Pages, err = t.handOut(w, h, limit); err != nil {
			return h.Batch, err
		}
	}
	return h.Batch, t.lookAgain(w, h, len(h.Pages) == limit || limit <= 0)
}

func (t *tx) host(id int64) (hostRow, error) {
	h := hostRow{Batch: catalog.Batch{HostID: id, PerHost: 1}}
	var delay, at, longest int64
	_, err := t.row(`SELECT name, waiting, queued, robots_state, robots_delay, robots_at, robots_until, robots_visit, robots_fails FROM hosts WHERE id=?`, []any{id},
		&h.Host, &h.waiting, &h.queued, &h.robots, &delay, &at, &h.robotsUntil, &h.robotsVisit, &h.robotsFails)
	if err != nil {
		return h, err
	}
	// Several crawls may visit one host: the slowest of those that have pages open there decides.
	_, err = t.row(`SELECT coalesce(max(c.delay), 0), coalesce(min(c.per_host), 1) FROM counts n JOIN crawls c ON c.id=n.crawl_id
		WHERE n.dim=1 AND n.ref=? AND n.waiting+n.queued > 0`, []any{id}, &longest, &h.PerHost)
	h.Delay = max(time.Duration(delay), time.Duration(longest))
	if h.Delay > 0 && longest == 0 {
		h.PerHost = 1
	}
	h.RobotsAt = time.UnixMilli(at)
	return h, err
}

// robotsVisit hands out the visit that reads robots.txt; until that is through, the host's pages wait.
func (t *tx) robotsVisit(w catalog.Window, h hostRow) (catalog.Batch, error) {
	lease := w.Now.Add(w.Lease).UnixMilli()
	if h.robotsVisit == "" {
		h.RobotsVisit = w.NewID()
		if _, err := t.exec(`UPDATE hosts SET robots_visit=?, robots_lease=? WHERE id=?`, h.RobotsVisit, lease, h.HostID); err != nil {
			return h.Batch, err
		}
	}
	_, err := t.exec(`UPDATE hosts SET promote_at=? WHERE id=?`, lease, h.HostID)
	return h.Batch, err
}

// handOut moves up to limit pages of the host from waiting to queued, in the order in which they are to be visited.
func (t *tx) handOut(w catalog.Window, h hostRow, limit int) ([]catalog.Promoted, error) {
	type row struct {
		catalog.Promoted
		priority         int
		due              int64
		crawl, submitter int64
	}
	var rows []row
	err := t.rows(func(r *sql.Rows) error {
		var p row
		var fetched int64
		err := r.Scan(&p.ID, &p.Visit, &p.URL, &p.crawl, &p.submitter, &p.Depth, &p.Reach, &p.priority, &p.due,
			&p.FinalURL, &p.ETag, &p.LastModified, &p.Payload, &fetched)
		p.Reach = reachOut(p.Reach)
		if fetched > 0 {
			p.FetchedAt = time.UnixMilli(fetched)
		}
		rows = append(rows, p)
		return err
	}, `UPDATE pages SET state=1, visit=lower(hex(randomblob(8))), lease=? WHERE id IN (
			SELECT id FROM pages WHERE host_id=? AND state=0 AND due<=? ORDER BY priority DESC, due, id LIMIT ?)
		RETURNING id, visit, url, crawl_id, submitter_id, depth, reach, priority, due, final_url, etag, last_modified, payload, fetched_at`,
		w.Now.Add(w.Lease+w.Horizon).UnixMilli(), h.HostID, w.Now.UnixMilli(), limit)
	if err != nil {
		return nil, err
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := rows[i], rows[j]
		if a.priority != b.priority {
			return a.priority > b.priority
		}
		if a.due != b.due {
			return a.due < b.due
		}
		return a.ID < b.ID
	})
	out := make([]catalog.Promoted, len(rows))
	for i, r := range rows {
		t.move(r.crawl, h.HostID, r.submitter, waiting, queued, 1)
		if r.Crawl, err = t.nameOf("crawls", r.crawl); err != nil {
			return nil, err
		}
		if r.Submitter, err = t.nameOf("submitters", r.submitter); err != nil {
			return nil, err
		}
		out[i] = r.Promoted
	}
	return out, nil
}

// lookAgain says when promotion is to come back to the host: soon when it was left with due pages, else when the next is due.
func (t *tx) lookAgain(w catalog.Window, h hostRow, more bool) error {
	if more {
		// A full window lasts for Horizon: half of it may drain first.
		at := w.Now.Add(min(h.Delay*4, w.Horizon/2))
		_, err := t.exec(`UPDATE hosts SET promote_at=? WHERE id=?`, at.UnixMilli(), h.HostID)
		return err
	}
	_, err := t.exec(`UPDATE hosts SET promote_at=coalesce((SELECT min(due) FROM pages WHERE host_id=hosts.id AND state=0), 0) WHERE id=?`, h.HostID)
	return err
}

type nameKey struct {
	table string
	id    int64
}

// nameOf returns the name of a crawl or submitter. There are few of them, and they are never renamed.
func (t *tx) nameOf(table string, id int64) (string, error) {
	key := nameKey{table, id}
	if n, ok := t.w.nameOf[key]; ok {
		return n, nil
	}
	var name string
	_, err := t.row(`SELECT name FROM `+table+` WHERE id=?`, []any{id}, &name)
	if err == nil && name != "" { // not before it is certain that the row stays
		t.after = append(t.after, func() { t.w.nameOf[key] = name })
	}
	return name, err
}
