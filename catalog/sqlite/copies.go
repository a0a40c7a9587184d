package sqlite

import (
	"database/sql"
	"strconv"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/simhash"
)

// content is what a page said when it was read last.
type content struct {
	crawl, host int64
	maze        int64 // 0 once the page was read: it counts for its maze once
	digest      string
	print       uint64
	copy        catalog.Copy
}

func (t *tx) content(page int64, visit string) (c content, found bool, err error) {
	var print int64
	found, err = t.row(`SELECT crawl_id, host_id, CASE WHEN digest='' THEN maze_id ELSE 0 END, digest, print, copy FROM pages WHERE id=? AND visit=? AND state=1`, []any{page, visit},
		&c.crawl, &c.host, &c.maze, &c.digest, &print, &c.copy)
	c.print = uint64(print)
	return c, found, err
}

// twin is the page that another is a copy of.
type twin struct {
	copy    catalog.Copy
	of      string
	indexed bool // the other is
}

// enough tells whether the copy need not be searchable, for the other is.
func (w twin) enough() bool { return w.indexed && w.copy != catalog.Near }

// compare looks for the page that s names as its canonical one, or for one of the same crawl that says the same, or nearly the same at
// the same host, and remembers s if it is nobody's copy.
func (t *tx) compare(s catalog.Storing, was content) (w twin, err error) {
	if s.Defers {
		w = twin{copy: catalog.Canonical, of: s.Canonical}
		if _, err = t.row(`SELECT seq>0 FROM pages WHERE crawl_id=? AND key=?`, []any{was.crawl, pageKey(s.Canonical)}, &w.indexed); err != nil {
			return w, err
		}
	} else if w, err = t.twinOf(s, was); err != nil {
		return w, err
	}
	same := was.digest == s.Digest && was.print == s.Print && was.copy == w.copy
	if was.digest != "" && was.copy == catalog.NoCopy && !same {
		if err := t.mark(was, s.Page, `DELETE FROM marks WHERE crawl_id=? AND scope=? AND mark=? AND page_id=?`); err != nil {
			return w, err
		}
	}
	now := content{crawl: was.crawl, host: was.host, digest: s.Digest, print: s.Print}
	if w.copy == catalog.NoCopy && !same || was.digest == "" && w.copy == catalog.NoCopy {
		return w, t.mark(now, s.Page, `INSERT OR IGNORE INTO marks (crawl_id, scope, mark, page_id) VALUES (?,?,?,?)`)
	}
	return w, nil
}

func (t *tx) twinOf(s catalog.Storing, was content) (w twin, err error) {
	if s.Size == 0 {
		return w, nil
	}
	err = t.rows(func(r *sql.Rows) error {
		w.copy = catalog.Exact
		return r.Scan(&w.of, &w.indexed)
	}, `SELECT p.url, p.seq>0 FROM marks m JOIN pages p ON p.id=m.page_id WHERE m.crawl_id=? AND m.scope=0 AND m.mark=? AND m.page_id<>? AND p.digest=? LIMIT 1`,
		was.crawl, digestMark(s.Digest), s.Page, s.Digest)
	if err != nil || w.copy != catalog.NoCopy || s.Print == 0 {
		return w, err
	}
	b := bands(s.Print)
	err = t.rows(func(r *sql.Rows) error {
		var of string
		var print int64
		err := r.Scan(&of, &print)
		if w.copy == catalog.NoCopy && simhash.Distance(s.Print, uint64(print)) <= simhash.Near {
			w.copy, w.of = catalog.Near, of
		}
		return err
	}, `SELECT p.url, p.print FROM marks m JOIN pages p ON p.id=m.page_id WHERE m.crawl_id=? AND m.scope=? AND m.mark IN (?,?,?,?) AND m.page_id<>? LIMIT ?`,
		was.crawl, was.host, b[0], b[1], b[2], b[3], s.Page, mostAlike)
	return w, err
}

// mostAlike bounds the pages that a text is compared with.
const mostAlike = 64

// mark runs the statement for each mark of a page.
func (t *tx) mark(c content, page int64, query string) error {
	if _, err := t.exec(query, c.crawl, 0, digestMark(c.digest), page); err != nil || c.print == 0 {
		return err
	}
	for _, b := range bands(c.print) {
		if _, err := t.exec(query, c.crawl, c.host, b, page); err != nil {
			return err
		}
	}
	return nil
}

func digestMark(digest string) int64 {
	_, hex, _ := strings.Cut(digest, ":")
	n, _ := strconv.ParseInt(hex[:min(15, len(hex))], 16, 64) // what is no digest is alike
	return n
}

// bands are the parts of a fingerprint, each with its place.
func bands(print uint64) (out [4]int64) {
	for i, b := range simhash.Bands(print) {
		out[i] = int64(i)<<16 | int64(b)
	}
	return out
}

// standsFor takes out of the index what names the page as its canonical one.
func (t *tx) standsFor(o owner) error {
	_, err := t.exec(`UPDATE pages SET seq=0 WHERE copy=3 AND copy_of=? AND crawl_id=? AND seq>0`, o.lead.URL, o.crawl)
	return err
}

// proved notes that a page that only copies led to is none itself: then copies are worth following.
func (t *tx) proved(maze int64, now time.Time) error {
	m, err := t.mazeOf(maze)
	if err != nil || !m.copies() {
		return err
	}
	room, err := t.room(m.crawl)
	if err == nil {
		_, err = t.yielded(m, room, now)
	}
	return err
}
