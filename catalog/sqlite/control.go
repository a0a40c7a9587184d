package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"example.org/trawl/catalog"
)

// Pause keeps promotion from handing out pages of a crawl, host or submitter. It is known within a second to all processes.
func (c *Catalog) Pause(ctx context.Context, what, name string, now time.Time) error {
	if err := c.named(ctx, what, name); err != nil {
		return err
	}
	return c.write.do(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO pauses (what, name, since) VALUES (?,?,?) ON CONFLICT DO NOTHING`, what, name, now.UnixMilli())
		return err
	})
}

// Resume takes a pause back; ErrNotFound when there is none.
func (c *Catalog) Resume(ctx context.Context, what, name string, now time.Time) error {
	found := false
	err := c.write.do(ctx, func(t *tx) error {
		n, err := t.exec(`DELETE FROM pauses WHERE what=? AND name=?`, what, name)
		if found = n > 0; err != nil || !found {
			return err
		}
		switch what {
		case "host":
			id, err := c.id(t, "hosts", name)
			if err != nil {
				return err
			}
			return t.freeHost(id, now)
		case "crawl":
			_, err = t.exec(`UPDATE lanes SET at=max(due, ?) WHERE crawl_id=(SELECT id FROM crawls WHERE name=?)`, now.UnixMilli(), name)
		default:
			_, err = t.exec(`UPDATE lanes SET at=max(due, ?) WHERE submitter_id=(SELECT id FROM submitters WHERE name=?)`, now.UnixMilli(), name)
		}
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("pause of %s %q: %w", what, name, catalog.ErrNotFound)
	}
	return err
}

// named tells whether there is such a crawl, host or submitter: ErrNotFound if not.
func (c *Catalog) named(ctx context.Context, what, name string) error {
	table := map[string]string{"crawl": "crawls", "host": "hosts", "submitter": "submitters"}[what]
	var n int
	if err := c.reads.QueryRowContext(ctx, `SELECT count(*) FROM `+table+` WHERE name=?`, name).Scan(&n); err != nil {
		return sqlError(err)
	}
	if n == 0 {
		return fmt.Errorf("%s %q: %w", what, name, catalog.ErrNotFound)
	}
	return nil
}

// Pauses lists what is paused.
func (c *Catalog) Pauses(ctx context.Context) (out []catalog.Pause, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT what, name, since FROM pauses ORDER BY what, name`)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var p catalog.Pause
		var since int64
		err := r.Scan(&p.What, &p.Name, &since)
		p.Since = time.UnixMilli(since).UTC()
		out = append(out, p)
		return err
	})
	return out, wrap(err)
}

// SetHost says how hard the host may be pressed, whatever the crawls say; nil leaves that to them again. ErrNotFound when there is
// no such host.
func (c *Catalog) SetHost(ctx context.Context, name string, own *catalog.HostLimits, now time.Time) error {
	if err := c.named(ctx, "host", name); err != nil {
		return err
	}
	delay, perHost := int64(-1), 0
	if own != nil {
		delay, perHost = int64(own.Delay), own.PerHost
	}
	return c.write.do(ctx, func(t *tx) error {
		var id int64
		var free bool
		// Its pace was that of another delay.
		found, err := t.row(`UPDATE hosts SET own_delay=?, own_per_host=?, pace=0 WHERE name=? RETURNING id, state=0 AND robots_visit=''`, []any{delay, perHost, name}, &id, &free)
		if err != nil || !found || !free {
			return err
		}
		return t.freeHost(id, now) // a shorter delay is to be felt at once
	})
}

// OwnLimits are the limits that operators have set for hosts, by the host's name, as they hold beside its robots.txt.
func (c *Catalog) OwnLimits(ctx context.Context) (map[string]catalog.HostLimits, error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT name, own_delay, own_per_host, robots_delay FROM hosts WHERE own_delay >= 0`)
	if err != nil {
		return nil, sqlError(err)
	}
	out := map[string]catalog.HostLimits{}
	err = each(rows, func(r *sql.Rows) error {
		var name string
		var l catalog.HostLimits
		var crawlDelay time.Duration
		err := r.Scan(&name, &l.Delay, &l.PerHost, &crawlDelay)
		out[name] = l.Under(crawlDelay)
		return err
	})
	return out, wrap(err)
}

// ownLimits are an operator's limits as the columns of a host have them.
func ownLimits(delay int64, perHost int) *catalog.HostLimits {
	if delay < 0 {
		return nil
	}
	return &catalog.HostLimits{Delay: time.Duration(delay), PerHost: perHost}
}

// pagesAtOnce bounds one transaction of what concerns many pages.
const pagesAtOnce = 2000

// chosen is the condition for a page p, its lane's and its failure's columns to be chosen; an empty name chooses all.
const chosen = `(?1='' OR p.crawl_id=(SELECT id FROM crawls WHERE name=?1)) AND (?2='' OR p.host_id=(SELECT id FROM hosts WHERE name=?2))
	AND (?3='' OR p.submitter_id=(SELECT id FROM submitters WHERE name=?3))`

// exists tells whether what ch names is there.
func (c *Catalog) exists(ctx context.Context, ch catalog.Choice) error {
	for what, name := range map[string]string{"crawl": ch.Crawl, "host": ch.Host, "submitter": ch.Submitter} {
		if name != "" {
			if err := c.named(ctx, what, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Retry makes failed pages wait again, with all their tries, and returns how many those were.
func (c *Catalog) Retry(ctx context.Context, ch catalog.Choice, now time.Time) (total int64, err error) {
	if err := c.exists(ctx, ch); err != nil {
		return 0, err
	}
	hosts := map[int64]bool{}
	for from := int64(0); ; {
		var pages []closedPage
		read, last := 0, from
		err := c.write.do(ctx, func(t *tx) error {
			pages, read = nil, 0
			err := t.rows(func(r *sql.Rows) error {
				var p closedPage
				var take bool
				read++
				err := r.Scan(&p.id, &p.crawl, &p.host, &p.submitter, &p.lane, &p.state, &p.reason, &take)
				if last = p.id; take && p.state == failed {
					pages = append(pages, p)
				}
				return err
			}, `SELECT p.id, p.crawl_id, p.host_id, p.submitter_id, p.lane_id, p.state, p.reason, `+chosen+` FROM failures f CROSS JOIN pages p ON p.id=f.page_id
				WHERE (?4='' OR f.kind=?4) AND f.page_id>?5 ORDER BY f.page_id LIMIT ?6`, ch.Crawl, ch.Host, ch.Submitter, ch.Fault, from, pagesAtOnce)
			for _, p := range pages {
				if err == nil {
					err = t.reopen(p, now)
				}
				if err == nil {
					_, err = t.exec(`DELETE FROM failures WHERE page_id=?`, p.id)
				}
			}
			return err
		})
		if err != nil {
			return total, err
		}
		total, from = total+int64(len(pages)), last
		for _, p := range pages {
			hosts[p.host] = true
		}
		if read < pagesAtOnce {
			return total, c.forgive(ctx, hosts, now)
		}
	}
}

// forgive lets hosts that were given up be tried at once.
func (c *Catalog) forgive(ctx context.Context, hosts map[int64]bool, now time.Time) error {
	return c.write.do(ctx, func(t *tx) error {
		for id := range hosts {
			n, err := t.exec(`UPDATE hosts SET until=min(until, ?), since=?, given_up=0 WHERE id=? AND state>0 AND given_up=1`, now.UnixMilli(), now.UnixMilli(), id)
			if err == nil && n > 0 {
				err = t.freeHost(id, now)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Cancel ends pages that are not closed, for the given reason, and returns how many those were. Visits that are under way can no
// longer write, and links that still wait to be admitted are not followed.
func (c *Catalog) Cancel(ctx context.Context, ch catalog.Choice, reason string, now time.Time) (total int64, err error) {
	if ch.Fault != "" {
		return 0, fmt.Errorf("cancel pages that failed: %w", catalog.ErrNotFound)
	}
	if err := c.exists(ctx, ch); err != nil {
		return 0, err
	}
	if err := c.SetMeta(ctx, catalog.CancelledKey, strconv.FormatInt(now.UnixMilli(), 10)); err != nil {
		return 0, err
	}
	for {
		n := 0
		err := c.write.do(ctx, func(t *tx) (err error) {
			n, err = t.cancel(ch, reason, now)
			return err
		})
		if total += int64(n); err != nil || n == 0 {
			return total, err
		}
	}
}

// cancel ends some of the pages and returns how many; 0 when there are no more.
func (t *tx) cancel(ch catalog.Choice, reason string, now time.Time) (int, error) {
	if err := t.flush(); err != nil { // it reads the lanes' counters
		return 0, err
	}
	var pages []closedPage
	take := func(r *sql.Rows) error {
		var p closedPage
		err := r.Scan(&p.id, &p.crawl, &p.host, &p.submitter, &p.lane, &p.state)
		pages = append(pages, p)
		return err
	}
	const columns = `SELECT p.id, p.crawl_id, p.host_id, p.submitter_id, p.lane_id, p.state `
	args := []any{ch.Crawl, ch.Host, ch.Submitter, pagesAtOnce}
	err := t.rows(take, columns+`FROM pages p WHERE p.state=0 AND p.lane_id IN (SELECT p.id FROM lanes p WHERE p.waiting>0 AND `+chosen+`) LIMIT ?4`, args...)
	if err == nil && len(pages) == 0 {
		err = t.rows(take, columns+`FROM pages p WHERE p.state=1 AND p.lease>=0 AND `+chosen+` LIMIT ?4`, args...)
	}
	for _, p := range pages {
		if err != nil {
			return 0, err
		}
		_, err = t.exec(`UPDATE pages SET state=4, reason=?, visit='', lease=0, fetched_at=?, expand=0, fault='' WHERE id=?`, reason, now.UnixMilli(), p.id)
		t.move(p.place, p.state, ended)
		t.reasons[reasonKey{p.crawl, reason}]++
	}
	if err == nil && len(pages) == 0 {
		_, err = t.exec(`UPDATE pages AS p SET expand=0 WHERE p.expand>0 AND `+chosen, ch.Crawl, ch.Host, ch.Submitter)
	}
	return len(pages), err
}

// Open is how many of the chosen pages are not closed.
func (c *Catalog) Open(ctx context.Context, ch catalog.Choice) (n int64, err error) {
	if err := c.exists(ctx, ch); err != nil {
		return 0, err
	}
	err = c.reads.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(p.waiting), 0) FROM lanes p WHERE p.waiting>0 AND `+chosen+`)
		+ (SELECT count(*) FROM pages p WHERE p.state=1 AND p.lease>=0 AND `+chosen+`)`, ch.Crawl, ch.Host, ch.Submitter).Scan(&n)
	return n, wrap(err)
}

// failuresRead bounds the failures that Failures looks into; beyond it tries and times are of some alone, never the number of pages.
const failuresRead = 1000

// Failures groups the failed pages by what they failed of.
func (c *Catalog) Failures(ctx context.Context, ch catalog.Choice) (out []catalog.Failures, err error) {
	if err := c.exists(ctx, ch); err != nil {
		return nil, err
	}
	rows, err := c.reads.QueryContext(ctx, `SELECT reason, sum(pages), count(*), max(last) FROM (
			SELECT reason, count(*) AS pages, max(id) AS last FROM pages p INDEXED BY pages_failed WHERE p.state=3 AND (?4='' OR p.reason=?4) AND `+chosen+` GROUP BY reason, host_id)
		GROUP BY reason ORDER BY sum(pages) DESC, reason`, ch.Crawl, ch.Host, ch.Submitter, ch.Fault)
	if err != nil {
		return nil, sqlError(err)
	}
	var examples []int64
	err = each(rows, func(r *sql.Rows) error {
		var f catalog.Failures
		var example int64
		err := r.Scan(&f.Fault, &f.Pages, &f.Hosts, &example)
		out, examples = append(out, f), append(examples, example)
		return err
	})
	for i := range out {
		f := &out[i]
		var first, last int64
		if err == nil {
			err = c.reads.QueryRowContext(ctx, `SELECT coalesce(sum(attempts), 0), coalesce(min(first_at), 0), coalesce(max(last_at), 0)
				FROM (SELECT f.attempts, f.first_at, f.last_at FROM pages p INDEXED BY pages_failed CROSS JOIN failures f ON f.page_id=p.id
					WHERE p.state=3 AND p.reason=?4 AND `+chosen+` LIMIT ?5)`, ch.Crawl, ch.Host, ch.Submitter, f.Fault, failuresRead/len(out)).Scan(&f.Attempts, &first, &last)
		}
		f.First, f.Last = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		if err == nil {
			err = c.reads.QueryRowContext(ctx, `SELECT p.url, f.error FROM failures f JOIN pages p ON p.id=f.page_id WHERE f.page_id=?`, examples[i]).Scan(&f.Example, &f.Err)
		}
		if errors.Is(err, sql.ErrNoRows) { // it was closed meanwhile
			err = nil
		}
	}
	return out, wrap(err)
}

// FailedPages lists the chosen pages that failed, the last that were admitted first: up to limit, of IDs below before, 0 for all.
func (c *Catalog) FailedPages(ctx context.Context, ch catalog.Choice, before int64, limit int) (out []catalog.FailedPage, err error) {
	if err := c.exists(ctx, ch); err != nil {
		return nil, err
	}
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := c.reads.QueryContext(ctx, `SELECT p.id, p.url, c.name, f.kind, f.stage, f.attempts, f.last_at, f.error
		FROM failures f CROSS JOIN pages p ON p.id=f.page_id JOIN crawls c ON c.id=p.crawl_id
		WHERE f.page_id<?5 AND (?4='' OR f.kind=?4) AND p.state=3 AND `+chosen+` ORDER BY f.page_id DESC LIMIT ?6`, ch.Crawl, ch.Host, ch.Submitter, ch.Fault, before, limit)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var f catalog.FailedPage
		var last int64
		err := r.Scan(&f.ID, &f.URL, &f.Crawl, &f.Fault, &f.Stage, &f.Attempts, &last, &f.Err)
		f.Last = time.UnixMilli(last).UTC()
		out = append(out, f)
		return err
	})
	return out, wrap(err)
}

// SetQuota says what a submitter is allowed, also one that was never heard of.
func (c *Catalog) SetQuota(ctx context.Context, q catalog.Quota) error {
	return c.write.do(ctx, func(t *tx) error {
		id, err := c.id(t, "submitters", q.Submitter)
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE submitters SET weight=?, max_waiting=?, per_minute=?, tokens=0, tokens_at=0 WHERE id=?`, q.Weight, q.Most, q.PerMinute, id)
		return err
	})
}

// Quotas lists the submitters with what they are allowed and what they have waiting.
func (c *Catalog) Quotas(ctx context.Context) (out []catalog.Quota, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT s.name, s.weight, s.max_waiting, s.per_minute, coalesce((SELECT sum(waiting) FROM counts WHERE dim=2 AND ref=s.id), 0) FROM submitters s ORDER BY s.name`)
	if err != nil {
		return nil, sqlError(err)
	}
	err = each(rows, func(r *sql.Rows) error {
		var q catalog.Quota
		err := r.Scan(&q.Submitter, &q.Weight, &q.Most, &q.PerMinute, &q.Waiting)
		out = append(out, q)
		return err
	})
	return out, wrap(err)
}
