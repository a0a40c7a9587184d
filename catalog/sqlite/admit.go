package sqlite

import (
	"context"
	"database/sql"
	"math"
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
		allowed, err := t.allowed(submitter)
		if err != nil {
			return err
		}
		in := &admitting{tx: t, c: c, a: a, submitter: submitter, room: room, allowed: allowed, touched: map[int64]bool{}, out: &out}
		if in.finder, err = t.finder(a.Finder, a.FinderForm); err != nil {
			return err
		}
		for _, p := range a.Pages {
			if err := in.admit(p); err != nil {
				return err
			}
		}
		for lane := range in.touched {
			if err := t.wake(lane, a.Now); err != nil {
				return err
			}
		}
		if l := a.Lead; l != nil && out.Quota > 0 { // they wait until there is room
			_, err = t.exec(`UPDATE pages SET expand=? WHERE id=? AND expand>0`, a.Now.Add(quotaWait).UnixMilli(), l.Page)
		} else if l != nil { // not if it was found nearer, or with a further reach, meanwhile
			_, err = t.exec(`UPDATE pages SET expand=0 WHERE id=? AND depth=? AND reach=?`, l.Page, l.Depth, reachIn(l.Reach))
		}
		return err
	})
	return out, err
}

// admitting is an Admission under way.
type admitting struct {
	*tx
	c             *Catalog
	a             catalog.Admission
	finder        finder
	submitter     int64
	room, allowed int64          // pages that crawl and submitter may still admit
	touched       map[int64]bool // lanes
	out           *catalog.Admitted
}

// admit brings one candidate to the frontier.
func (in *admitting) admit(p catalog.Candidate) error {
	key := pageKey(p.URL)
	full, err := in.full(p)
	if err != nil {
		return err
	}
	if full || in.room <= 0 || in.allowed <= 0 {
		known, err := in.row(`SELECT 1 FROM pages WHERE crawl_id=? AND key=?`, []any{in.a.Crawl, key}, new(int))
		switch {
		case err != nil:
			return err
		case known:
		case full || in.room <= 0:
			in.out.Over++
			return nil
		default:
			in.out.Quota++
			return nil
		}
	}
	host, err := in.c.id(in.tx, "hosts", p.Host)
	if err != nil {
		return err
	}
	at := place{crawl: in.a.Crawl, host: host, submitter: in.submitter}
	if at.lane, err = in.c.lane(in.tx, at, p.Priority); err != nil {
		return err
	}
	w, err := in.way(in.a, in.finder, p, host)
	if err != nil {
		return err
	}
	maze := int64(0)
	if w.maze != nil {
		maze = w.maze.id
	}
	now := in.a.Now.UnixMilli()
	var id int64
	added, err := in.row(`INSERT INTO pages (crawl_id, key, host_id, submitter_id, lane_id, url, origin, via, depth, reach, priority, sitemap, due, first_seen, maze_id, steps)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING RETURNING id`,
		[]any{in.a.Crawl, key, host, in.submitter, at.lane, p.URL, in.a.Origin, in.a.From, p.Depth, reachIn(p.Reach), p.Priority, p.Sitemap, now, now, maze, w.steps}, &id)
	if err != nil {
		return err
	}
	if !added {
		return in.known(p, w, key)
	}
	out, err := in.enter(w, in.finder, in.a.Now)
	if err != nil {
		return err
	}
	if out {
		in.out.Held++
		in.move(at, none, ended)
		in.reasons[reasonKey{in.a.Crawl, catalog.Budget}]++
		_, err := in.exec(`UPDATE pages SET state=4, reason='budget' WHERE id=?`, id)
		return err
	}
	in.room--
	in.allowed--
	in.move(at, none, waiting)
	in.touched[at.lane] = true
	in.out.New = append(in.out.New, p.URL)
	return in.fill(p)
}

// known looks at a candidate that is a page already.
func (in *admitting) known(p catalog.Candidate, w way, key []byte) error {
	held, err := in.heldPages(in.a.Crawl)
	if err != nil {
		return err
	}
	if held > 0 {
		still, err := in.foundAgain(in.a, w, key)
		if err != nil {
			return err
		}
		if still {
			in.out.Held++
		}
	}
	if in.a.Again || !p.Modified.IsZero() {
		if err := in.visitAgain(in.a, p, key); err != nil {
			return err
		}
	}
	return in.c.nearer(in.tx, in.out, in.a, p, key) // a page that waits also takes on a higher priority
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
	held, err := t.heldPages(crawl)
	return limit - have + held, err
}

// quotaWait is how long links that are over their submitter's quota wait before they are admitted again.
const quotaWait = 30 * time.Second

// allowed is how many pages the submitter's quota still lets in.
func (t *tx) allowed(submitter int64) (int64, error) {
	var most, waits int64
	if _, err := t.row(`SELECT max_waiting FROM submitters WHERE id=?`, []any{submitter}, &most); err != nil || most == 0 {
		return math.MaxInt64, err
	}
	_, err := t.row(`SELECT coalesce(sum(waiting), 0) FROM counts WHERE dim=2 AND ref=?`, []any{submitter}, &waits)
	for k, c := range t.counts {
		if k.dim == 2 && k.ref == submitter {
			waits += c.Waiting
		}
	}
	return most - waits, err
}

// nearer notes that a known page was found closer to a seed, or with more links allowed from it. The depth of a page is thereby
// the least there is, whatever order the crawl took; where a page leads that was visited already has to be admitted again, also
// when it is to be visited once more: that visit may find it unchanged.
func (c *Catalog) nearer(t *tx, out *catalog.Admitted, a catalog.Admission, p catalog.Candidate, key []byte) error {
	var o owner
	var state, priority int
	var due int64
	found, err := t.row(`UPDATE pages SET depth=min(depth, ?), reach=max(reach, ?), priority=max(priority, ?), via=CASE WHEN depth>? THEN ? ELSE via END,
			expand=CASE WHEN leads=1 AND (depth>? OR reach<?) AND (max(reach, ?)>0 OR sitemap=1 OR (state=4 AND min(depth, ?)=0)) THEN ? ELSE expand END
		WHERE crawl_id=? AND key=? AND (depth>? OR reach<? OR (state=0 AND priority<?))`+owns+`, state, priority, due`,
		[]any{p.Depth, reachIn(p.Reach), p.Priority, p.Depth, a.From, p.Depth, reachIn(p.Reach), reachIn(p.Reach), p.Depth, a.Now.UnixMilli(), a.Crawl, key, p.Depth, reachIn(p.Reach), p.Priority},
		append(o.into(), &state, &priority, &due)...)
	if err != nil || !found {
		return err
	}
	if err := c.relane(t, &o, state, priority, time.UnixMilli(due)); err != nil {
		return err
	}
	l, err := t.leads(&o)
	if l != nil {
		out.Leads = append(out.Leads, *l)
	}
	return err
}

// relane moves a page to the lane of its priority.
func (c *Catalog) relane(t *tx, o *owner, state, priority int, due time.Time) error {
	lane, err := c.lane(t, o.place, priority)
	if err != nil || lane == o.lane {
		return err
	}
	if _, err := t.exec(`UPDATE pages SET lane_id=? WHERE id=?`, lane, o.lead.Page); err != nil || state != waiting {
		return err
	}
	t.lanes[o.lane]--
	t.lanes[lane]++
	return t.wake(lane, due)
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
	var pages []closedPage
	read := 0
	err = t.rows(func(r *sql.Rows) error {
		p := closedPage{place: place{crawl: crawl}}
		read++
		if err := r.Scan(&p.id, &next, &p.host, &p.submitter, &p.lane, &p.state, &p.reason); err != nil {
			return err
		}
		if p.state > queued && p.reason != catalog.Budget {
			pages = append(pages, p)
		}
		return nil
	}, `SELECT id, key, host_id, submitter_id, lane_id, state, reason FROM pages WHERE crawl_id=? AND key>? ORDER BY key LIMIT ?`, crawl, key, recrawlAtOnce)
	if err != nil {
		return 0, nil, err
	}
	for _, p := range pages {
		if err := t.reopen(p, now); err != nil {
			return 0, nil, err
		}
	}
	if read < recrawlAtOnce {
		next = nil
	}
	return int64(len(pages)), next, nil
}

// closedPage is a page that is to be visited again.
type closedPage struct {
	place
	id     int64
	state  int
	reason string
}

// visitAgain opens a page again that is closed, if that is asked for or it has changed since it was visited.
func (t *tx) visitAgain(a catalog.Admission, c catalog.Candidate, key []byte) error {
	before := int64(never)
	if !a.Again {
		before = min(c.Modified.UnixMilli(), a.Now.UnixMilli())
	}
	p := closedPage{place: place{crawl: a.Crawl}}
	found, err := t.row(`SELECT id, host_id, submitter_id, lane_id, state, reason FROM pages WHERE crawl_id=? AND key=? AND state>1 AND fetched_at<?`, []any{a.Crawl, key, before},
		&p.id, &p.host, &p.submitter, &p.lane, &p.state, &p.reason)
	if err != nil || !found {
		return err
	}
	return t.reopen(p, a.Now)
}

// reopen makes a closed page wait, with all its tries.
func (t *tx) reopen(p closedPage, due time.Time) error {
	if _, err := t.exec(`UPDATE pages SET state=0, reason='', due=?, tries=0, fault='' WHERE id=?`, due.UnixMilli(), p.id); err != nil {
		return err
	}
	t.move(p.place, p.state, waiting)
	if p.reason != "" {
		t.reasons[reasonKey{p.crawl, p.reason}]--
	}
	return t.wake(p.lane, due)
}
