package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

// Submit creates the crawl of that name or changes it: merge gets the settings it has (nil for a new one) and returns the
// crawl as it is to be, of which Settings, Limits, MaxPages and MazePages are kept, and Readmit is obeyed. Roots are added to those it has.
func (c *Catalog) Submit(ctx context.Context, name string, roots []string, now time.Time, merge func(old json.RawMessage) (catalog.Crawl, error)) (catalog.Crawl, error) {
	err := c.write.do(ctx, func(t *tx) error {
		var old []byte
		var was catalog.Limits
		if _, err := t.row(`SELECT settings, delay, per_host, per_domain, per_ip, adapt FROM crawls WHERE name=?`, []any{name},
			&old, &was.Delay, &was.PerHost, &was.PerDomain, &was.PerIP, &was.Adapt); err != nil {
			return err
		}
		cr, err := merge(old)
		if err != nil {
			return err
		}
		var id int64
		_, err = t.row(`INSERT INTO crawls (name, settings, delay, per_host, per_domain, per_ip, adapt, max_pages, maze_pages, created) VALUES (?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (name) DO UPDATE SET settings=excluded.settings, delay=excluded.delay, per_host=excluded.per_host, per_domain=excluded.per_domain,
			per_ip=excluded.per_ip, adapt=excluded.adapt, max_pages=excluded.max_pages, maze_pages=excluded.maze_pages
			RETURNING id`, []any{name, string(cr.Settings), int64(cr.Delay), cr.PerHost, cr.PerDomain, cr.PerIP, cr.Adapt, cr.MaxPages, cr.MazePages, now.UnixMilli()}, &id)
		if err != nil {
			return err
		}
		for _, r := range roots {
			if _, err := t.exec(`INSERT OR IGNORE INTO roots (crawl_id, root) VALUES (?,?)`, id, r); err != nil {
				return err
			}
		}
		// As of now: by the time that reconcile takes them up, every worker has met the new settings.
		if cr.Readmit {
			if _, err := t.exec(`UPDATE pages SET expand=? WHERE crawl_id=? AND leads=1 AND state>1 AND (reach>0 OR depth=0 OR sitemap=1)`, now.UnixMilli(), id); err != nil {
				return err
			}
		}
		if old == nil || cr.Limits == was {
			return nil
		}
		// A shorter delay is to be felt at once, and the pace of hosts is that of the longer one.
		if cr.Delay < was.Delay {
			if _, err := t.exec(`UPDATE hosts SET pace=0 WHERE id IN (SELECT host_id FROM lanes WHERE crawl_id=?)`, id); err != nil {
				return err
			}
		}
		_, err = t.exec(`UPDATE lanes SET at=max(due, ?) WHERE crawl_id=? AND at < 9000000000000000 AND (SELECT state=0 AND robots_visit='' FROM hosts WHERE id=lanes.host_id)`, now.UnixMilli(), id)
		return err
	})
	if err != nil {
		return catalog.Crawl{}, err
	}
	return c.Crawl(ctx, name)
}

// Crawl returns the crawl of that name, or ErrNotFound.
func (c *Catalog) Crawl(ctx context.Context, name string) (catalog.Crawl, error) {
	cr := catalog.Crawl{Name: name}
	var settings string
	var delay, created int64
	err := c.reads.QueryRowContext(ctx, `SELECT id, settings, delay, per_host, per_domain, per_ip, adapt, max_pages, maze_pages, price, created FROM crawls WHERE name=?`, name).
		Scan(&cr.ID, &settings, &delay, &cr.PerHost, &cr.PerDomain, &cr.PerIP, &cr.Adapt, &cr.MaxPages, &cr.MazePages, &cr.Price, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return cr, fmt.Errorf("crawl %q: %w", name, catalog.ErrNotFound)
	}
	if err != nil {
		return cr, sqlError(err)
	}
	cr.Settings, cr.Delay, cr.Created = json.RawMessage(settings), time.Duration(delay), time.UnixMilli(created)
	rows, err := c.reads.QueryContext(ctx, `SELECT root FROM roots WHERE crawl_id=?`, cr.ID)
	if err != nil {
		return cr, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var root string
		err := r.Scan(&root)
		cr.Roots = append(cr.Roots, root)
		return err
	})
	return cr, wrap(err)
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return sqlError(err)
}

// pageKey is the first half of the URL's SHA-256: short enough for an index, long enough that nobody makes two alike.
func pageKey(url string) []byte {
	sum := sha256.Sum256([]byte(url))
	return sum[:16]
}
