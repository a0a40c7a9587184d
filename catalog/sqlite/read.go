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

// Backlog splits the waiting pages by what they wait for.
func (c *Catalog) Backlog(ctx context.Context, now time.Time) (b catalog.Backlog, err error) {
	err = c.reads.QueryRowContext(ctx, `SELECT
			coalesce(sum(CASE WHEN robots_state=0 OR (robots_state<>3 AND robots_until<=?1) THEN waiting END), 0),
			coalesce(sum(CASE WHEN robots_state=3 THEN waiting END), 0),
			coalesce(sum(CASE WHEN robots_state IN (1,2) AND robots_until>?1 AND promote_at>?2 THEN waiting END), 0),
			coalesce(sum(CASE WHEN robots_state IN (1,2) AND robots_until>?1 AND promote_at>?1 AND promote_at<=?2 THEN waiting END), 0),
			coalesce(sum(CASE WHEN robots_state IN (1,2) AND robots_until>?1 AND promote_at<=?1 THEN waiting END), 0)
		FROM hosts WHERE waiting>0`, now.UnixMilli(), now.Add(time.Minute).UnixMilli()).Scan(&b.Robots, &b.Backoff, &b.Later, &b.Polite, &b.Room)
	return b, wrap(err)
}

// LeadsLeft is how many closed pages have links that are still to be admitted: while there are any, a crawl is not done.
func (c *Catalog) LeadsLeft(ctx context.Context) (n int64, err error) {
	err = c.reads.QueryRowContext(ctx, `SELECT count(*) FROM pages WHERE expand > 0`).Scan(&n)
	return n, wrap(err)
}

const pageColumns = `p.id, p.url, w.name, s.name, h.name, p.host_id, p.origin, p.via, p.depth, p.reach, p.priority, p.state, p.reason, p.visit, p.visits, p.due, p.first_seen,
	p.fetched_at, p.status, p.final_url, p.mime, p.charset, p.size, p.digest, p.payload, p.truncated, p.title, p.description, p.lang, p.canonical, p.etag, p.last_modified,
	coalesce(g.name, ''), p.warc_offset, p.warc_length, p.seq, coalesce(f.attempts, 0), p.key`

const pageTables = ` FROM pages p JOIN crawls w ON w.id=p.crawl_id JOIN submitters s ON s.id=p.submitter_id JOIN hosts h ON h.id=p.host_id
	LEFT JOIN segments g ON g.id=p.segment_id LEFT JOIN failures f ON f.page_id=p.id `

func scanPage(r interface{ Scan(...any) error }) (p catalog.Page, key []byte, err error) {
	var state int
	var due, first, fetched, seq int64
	err = r.Scan(&p.ID, &p.URL, &p.Crawl, &p.Submitter, &p.Host, &p.HostID, &p.Origin, &p.Via, &p.Depth, &p.Reach, &p.Priority, &state, &p.Reason, &p.Visit, &p.Visits, &due, &first,
		&fetched, &p.Status, &p.FinalURL, &p.MIME, &p.Charset, &p.Size, &p.Digest, &p.Payload, &p.Truncated, &p.Title, &p.Description, &p.Lang, &p.Canonical, &p.ETag, &p.LastModified,
		&p.WARC.File, &p.WARC.Offset, &p.WARC.Length, &seq, &p.Tries, &key)
	if err != nil {
		return p, nil, err
	}
	p.State, p.Reach, p.Searchable = catalog.States()[state], reachOut(p.Reach), seq > 0
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

// PageByID returns the page with that ID with its links, or ErrNotFound.
func (c *Catalog) PageByID(ctx context.Context, id int64) (catalog.Page, error) {
	p, _, err := scanPage(c.reads.QueryRowContext(ctx, `SELECT `+pageColumns+pageTables+`WHERE p.id=?`, id))
	if err != nil {
		return p, pageError(err, fmt.Sprint(id))
	}
	return p, c.contents(ctx, &p, catalog.Filter{Links: true})
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
		if p.Text, err = c.zstd.unpack(text); err != nil {
			return fmt.Errorf("text of page %d: %w", p.ID, err)
		}
	}
	if f.Links {
		l, err := c.zstd.unpack(links)
		if err != nil {
			return fmt.Errorf("links of page %d: %w", p.ID, err)
		}
		p.Links = lines(l)
	}
	return nil
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
	where := `WHERE p.crawl_id=(SELECT id FROM crawls WHERE name=?) AND p.key>? ORDER BY p.key LIMIT ?`
	rows, err := c.reads.QueryContext(ctx, `SELECT `+pageColumns+pageTables+where, crawl, key, exportAtOnce)
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
