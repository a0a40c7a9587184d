package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.org/trawl/catalog"
)

// owner is what a visit's write needs to know of its page.
type owner struct {
	place
	expand bool
	lead   catalog.Lead
}

// ownerColumns are the columns of an owner.
const ownerColumns = `crawl_id, host_id, submitter_id, lane_id, expand > 0, id, url, depth, reach`

const owns = ` RETURNING ` + ownerColumns

func (o *owner) into() []any {
	return []any{&o.crawl, &o.host, &o.submitter, &o.lane, &o.expand, &o.lead.Page, &o.lead.URL, &o.lead.Depth, &o.lead.Reach}
}

// leads is what is to be admitted after the visit, if anything.
func (t *tx) leads(o *owner) (l *catalog.Lead, err error) {
	if !o.expand {
		return nil, nil
	}
	o.lead.Reach = reachOut(o.lead.Reach)
	if o.lead.Crawl, err = t.nameOf("crawls", o.crawl); err == nil {
		o.lead.Submitter, err = t.nameOf("submitters", o.submitter)
	}
	return &o.lead, err
}

// again tells whether a visit that no longer owns its page is the one that closed it: a stage that runs twice says the same twice.
func (t *tx) again(o *owner, page int64, visit string) (bool, error) {
	return t.row(`SELECT `+ownerColumns+` FROM pages WHERE id=? AND visit=? AND state>1`, []any{page, visit}, o.into()...)
}

// Store writes what a visit found and closes the page as stored. It returns what is to be admitted next, if anything, also
// when the visit had stored the page before. ErrFenced: the page is no longer that visit's.
func (c *Catalog) Store(ctx context.Context, s catalog.Storing) (lead *catalog.Lead, err error) {
	text, links := pack(s.Text), pack(strings.Join(s.Links, "\n"))
	write := func(t *tx) (o owner, owned bool, err error) {
		if s.Unchanged {
			o, owned, err = t.touch(s)
		} else {
			o, owned, err = t.store(c, s, text, links)
		}
		if err != nil || !owned {
			return o, false, err
		}
		t.move(o.place, queued, stored)
		if !s.Unchanged {
			for _, k := range []countKey{{o.crawl, 0, 0}, {o.crawl, 1, o.host}, {o.crawl, 2, o.submitter}} {
				t.count(k).Bytes += s.Size
			}
		}
		if _, err = t.exec(`DELETE FROM failures WHERE page_id=?`, s.Page); err != nil {
			return o, true, err
		}
		return o, true, t.plan(o, s.Plan)
	}
	return c.closing(ctx, s.Page, s.Visit, write)
}

// closing runs a write that closes a page, and sorts out whose page it is.
func (c *Catalog) closing(ctx context.Context, page int64, visit string, write func(*tx) (owner, bool, error)) (lead *catalog.Lead, err error) {
	fenced := false
	err = c.write.do(ctx, func(t *tx) error {
		o, owned, err := write(t)
		if err == nil && !owned {
			owned, err = t.again(&o, page, visit)
		}
		if fenced = !owned; err != nil || fenced {
			return err
		}
		lead, err = t.leads(&o)
		return err
	})
	if err == nil && fenced {
		err = catalog.ErrFenced
	}
	return lead, err
}

func (t *tx) store(c *Catalog, s catalog.Storing, text, links []byte) (o owner, owned bool, err error) {
	segment, err := c.id(t, "segments", s.WARC.File)
	if err != nil {
		return o, false, err
	}
	was, found, err := t.content(s.Page, s.Visit)
	if err != nil || !found {
		return o, false, err
	}
	twin, err := t.compare(s, was)
	if err == nil && twin.copy == catalog.NoCopy && was.copy == catalog.NoCopy {
		err = t.proved(was.maze, s.FetchedAt)
	}
	if err != nil {
		return o, false, err
	}
	seq := int64(0)
	if s.Searchable && !twin.enough() {
		if seq, err = t.nextSeq(); err != nil {
			return o, false, err
		}
	}
	found, err = t.row(`UPDATE pages SET state=2, reason='', visits=visits+1, lease=0, fetched_at=?, body_at=?, status=?, final_url=?, mime=?, charset=?, size=?, digest=?,
			payload=?, truncated=?, title=?, description=?, lang=?, canonical=?, etag=?, last_modified=?, segment_id=?, warc_offset=?, warc_length=?, took=?, tries=0, fault='', print=?, copy=?, copy_of=?, seq=?, leads=?, expand=CASE WHEN ? AND (reach>0 OR sitemap=1) THEN ? ELSE 0 END
		WHERE id=? AND visit=? AND state=1`+owns,
		[]any{
			s.FetchedAt.UnixMilli(), s.FetchedAt.UnixMicro(), s.Status, s.FinalURL, s.MIME, s.Charset, s.Size, s.Digest,
			s.Payload, s.Truncated, s.Title, s.Description, s.Lang, s.Canonical, s.ETag, s.LastModified, segment, s.WARC.Offset, s.WARC.Length, tookIn(s.Took), int64(s.Print), twin.copy, twin.of, seq, s.Follow, s.Follow, s.FetchedAt.UnixMilli(),
			s.Page, s.Visit,
		}, o.into()...)
	if err != nil || !found {
		return o, false, err
	}
	if seq > 0 {
		if err := t.standsFor(o); err != nil {
			return o, true, err
		}
	}
	_, err = t.exec(`INSERT INTO contents (page_id, text, links) VALUES (?,?,?) ON CONFLICT (page_id) DO UPDATE SET text=excluded.text, links=excluded.links`, s.Page, text, links)
	return o, true, err
}

// touch notes a visit that found the page as it was.
func (t *tx) touch(s catalog.Storing) (o owner, owned bool, err error) {
	owned, err = t.row(`UPDATE pages SET state=2, reason='', visits=visits+1, lease=0, fetched_at=?, took=?, tries=0, fault='',
			etag=CASE WHEN ?='' THEN etag ELSE ? END, last_modified=CASE WHEN ?='' THEN last_modified ELSE ? END
		WHERE id=? AND visit=? AND state=1`+owns,
		[]any{s.FetchedAt.UnixMilli(), tookIn(s.Took), s.ETag, s.ETag, s.LastModified, s.LastModified, s.Page, s.Visit}, o.into()...)
	return o, owned, err
}

// nextSeq counts the changes that the index has to follow. Transactions are one after the other, so a change is never seen
// before one with a lesser number.
func (t *tx) nextSeq() (seq int64, err error) {
	_, err = t.row(`INSERT INTO meta (name, value) VALUES ('seq', 1) ON CONFLICT DO UPDATE SET value=value+1 RETURNING CAST(value AS INTEGER)`, nil, &seq)
	return seq, err
}

// CloseVisit closes a page as ended or failed. It returns what is to be admitted next, if anything, also when the visit had
// closed the page before. ErrFenced: the page is no longer that visit's.
func (c *Catalog) CloseVisit(ctx context.Context, cl catalog.Closing) (lead *catalog.Lead, err error) {
	state := ended
	if cl.State == catalog.Failed {
		state = failed
	}
	return c.closing(ctx, cl.Page, cl.Visit, func(t *tx) (o owner, owned bool, err error) {
		// What a seed redirects to is a seed too, however far links are followed. A visit that failed says nothing of links.
		owned, err = t.row(`UPDATE pages SET state=?, reason=?, status=?, final_url=CASE WHEN ?='' THEN final_url ELSE ? END, visits=visits+1, lease=0, fetched_at=?, took=?, fault='', tries=CASE WHEN ?=3 THEN ? ELSE 0 END,
				leads=CASE WHEN ?=3 THEN leads ELSE ? END,
				expand=CASE WHEN ?=3 THEN expand WHEN ? AND (reach>0 OR depth=0 OR sitemap=1) THEN ? ELSE 0 END
			WHERE id=? AND visit=? AND state=1`+owns,
			[]any{state, cl.Reason, cl.Status, cl.FinalURL, cl.FinalURL, cl.Now.UnixMilli(), tookIn(cl.Took), state, cl.Attempts, state, cl.Follow, state, cl.Follow, cl.Now.UnixMilli(), cl.Page, cl.Visit}, o.into()...)
		if err != nil || !owned {
			return o, false, err
		}
		t.move(o.place, queued, state)
		t.reasons[reasonKey{o.crawl, cl.Reason}]++
		if state == failed {
			_, err = t.exec(`INSERT INTO failures (page_id, kind, stage, attempts, error, first_at, last_at) VALUES (?,?,?,?,?,?,?)
				ON CONFLICT (page_id) DO UPDATE SET kind=excluded.kind, stage=excluded.stage, attempts=attempts+excluded.attempts, error=excluded.error, last_at=excluded.last_at`,
				cl.Page, cl.Reason, cl.Stage, cl.Attempts, cl.Err, cl.Now.UnixMilli(), cl.Now.UnixMilli())
			if err == nil {
				err = t.attempt(cl.Page, catalog.Attempt{At: cl.Now, Stage: cl.Stage, Fault: cl.Reason, Err: cl.Err, Took: cl.Took})
			}
		}
		if err == nil {
			err = t.plan(o, cl.Plan)
		}
		return o, true, err
	})
}

// Leads returns closed pages whose links have waited since before the given time to be admitted, the oldest first.
func (c *Catalog) Leads(ctx context.Context, before time.Time, limit int) ([]catalog.Lead, error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT p.id, w.name, s.name, p.url, p.depth, p.reach FROM pages p JOIN crawls w ON w.id=p.crawl_id JOIN submitters s ON s.id=p.submitter_id
		WHERE p.expand > 0 AND p.expand <= ? ORDER BY p.expand LIMIT ?`, before.UnixMilli(), limit)
	if err != nil {
		return nil, sqlError(err)
	}
	var out []catalog.Lead
	err = each(rows, func(r *sql.Rows) error {
		var l catalog.Lead
		err := r.Scan(&l.Page, &l.Crawl, &l.Submitter, &l.URL, &l.Depth, &l.Reach)
		l.Reach = reachOut(l.Reach)
		out = append(out, l)
		return err
	})
	return out, wrap(err)
}

// Leases returns visits that are still under way and whose lease ran out before the given time, the oldest first.
func (c *Catalog) Leases(ctx context.Context, before time.Time, limit int) ([]catalog.Lease, error) {
	var out []catalog.Lease
	rows, err := c.reads.QueryContext(ctx, `SELECT visit, id, robots FROM (
			SELECT * FROM (SELECT visit, id, 0 AS robots, lease FROM pages WHERE state=1 AND lease<? ORDER BY lease LIMIT ?)
			UNION ALL SELECT * FROM (SELECT robots_visit, id, 1, robots_lease FROM hosts WHERE robots_visit<>'' AND robots_lease<? ORDER BY robots_lease LIMIT ?))
		ORDER BY lease LIMIT ?`, before.UnixMilli(), limit, before.UnixMilli(), limit, limit)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var l catalog.Lease
		err := r.Scan(&l.Visit, &l.Page, &l.Robots)
		out = append(out, l)
		return err
	})
	return out, wrap(err)
}

// Extend gives the visits until the given time.
func (c *Catalog) Extend(ctx context.Context, leases []catalog.Lease, until time.Time) error {
	return c.write.do(ctx, func(t *tx) error {
		for _, l := range leases {
			query := `UPDATE pages SET lease=? WHERE id=? AND visit=? AND state=1`
			if l.Robots {
				query = `UPDATE hosts SET robots_lease=? WHERE id=? AND robots_visit=?`
			}
			if _, err := t.exec(query, until.UnixMilli(), l.Page, l.Visit); err != nil {
				return err
			}
		}
		return nil
	})
}

// Requeue puts pages whose visit was lost back to waiting and returns how many those were. The lost visits can no longer write.
func (c *Catalog) Requeue(ctx context.Context, leases []catalog.Lease, now time.Time) (int, error) {
	n := 0
	err := c.write.do(ctx, func(t *tx) error {
		n = 0
		for _, l := range leases {
			if l.Robots {
				if _, err := t.exec(`UPDATE hosts SET robots_visit='' WHERE id=? AND robots_visit=?`, l.Page, l.Visit); err != nil {
					return err
				}
				if err := t.freeHost(l.Page, now); err != nil {
					return err
				}
				continue
			}
			back, err := t.putBack(catalog.Postponed{Page: l.Page, Visit: l.Visit})
			if err != nil {
				return err
			}
			if back {
				n++
			}
		}
		return nil
	})
	return n, err
}

// Owns tells whether the page is that visit's.
func (c *Catalog) Owns(ctx context.Context, page int64, visit string) (owns bool, err error) {
	err = c.reads.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pages WHERE id=? AND visit=? AND state=1)`, page, visit).Scan(&owns)
	return owns, wrap(err)
}

// Postpone ends a visit without closing its page, which waits for another. ErrFenced: the page is no longer that visit's.
func (c *Catalog) Postpone(ctx context.Context, p catalog.Postponed) error {
	fenced := false
	err := c.write.do(ctx, func(t *tx) error {
		back, err := t.putBack(p)
		if fenced = !back; err != nil || fenced {
			return err
		}
		return t.attempt(p.Page, p.Attempt)
	})
	if err == nil && fenced {
		err = catalog.ErrFenced
	}
	return err
}

// putBack makes a page wait again; false when it is not that visit's. Without a due time it keeps its place among those that wait.
func (t *tx) putBack(p catalog.Postponed) (bool, error) {
	var o owner
	due, given := int64(0), !p.Due.IsZero()
	found, err := t.row(`UPDATE pages SET state=0, visit='', lease=0, due=CASE WHEN ? THEN ? ELSE due END, tries=tries+?, fault=CASE WHEN ? THEN ? ELSE fault END
		WHERE id=? AND visit=? AND state=1`+owns+`, due`,
		[]any{given, p.Due.UnixMilli(), p.Spent, p.Spent, p.Fault, p.Page, p.Visit}, append(o.into(), &due)...)
	if err != nil || !found {
		return false, err
	}
	t.move(o.place, queued, waiting)
	return true, t.wake(o.lane, time.UnixMilli(due))
}

// attemptsKept is how many tries of a page are remembered.
const attemptsKept = 20

// attempt notes a try that met an error; one without a fault is none.
func (t *tx) attempt(page int64, a catalog.Attempt) error {
	if a.Fault == "" {
		return nil
	}
	_, err := t.exec(`INSERT OR REPLACE INTO attempts (page_id, at, stage, fault, error, took) VALUES (?,?,?,?,?,?)`,
		page, a.At.UnixMilli(), a.Stage, a.Fault, a.Err, tookIn(a.Took))
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM attempts WHERE page_id=? AND at < (SELECT at FROM attempts WHERE page_id=? ORDER BY at DESC LIMIT 1 OFFSET ?)`, page, page, attemptsKept-1)
	return err
}

// Attempts returns the tries of a page that met an error, the oldest first, as far as they are remembered.
func (c *Catalog) Attempts(ctx context.Context, page int64) (out []catalog.Attempt, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT at, stage, fault, error, took FROM attempts WHERE page_id=? ORDER BY at`, page)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var a catalog.Attempt
		var at int64
		var took string
		err := r.Scan(&at, &a.Stage, &a.Fault, &a.Err, &took)
		a.At, a.Took = time.UnixMilli(at).UTC(), tookOut(took)
		out = append(out, a)
		return err
	})
	return out, wrap(err)
}

// tookIn is how a Took is kept: microseconds with commas between them, nothing for none.
func tookIn(t catalog.Took) string {
	if t == (catalog.Took{}) {
		return ""
	}
	return fmt.Sprintf("%d,%d,%d,%d,%d", t.Connect.Microseconds(), t.TLS.Microseconds(), t.FirstByte.Microseconds(), t.Body.Microseconds(), t.DNS.Microseconds())
}

func tookOut(s string) (t catalog.Took) {
	for i, f := range strings.SplitN(s, ",", 5) {
		n, _ := strconv.ParseInt(f, 10, 64) // what is missing took no time
		*[]*time.Duration{&t.Connect, &t.TLS, &t.FirstByte, &t.Body, &t.DNS}[i] = time.Duration(n) * time.Microsecond
	}
	return t
}

// Meta reads a word that the program keeps for itself; "" when there is none.
func (c *Catalog) Meta(ctx context.Context, name string) (string, error) {
	var v string
	rows, err := c.reads.QueryContext(ctx, `SELECT value FROM meta WHERE name=?`, name)
	if err != nil {
		return "", sqlError(err)
	}
	return v, wrap(each(rows, func(r *sql.Rows) error { return r.Scan(&v) }))
}

// SetMeta keeps a word.
func (c *Catalog) SetMeta(ctx context.Context, name, value string) error {
	if name == "seq" {
		return fmt.Errorf("meta %q is the catalog's own", name)
	}
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO meta (name, value) VALUES (?,?) ON CONFLICT DO UPDATE SET value=excluded.value`, name, value)
		return err
	})
}
