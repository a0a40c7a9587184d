package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.org/trawl/catalog"
)

// Status returns the counts of every crawl, by name. It costs the same however many pages there are.
func (c *Catalog) Status(ctx context.Context) ([]catalog.Tally, error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT w.name, coalesce(n.waiting,0), coalesce(n.queued,0), coalesce(n.stored,0), coalesce(n.failed,0), coalesce(n.ended,0), coalesce(n.bytes,0)
		FROM crawls w LEFT JOIN counts n ON n.crawl_id=w.id AND n.dim=0 AND n.ref=0 ORDER BY w.name`)
	if err != nil {
		return nil, sqlError(err)
	}
	var out []catalog.Tally
	err = each(rows, func(r *sql.Rows) error {
		t := catalog.Tally{Reasons: map[string]int64{}}
		err := r.Scan(&t.Crawl, &t.Waiting, &t.Queued, &t.Stored, &t.Failed, &t.Ended, &t.Bytes)
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, sqlError(err)
	}
	rows, err = c.reads.QueryContext(ctx, `SELECT w.name, r.reason, r.n FROM reasons r JOIN crawls w ON w.id=r.crawl_id WHERE r.n > 0`)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var crawl, reason string
		var n int64
		err := r.Scan(&crawl, &reason, &n)
		for i := range out {
			if out[i].Crawl == crawl {
				out[i].Reasons[reason] = n
			}
		}
		return err
	})
	return out, wrap(err)
}

// Backlog splits the waiting pages by what they wait for. It costs what hosts there are, not pages. What is true of a page in more
// than one way is counted more than once: whoever adds up takes the reasons in the order of catalog.Backlog.
func (c *Catalog) Backlog(ctx context.Context, now time.Time) (b catalog.Backlog, err error) {
	ms := now.UnixMilli()
	// Of a host that has visits before it, and time between them, the rest waits for the host, also when promotion is about to look at it.
	const paced = `(promote_at>?1 OR queued>0 AND (pace>0 OR robots_delay>0 OR own_delay>0 OR EXISTS (
		SELECT 1 FROM lanes l JOIN crawls c ON c.id=l.crawl_id WHERE l.host_id=hosts.id AND l.waiting>0 AND c.delay>0)))`
	err = c.reads.QueryRowContext(ctx, `SELECT
			coalesce(sum(CASE WHEN state IN (1,4) THEN waiting END), 0),
			coalesce(sum(CASE WHEN state=2 THEN waiting END), 0),
			coalesce(sum(CASE WHEN state=3 OR (state=0 AND (robots_state=0 OR robots_until<=?1)) THEN waiting END), 0),
			coalesce(sum(CASE WHEN state=0 AND robots_state>0 AND robots_until>?1 AND `+paced+` THEN waiting END), 0),
			coalesce(sum(CASE WHEN state=0 AND robots_state>0 AND robots_until>?1 AND NOT `+paced+` THEN waiting END), 0)
		FROM hosts WHERE waiting>0`, ms).Scan(&b.Backoff, &b.DNS, &b.Robots, &b.Polite, &b.Room)
	if err != nil {
		return b, sqlError(err)
	}
	err = c.reads.QueryRowContext(ctx, `SELECT
			(SELECT coalesce(sum(waiting), 0) FROM lanes WHERE waiting>0 AND due>?1),
			(SELECT count(*) FROM pages WHERE state=0 AND fault<>'' AND due>?1),
			(SELECT coalesce(sum(h.waiting), 0) FROM pauses p JOIN hosts h ON h.name=p.name WHERE p.what='host')
			+(SELECT coalesce(sum(n.waiting), 0) FROM pauses p JOIN crawls c ON c.name=p.name JOIN counts n ON n.crawl_id=c.id AND n.dim=0 AND n.ref=0 WHERE p.what='crawl')
			+(SELECT coalesce(sum(n.waiting), 0) FROM pauses p JOIN submitters s ON s.name=p.name JOIN counts n ON n.dim=2 AND n.ref=s.id WHERE p.what='submitter')`,
		ms).Scan(&b.Later, &b.Retry, &b.Paused)
	if err != nil {
		return b, sqlError(err)
	}
	rows, err := c.reads.QueryContext(ctx, `SELECT s.per_minute, s.tokens, s.tokens_at, coalesce(sum(n.waiting), 0) FROM submitters s JOIN counts n ON n.dim=2 AND n.ref=s.id
		WHERE s.per_minute > 0 GROUP BY s.id`)
	if err != nil {
		return b, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var perMinute int
		var tokens float64
		var at, n int64
		err := r.Scan(&perMinute, &tokens, &at, &n)
		if refilled(tokens, at, ms, perMinute) < float64(perMinute)/10 { // it was handed out what it may have
			b.Budget += n
		}
		return err
	})
	b.Later = max(b.Later-b.Retry, 0)
	return b, wrap(err)
}

// LeadsLeft is how many closed pages have links that are still to be admitted: while there are any, a crawl is not done.
func (c *Catalog) LeadsLeft(ctx context.Context) (n int64, err error) {
	err = c.reads.QueryRowContext(ctx, `SELECT count(*) FROM pages WHERE expand > 0`).Scan(&n)
	return n, wrap(err)
}

const pageColumns = `p.id, p.url, w.name, s.name, h.name, p.host_id, p.origin, p.via, p.depth, p.reach, p.priority, p.sitemap, p.state, p.reason, p.fault, p.visit, p.visits, p.due, p.first_seen,
	p.fetched_at, p.status, p.final_url, p.mime, p.charset, p.size, p.digest, p.payload, p.truncated, p.title, p.description, p.lang, p.canonical, p.etag, p.last_modified,
	coalesce(g.name, ''), p.warc_offset, p.warc_length, p.seq, p.tries, p.took, coalesce(r.at, 0), coalesce(r.last, 0), coalesce(r.looks, 0), coalesce(r.changes, 0), p.copy, p.copy_of, p.key`

const pageTables = ` FROM pages p JOIN crawls w ON w.id=p.crawl_id JOIN submitters s ON s.id=p.submitter_id JOIN hosts h ON h.id=p.host_id
	LEFT JOIN segments g ON g.id=p.segment_id LEFT JOIN revisits r ON r.page_id=p.id `

func scanPage(r interface{ Scan(...any) error }) (p catalog.Page, key []byte, err error) {
	var state int
	var due, first, fetched, seq, next, last int64
	var took string
	err = r.Scan(&p.ID, &p.URL, &p.Crawl, &p.Submitter, &p.Host, &p.HostID, &p.Origin, &p.Via, &p.Depth, &p.Reach, &p.Priority, &p.Sitemap, &state, &p.Reason, &p.Fault, &p.Visit, &p.Visits, &due, &first,
		&fetched, &p.Status, &p.FinalURL, &p.MIME, &p.Charset, &p.Size, &p.Digest, &p.Payload, &p.Truncated, &p.Title, &p.Description, &p.Lang, &p.Canonical, &p.ETag, &p.LastModified,
		&p.WARC.File, &p.WARC.Offset, &p.WARC.Length, &seq, &p.Tries, &took, &next, &last, &p.Revisit.Looks, &p.Revisit.Changes, &p.Copy, &p.CopyOf, &key)
	if err != nil {
		return p, nil, err
	}
	p.State, p.Reach, p.Searchable = catalog.States()[state], reachOut(p.Reach), seq > 0
	p.Took, p.Revisit.At, p.Revisit.Last = tookOut(took), moment(next), moment(last)
	p.Due, p.FirstSeen = time.UnixMilli(due).UTC(), time.UnixMilli(first).UTC()
	if fetched > 0 {
		p.FetchedAt = time.UnixMilli(fetched).UTC()
	}
	return p, key, nil
}

// Page returns the page with that canonical URL in the crawl, or ErrNotFound.
func (c *Catalog) Page(ctx context.Context, crawl, url string) (catalog.Page, error) {
	p, _, err := scanPage(c.reads.QueryRowContext(ctx, `SELECT `+pageColumns+pageTables+`WHERE p.crawl_id=(SELECT id FROM crawls WHERE name=?) AND p.key=?`, crawl, pageKey(url)))
	return p, pageError(err, url)
}

// Outlinks returns where the page with that ID leads, or ErrNotFound.
func (c *Catalog) Outlinks(ctx context.Context, page int64) (catalog.Outlinks, error) {
	o := catalog.Outlinks{Page: page}
	var links []byte
	err := c.reads.QueryRowContext(ctx, `SELECT p.url, p.depth, p.reach, p.sitemap, p.reason, p.final_url, coalesce(c.links, x'')
		FROM pages p LEFT JOIN contents c ON c.page_id=p.id WHERE p.id=?`, page).Scan(&o.URL, &o.Depth, &o.Reach, &o.Sitemap, &o.Reason, &o.FinalURL, &links)
	if err != nil {
		return o, pageError(err, fmt.Sprint(page))
	}
	o.Reach = reachOut(o.Reach)
	o.Links, err = unpackLines(page, links)
	return o, err
}

func pageError(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("page %s: %w", what, catalog.ErrNotFound)
	}
	return wrap(err)
}

func (c *Catalog) contents(ctx context.Context, p *catalog.Page, f catalog.Filter) error {
	if !f.Text && !f.Links {
		return nil
	}
	var text, links []byte
	err := c.reads.QueryRowContext(ctx, `SELECT text, links FROM contents WHERE page_id=?`, p.ID).Scan(&text, &links)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return sqlError(err)
	}
	if f.Text {
		if p.Text, err = unpack(text); err != nil {
			return fmt.Errorf("text of page %d: %w", p.ID, err)
		}
	}
	if f.Links {
		p.Links, err = unpackLines(p.ID, links)
	}
	return err
}

func unpackLines(page int64, packed []byte) ([]string, error) {
	text, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("links of page %d: %w", page, err)
	}
	return lines(text), nil
}

// exportAtOnce bounds the pages that one read of Pages holds, so that a long export does not hold up the writers' clean-up.
const exportAtOnce = 500

// Pages calls fn for each page that f chooses, crawl by crawl in an order that depends on the URLs alone.
func (c *Catalog) Pages(ctx context.Context, f catalog.Filter, fn func(catalog.Page) error) error {
	crawls, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if f.Crawl != "" {
		if _, err := c.Crawl(ctx, f.Crawl); err != nil {
			return err
		}
	}
	for _, cr := range crawls {
		if f.Crawl != "" && cr.Crawl != f.Crawl {
			continue
		}
		for key := []byte{}; key != nil; {
			pages, last, err := c.pagesFrom(ctx, cr.Crawl, key, f)
			if err != nil {
				return err
			}
			for i := range pages {
				if err := c.contents(ctx, &pages[i], f); err != nil {
					return err
				}
				if err := fn(pages[i]); err != nil {
					return err
				}
			}
			key = last
		}
	}
	return nil
}

// pagesFrom reads the pages after key; last is nil when there are no more.
func (c *Catalog) pagesFrom(ctx context.Context, crawl string, key []byte, f catalog.Filter) (pages []catalog.Page, last []byte, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT `+pageColumns+pageTables+`WHERE p.crawl_id=(SELECT id FROM crawls WHERE name=?) AND p.key>? ORDER BY p.key LIMIT ?`, crawl, key, exportAtOnce)
	if err != nil {
		return nil, nil, sqlError(err)
	}
	n := 0
	err = each(rows, func(r *sql.Rows) error {
		p, k, err := scanPage(r)
		if n++; err == nil && (f.State == "" || p.State == f.State) {
			pages = append(pages, p)
		}
		last = k
		return err
	})
	if n < exportAtOnce {
		last = nil
	}
	return pages, last, wrap(err)
}

// Failure returns the last error of a page that failed, or "".
func (c *Catalog) Failure(ctx context.Context, page int64) (stage, text string, err error) {
	err = c.reads.QueryRowContext(ctx, `SELECT stage, error FROM failures WHERE page_id=?`, page).Scan(&stage, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil
	}
	return stage, strings.TrimSpace(text), wrap(err)
}

// Check asks the database for an answer, and whether it can be written.
func (c *Catalog) Check(ctx context.Context) error {
	return c.write.do(ctx, func(*tx) error { return nil })
}
