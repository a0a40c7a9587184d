package sqlite

import (
	"context"
	"database/sql"
	"time"

	"example.org/trawl/catalog"
)

// moment reads a time that may be none: 0, or further away than any.
func moment(ms int64) time.Time {
	if ms <= 0 || ms >= never {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func kept(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.UnixMilli()
}

// plan keeps when a page that is being closed is looked at again.
func (t *tx) plan(o owner, next catalog.Plan) error {
	if next == nil {
		return nil
	}
	var r catalog.Revisit
	var last int64
	_, err := t.row(`SELECT last, looks, changes, seen, over, gone FROM revisits WHERE page_id=?`, []any{o.lead.Page}, &last, &r.Looks, &r.Changes, &r.Seen, &r.Over, &r.Gone)
	if err != nil {
		return err
	}
	r.Last = moment(last)
	r = next(r)
	_, err = t.exec(`INSERT OR REPLACE INTO revisits (page_id, crawl_id, at, last, looks, changes, seen, over, gone) VALUES (?,?,?,?,?,?,?,?,?)`,
		o.lead.Page, o.crawl, kept(r.At), kept(r.Last), r.Looks, r.Changes, r.Seen, int64(r.Over), r.Gone)
	return err
}

// lateCounted is how many late pages are counted at most.
const lateCounted = 100_000

// Revisit makes pages of a crawl that are due for another look wait, up to so many, and as the budget of looks a day allows for; 0
// is no budget. What a budget allows for is saved up for an hour at most.
func (c *Catalog) Revisit(ctx context.Context, crawl, perDay int64, most int, now time.Time) (n int, err error) {
	err = c.write.do(ctx, func(t *tx) error {
		n = 0
		left := float64(most)
		if perDay > 0 {
			var at int64
			if _, err := t.row(`SELECT looks_left, looks_at FROM crawls WHERE id=?`, []any{crawl}, &left, &at); err != nil {
				return err
			}
			hour := max(float64(perDay)/24, 1)
			left = min(hour, left+float64(perDay)*float64(now.UnixMilli()-at)/float64((24*time.Hour).Milliseconds()))
		}
		const rounding = 1e-6 // six times a sixth of a look is a whole one
		pages, err := t.dueAgain(crawl, min(most, int(left+rounding)), now)
		if err != nil {
			return err
		}
		for _, p := range pages {
			if _, err := t.exec(`UPDATE revisits SET at=? WHERE page_id=?`, int64(never), p.id); err != nil {
				return err
			}
			if p.state <= queued { // somebody was quicker
				continue
			}
			if err := t.reopen(p, now); err != nil {
				return err
			}
			n++
		}
		_, err = t.exec(`UPDATE crawls SET looked=looked+?, looks_left=?, looks_at=? WHERE id=?`, n, left-float64(n), now.UnixMilli(), crawl)
		return err
	})
	return n, err
}

func (t *tx) dueAgain(crawl int64, limit int, now time.Time) (out []closedPage, err error) {
	err = t.rows(func(r *sql.Rows) error {
		p := closedPage{place: place{crawl: crawl}}
		err := r.Scan(&p.id, &p.host, &p.submitter, &p.lane, &p.state, &p.reason)
		out = append(out, p)
		return err
	}, `SELECT p.id, p.host_id, p.submitter_id, p.lane_id, p.state, p.reason FROM revisits r CROSS JOIN pages p ON p.id=r.page_id
		WHERE r.crawl_id=? AND r.at<=? ORDER BY r.at LIMIT ?`, crawl, now.UnixMilli(), limit)
	return out, err
}

// Price returns what a look at a page of the crawl has to be worth, and how it went since that was said.
func (c *Catalog) Price(ctx context.Context, crawl int64, now time.Time) (p catalog.Price, err error) {
	var since int64
	err = c.reads.QueryRowContext(ctx, `SELECT price, price_at, looked, (SELECT count(*) FROM (SELECT 1 FROM revisits WHERE crawl_id=? AND at<=? LIMIT ?)) FROM crawls WHERE id=?`,
		crawl, now.UnixMilli(), lateCounted, crawl).Scan(&p.Seconds, &since, &p.Looks, &p.Late)
	p.Since = moment(since)
	return p, wrap(err)
}

// SetPrice says what a look at a page of the crawl has to be worth from now on, unless somebody else has said so since.
func (c *Catalog) SetPrice(ctx context.Context, crawl int64, since time.Time, price float64, now time.Time) error {
	was := int64(0)
	if !since.IsZero() {
		was = since.UnixMilli()
	}
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`UPDATE crawls SET price=?, price_at=?, looked=0 WHERE id=? AND price_at=?`, price, now.UnixMilli(), crawl, was)
		return err
	})
}
