package sqlite

import (
	"context"
	"time"

	"example.org/trawl/catalog"
)

// Queue returns what comes before a page that waits: lanes of one priority take turns at the host, and those of a higher priority
// come first. It counts the pages of its lane that are due before it.
func (c *Catalog) Queue(ctx context.Context, page int64, now time.Time) (q catalog.Queue, err error) {
	var due, host, lane, ahead, queued, others, pace, own, from, until int64
	var priority, state int
	var crawl, submitter string
	err = c.reads.QueryRowContext(ctx, `SELECT p.due, p.host_id, p.lane_id, l.priority, h.queued, max(h.pace, h.robots_delay), h.own_delay, h.state, h.until, w.name, s.name,
			(SELECT count(*) FROM pages o WHERE o.lane_id=p.lane_id AND o.state=0 AND (o.due < p.due OR o.due=p.due AND o.id < p.id)),
			(SELECT coalesce(max(x.delay), 0) FROM counts n JOIN crawls x ON x.id=n.crawl_id WHERE n.dim=1 AND n.ref=p.host_id AND n.waiting+n.queued > 0)
		FROM pages p JOIN lanes l ON l.id=p.lane_id JOIN hosts h ON h.id=p.host_id JOIN crawls w ON w.id=p.crawl_id JOIN submitters s ON s.id=p.submitter_id WHERE p.id=?`, page).
		Scan(&due, &host, &lane, &priority, &queued, &pace, &own, &state, &until, &crawl, &submitter, &ahead, &from)
	if err != nil {
		return q, pageError(err, "")
	}
	if own >= 0 { // an operator's word goes before that of the crawls
		from = own
	}
	err = c.reads.QueryRowContext(ctx, `SELECT coalesce(sum(CASE WHEN priority>? THEN waiting ELSE min(waiting, ?) END), 0) FROM lanes
		WHERE host_id=? AND id<>? AND priority>=? AND waiting>0 AND due<=?`, priority, ahead+1, host, lane, priority, now.UnixMilli()).Scan(&others)
	if err != nil {
		return q, sqlError(err)
	}
	q.Ahead, q.Pace, q.From = queued+ahead+others, max(time.Duration(pace), time.Duration(from)), time.UnixMilli(max(due, now.UnixMilli()))
	if state > 0 {
		q.From = time.UnixMilli(max(until, q.From.UnixMilli()))
	}
	paused, err := c.Pauses(ctx)
	if err != nil {
		return q, err
	}
	var name string
	if err := c.reads.QueryRowContext(ctx, `SELECT name FROM hosts WHERE id=?`, host).Scan(&name); err != nil {
		return q, sqlError(err)
	}
	for _, p := range paused {
		if p.What == "crawl" && p.Name == crawl || p.What == "submitter" && p.Name == submitter || p.What == "host" && p.Name == name {
			q.Paused = p.What + " " + p.Name
		}
	}
	return q, nil
}
