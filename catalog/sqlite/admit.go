package sqlite

import (
	"context"
	"database/sql"
	"time"

	"example.org/trawl/catalog"
)

// unlimited is how NoLimit is kept, so that a greater reach is a greater number.
const unlimited = 1 << 30

func reachIn(r int) int {
	if r == catalog.NoLimit {
		return unlimited
	}
	return r
}

func reachOut(r int) int {
	if r >= unlimited {
		return catalog.NoLimit
	}
	return r
}

// Admit brings the candidates that are new into the frontier and leaves the others as they are, except that a page keeps the
// least depth and the greatest reach it was ever found with.
func (c *Catalog) Admit(ctx context.Context, a catalog.Admission) (catalog.Admitted, error) {
	var out catalog.Admitted
	err := c.write.do(ctx, func(t *tx) error {
		out = catalog.Admitted{}
		submitter, err := c.id(t, "submitters", a.Submitter)
		if err != nil {
			return err
		}
		room, err := t.room(a.Crawl)
		if err != nil {
			return err
		}
		touched := map[int64]bool{}
		for _, p := range a.Pages {
			host, err := c.id(t, "hosts", p.Host)
			if err != nil {
				return err
			}
			key := pageKey(p.URL)
			if room <= 0 {
				known, err := t.row(`SELECT 1 FROM pages WHERE crawl_id=? AND key=?`, []any{a.Crawl, key}, new(int))
				if err != nil {
					return err
				}
				if !known {
					out.Over++
					continue
				}
			}
			n, err := t.exec(`INSERT OR IGNORE INTO pages (crawl_id, key, host_id, submitter_id, url, origin, via, depth, reach, priority, due, first_seen)
				VALUES (?,?,?,?,?,?,?,?,?,?,?,?)`,
				a.Crawl, key, host, submitter, p.URL, a.Origin, a.From, p.Depth, reachIn(p.Reach), p.Priority, a.Now.UnixMilli(), a.Now.UnixMilli())
			if err != nil {
				return err
			}
			if n == 0 {
				if err := t.nearer(&out, a, p, key); err != nil {
					return err
				}
				continue
			}
			room--
			t.move(a.Crawl, host, submitter, none, waiting, 1)
			out.New = append(out.New, p.URL)
			touched[host] = true
		}
		for h := range touched {
			ready, err := t.wake(h, a.Now)
			if err != nil {
				return err
			}
			if ready {
				out.Hosts = append(out.Hosts, h)
			}
		}
		if l := a.Lead; l != nil { // not if it was found nearer, or with a further reach, meanwhile
			_, err = t.exec(`UPDATE pages SET expand=0 WHERE id=? AND depth=? AND reach=?`, l.Page, l.Depth, reachIn(l.Reach))
		}
		return err
	})
	return out, err
}

// wake makes promotion look at a host that had nothing due, and tells whether it is to look now. A host whose window is full
// is looked at when half of that has drained, not before.
func (t *tx) wake(host int64, now time.Time) (ready bool, err error) {
	ms := now.UnixMilli()
	_, err = t.row(`UPDATE hosts SET promote_at=CASE WHEN waiting=0 OR promote_at>? THEN ? ELSE promote_at END WHERE id=? RETURNING promote_at<=?`,
		[]any{now.Add(time.Minute).UnixMilli(), ms, host, ms}, &ready)
	return ready, err
}

// room is how many pages the crawl may still admit.
func (t *tx) room(crawl int64) (int64, error) {
	var limit, have int64
	if _, err := t.row(`SELECT max_pages FROM crawls WHERE id=?`, []any{crawl}, &limit); err != nil {
		return 0, err
	}
	if _, err := t.row(`SELECT waiting+queued+stored+failed+ended FROM counts WHERE crawl_id=? AND dim=0 AND ref=0`, []any{crawl}, &have); err != nil {
		return 0, err
	}
	if c := t.counts[countKey{crawl, 0, 0}]; c != nil {
		have += c.Admitted()
	}
	return limit - have, nil
}

// nearer notes that a known page was found closer to a seed, or with more links allowed from it. The depth of a page is thereby
// the least there is, whatever order the crawl took; where a page leads that was visited already has to be admitted again, also
// when it is to be visited once more: that visit may find it unchanged.
func (t *tx) nearer(out *catalog.Admitted, a catalog.Admission, p catalog.Candidate, key []byte) error {
	var o owner
	found, err := t.row(`UPDATE pages SET depth=min(depth, ?), reach=max(reach, ?), priority=max(priority, ?), via=CASE WHEN depth>? THEN ? ELSE via END,
			expand=CASE WHEN leads=1 AND (depth>? OR reach<?) AND (max(reach, ?)>0 OR (state=4 AND min(depth, ?)=0)) THEN ? ELSE expand END
		WHERE crawl_id=? AND key=? AND (depth>? OR reach<? OR (state=0 AND priority<?))`+owns,
		[]any{p.Depth, reachIn(p.Reach), p.Priority, p.Depth, a.From, p.Depth, reachIn(p.Reach), reachIn(p.Reach), p.Depth, a.Now.UnixMilli(), a.Crawl, key, p.Depth, reachIn(p.Reach), p.Priority}, o.into()...)
	if err != nil || !found {
		return err
	}
	l, err := t.leads(&o)
	if l != nil {
		out.Leads = append(out.Leads, *l)
	}
	return err
}

// recrawlAtOnce bounds one transaction of Recrawl.
const recrawlAtOnce = 2000

// Recrawl makes every closed page of a crawl due again and returns how many they are.
func (c *Catalog) Recrawl(ctx context.Context, crawl int64, now time.Time) (total int64, err error) {
	for key := []byte{}; key != nil; {
		var n int64
		var next []byte
		err := c.write.do(ctx, func(t *tx) (err error) {
			n, next, err = t.recrawl(crawl, key, now)
			return err
		})
		if err != nil {
			return total, err
		}
		total, key = total+n, next
	}
	return total, nil
}

// recrawl does a transaction's share of Recrawl, from key on; next is nil at the end.
func (t *tx) recrawl(crawl int64, key []byte, now time.Time) (n int64, next []byte, err error) {
	type row struct {
		id, host, submitter int64
		state               int
		reason              string
	}
	var closed []row
	read := 0
	err = t.rows(func(r *sql.Rows) error {
		var p row
		read++
		if err := r.Scan(&p.id, &next, &p.host, &p.submitter, &p.state, &p.reason); err != nil {
			return err
		}
		if p.state > queued {
			closed = append(closed, p)
		}
		return nil
	}, `SELECT id, key, host_id, submitter_id, state, reason FROM pages WHERE crawl_id=? AND key>? ORDER BY key LIMIT ?`, crawl, key, recrawlAtOnce)
	if err != nil {
		return 0, nil, err
	}
	for _, p := range closed {
		if _, err := t.exec(`UPDATE pages SET state=0, reason='', due=? WHERE id=?`, now.UnixMilli(), p.id); err != nil {
			return 0, nil, err
		}
		t.move(crawl, p.host, p.submitter, p.state, waiting, 1)
		if p.reason != "" {
			t.reasons[reasonKey{crawl, p.reason}]--
		}
		if _, err := t.wake(p.host, now); err != nil {
			return 0, nil, err
		}
	}
	if read < recrawlAtOnce {
		next = nil
	}
	return int64(len(closed)), next, nil
}
