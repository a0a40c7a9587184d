package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.org/trawl/catalog"
)

// maze is a row of mazes, as a transaction changes it.
type maze struct {
	id, crawl          int64
	name               string
	forms              []string
	pages, held, yield int64
	changed            bool
}

// copies tells whether the maze is what copies of a page lead to: then it is a page of it that is no copy that it yields.
func (m *maze) copies() bool { return m != nil && strings.HasPrefix(m.name, copiesOf) }

const copiesOf = "copies of "

// like tells whether a page of other is none outside of the maze: it is the same one, or its like at another host, as a calendar is
// in another language.
func (m *maze) like(other *maze) bool {
	if m == nil || other == nil {
		return false
	}
	kind, _, _ := strings.Cut(m.name, " ")
	its, _, _ := strings.Cut(other.name, " ")
	return kind == its
}

type mazeKey struct {
	crawl int64
	name  string
}

const mazeColumns = `id, crawl_id, name, forms, pages, held, yield`

func (m *maze) into(forms *string) []any {
	return []any{&m.id, &m.crawl, &m.name, forms, &m.pages, &m.held, &m.yield}
}

// maze returns the maze of that name, made if it is not there.
func (t *tx) maze(crawl int64, name string) (*maze, error) {
	if id, ok := t.mazeIDs[mazeKey{crawl, name}]; ok {
		return t.mazes[id], nil
	}
	m, forms := &maze{}, ""
	_, err := t.row(`INSERT INTO mazes (crawl_id, name) VALUES (?,?) ON CONFLICT DO UPDATE SET name=name RETURNING `+mazeColumns, []any{crawl, name}, m.into(&forms)...)
	return t.know(m, forms), err
}

// mazeOf returns the maze with that ID; nil for 0.
func (t *tx) mazeOf(id int64) (*maze, error) {
	if m, ok := t.mazes[id]; ok || id == 0 {
		return m, nil
	}
	m, forms := &maze{}, ""
	_, err := t.row(`SELECT `+mazeColumns+` FROM mazes WHERE id=?`, []any{id}, m.into(&forms)...)
	return t.know(m, forms), err
}

func (t *tx) know(m *maze, forms string) *maze {
	m.forms = lines(forms)
	t.mazes[m.id], t.mazeIDs[mazeKey{m.crawl, m.name}] = m, m.id
	return m
}

func (t *tx) flushMazes() error {
	for _, m := range t.mazes {
		if !m.changed {
			continue
		}
		if _, err := t.exec(`UPDATE mazes SET forms=?, pages=?, held=?, yield=? WHERE id=?`, strings.Join(m.forms, "\n"), m.pages, m.held, m.yield, m.id); err != nil {
			return err
		}
		m.changed = false
	}
	return nil
}

// finder is the page whose links are admitted.
type finder struct {
	form  string
	maze  *maze
	steps int64
	copy  catalog.Copy
	of    string
}

func (t *tx) finder(page int64, form string) (f finder, err error) {
	if page == 0 {
		return f, nil
	}
	f.form = form
	var id int64
	if _, err = t.row(`SELECT maze_id, steps, copy, copy_of FROM pages WHERE id=?`, []any{page}, &id, &f.steps, &f.copy, &f.of); err == nil {
		f.maze, err = t.mazeOf(id)
	}
	return f, err
}

// way is how a page was found: in which maze it is, if any, whether that alone leads to it, and by how many steps.
type way struct {
	maze  *maze
	alone bool
	steps int64
	host  int64 // not 0 where the maze may be all there is of the host
	few   bool  // a chain of so few steps is none
	path  *maze // counts what a path has beside itself: where that is most of the host, it is the site
}

func (t *tx) way(a catalog.Admission, f finder, p catalog.Candidate, host int64) (w way, err error) {
	switch {
	case p.Maze != "":
		w.maze, err = t.maze(a.Crawl, p.Maze)
		w.alone = w.maze.like(f.maze)
	case p.Form != "":
		var known bool
		w.maze, known, err = t.combined(a.Crawl, p)
		if w.alone = true; p.Beside && err == nil {
			w.path, err = t.maze(a.Crawl, "queries of "+p.Form[:strings.IndexByte(p.Form, '?')])
			if known {
				w.host = host
			}
		}
		if p.Form == f.form {
			w.steps = f.steps + 1
			if w.maze == nil && err == nil {
				w.maze, err = t.maze(a.Crawl, "steps of "+p.Form)
				w.host, w.few = host, w.steps <= catalog.FewSteps
			}
		}
	}
	if err == nil && w.maze == nil && f.copy != catalog.NoCopy && p.URL != f.of && (f.maze == nil || f.maze.copies()) {
		w.maze, err = t.maze(a.Crawl, copiesOf+f.of)
		w.alone = true
	}
	if w.maze == nil && f.copy == catalog.Canonical && p.URL == f.of && f.maze.copies() {
		w.maze, w.alone = f.maze, false // it is what the maze is worth: see proved
	}
	w.alone = w.alone && w.maze != nil && a.Finder != 0
	return w, err
}

// combined returns the maze of all the queries that a path has, if it has more of them than anybody needs, and whether p is one of
// those that were there before; nil if it does not.
func (t *tx) combined(crawl int64, p catalog.Candidate) (m *maze, known bool, err error) {
	path, names, _ := strings.Cut(p.Form, "?")
	if repeats(names) {
		m, err = t.maze(crawl, "repeated parameters of "+path)
		return m, false, err
	}
	several := strings.Contains(names, "&")
	if !several && !p.Beside { // one parameter alone combines with nothing
		return nil, false, nil
	}
	m, err = t.maze(crawl, "parameters of "+path)
	if err != nil || several && !m.knows(names) {
		return m, false, err
	}
	if p.Beside && m.pages+m.held > 0 {
		return m, true, nil
	}
	return nil, false, nil
}

// bracketed is what tells the values of one parameter from each other: f[0]=red&f[1]=blue.
var bracketed = regexp.MustCompile(`(?i)(\[|%5B)\d*(\]|%5D)$`)

// repeats tells whether a parameter has several values: it is then the choice that makes a page, and there is no end of those.
func repeats(names string) bool {
	all := strings.Split(names, "&")
	for i, n := range all {
		all[i] = bracketed.ReplaceAllString(n, "")
		if slices.Contains(all[:i], all[i]) {
			return true
		}
	}
	return false
}

// knows tells whether a combination of parameters is one of the first that were met at its path.
func (m *maze) knows(names string) bool {
	if slices.Contains(m.forms, names) {
		return true
	}
	if len(m.forms) == catalog.MazeForms {
		return false
	}
	m.forms, m.changed = append(m.forms, names), true
	return true
}

// most is how many pages that only the maze leads to may be visited.
func (t *tx) most(m *maze) (int64, error) {
	var base int64
	_, err := t.row(`SELECT maze_pages FROM crawls WHERE id=?`, []any{m.crawl}, &base)
	if base == 0 {
		return never, err
	}
	return base + catalog.MazeYield*m.yield, err
}

// enter counts a new page that was found that way, and tells whether it is to be left out.
func (in *admitting) enter(w way, f finder, now time.Time) (out bool, err error) {
	if w.path != nil {
		w.path.pages, w.path.changed = w.path.pages+1, true
	}
	if w.maze == nil && f.maze != nil && !f.maze.copies() {
		n, err := in.yielded(f.maze, in.room-1, now) // the new page itself is not counted yet
		in.room -= n
		return false, err
	}
	if !w.alone {
		return false, nil
	}
	most, err := in.most(w.maze)
	if err != nil {
		return false, err
	}
	w.maze.changed = true
	if w.maze.pages < most {
		w.maze.pages++
		return false, nil
	}
	if w.host != 0 && w.steps <= catalog.MazeSteps {
		all, err := in.pagesOf(w.maze.crawl, w.host)
		whole := w.maze
		if w.path != nil && w.path.pages > whole.pages {
			whole = w.path
		}
		if err != nil || w.few || 2*whole.pages >= all {
			w.maze.pages++
			return false, err
		}
	}
	w.maze.held++
	return true, nil
}

// pagesOf is how many pages of a host the crawl has.
func (t *tx) pagesOf(crawl, host int64) (n int64, err error) {
	_, err = t.row(`SELECT waiting+queued+stored+failed+ended FROM counts WHERE crawl_id=? AND dim=1 AND ref=?`, []any{crawl, host}, &n)
	if c := t.counts[countKey{crawl, 1, host}]; c != nil {
		n += c.Admitted()
	}
	return n, err
}

// openLate bounds what a page outside lets in of what should have been before: when there was no room for it, or nobody came to it.
const openLate = 100

// yielded notes that a maze led to a page outside of it, and returns how many pages that lets in; the crawl has room for so many.
func (t *tx) yielded(m *maze, room int64, now time.Time) (int64, error) {
	m.yield, m.changed = m.yield+1, true
	return t.open(m, min(openLate, room), now)
}

// open lets in up to n pages of a maze that were left out, as far as it is worth them by now, and returns how many.
func (t *tx) open(m *maze, n int64, now time.Time) (int64, error) {
	if m.held == 0 || n <= 0 {
		return 0, nil
	}
	most, err := t.most(m)
	if err != nil || m.pages >= most {
		return 0, err
	}
	var pages []heldPage
	err = t.rows(func(r *sql.Rows) error {
		p := heldPage{closedPage: closedPage{place: place{crawl: m.crawl}, state: ended, reason: catalog.Budget}}
		err := r.Scan(&p.id, &p.host, &p.submitter, &p.lane, &p.url)
		pages = append(pages, p)
		return err
	}, `SELECT id, host_id, submitter_id, lane_id, url FROM pages WHERE maze_id=? AND state=4 AND reason='budget' LIMIT ?`, m.id, min(n, most-m.pages))
	if err != nil {
		return 0, err
	}
	for _, p := range pages {
		if err := t.letIn(p, now); err != nil {
			return 0, err
		}
	}
	n = int64(len(pages))
	m.held, m.pages, m.changed = m.held-n, m.pages+n, true
	return n, nil
}

// heldPage is a page that was left out.
type heldPage struct {
	closedPage
	url string
}

// letIn makes a page wait that was left out, and counts it where it was not while it was.
func (t *tx) letIn(p heldPage, now time.Time) error {
	if err := t.reopen(p.closedPage, now); err != nil {
		return err
	}
	return t.refill(p)
}

// heldPages is how many pages of the crawl are left out for they are in a maze.
func (t *tx) heldPages(crawl int64) (n int64, err error) {
	_, err = t.row(`SELECT n FROM reasons WHERE crawl_id=? AND reason='budget'`, []any{crawl}, &n)
	return n + t.reasons[reasonKey{crawl, catalog.Budget}], err
}

// foundAgain lets in a page that was left out, now that it was found from outside its maze, or that this is worth it. It tells whether
// the page still is left out.
func (in *admitting) foundAgain(a catalog.Admission, w way, key []byte) (out bool, err error) {
	p := heldPage{closedPage: closedPage{place: place{crawl: a.Crawl}, state: ended, reason: catalog.Budget}}
	var id int64
	out, err = in.row(`SELECT id, host_id, submitter_id, lane_id, url, maze_id FROM pages WHERE crawl_id=? AND key=? AND state=4 AND reason='budget'`, []any{a.Crawl, key},
		&p.id, &p.host, &p.submitter, &p.lane, &p.url, &id)
	if err != nil || !out {
		return out, err
	}
	m, err := in.mazeOf(id)
	if err != nil {
		return false, err
	}
	if w.alone {
		if most, err := in.most(m); err != nil || m.pages >= most {
			return true, err
		}
	}
	switch {
	case in.room <= 0:
		return true, nil
	case in.allowed <= 0:
		in.out.Quota++
		return false, nil
	case w.alone:
		m.pages++
	default:
		if _, err := in.exec(`UPDATE pages SET steps=? WHERE id=?`, w.steps, p.id); err != nil {
			return false, err
		}
	}
	m.held, m.changed = m.held-1, true
	in.room--
	in.allowed--
	return false, in.letIn(p, a.Now)
}

// openAtOnce bounds one transaction of OpenMazes.
const openAtOnce = 1000

// OpenMazes lets in what was left out, as far as the crawl's MazePages say by now and it has room, and returns how many pages that are.
func (c *Catalog) OpenMazes(ctx context.Context, crawl int64, now time.Time) (total int64, err error) {
	const open = `SELECT m.id FROM mazes m CROSS JOIN crawls w ON w.id=m.crawl_id WHERE m.crawl_id=? AND m.held>0 AND m.id>=?
		AND (w.maze_pages=0 OR m.pages < w.maze_pages+?*m.yield) ORDER BY m.id LIMIT 1`
	id := int64(0)
	switch err := c.reads.QueryRowContext(ctx, open, crawl, id, catalog.MazeYield).Scan(&id); {
	case errors.Is(err, sql.ErrNoRows):
		return 0, nil // as nearly always, and nobody has to wait for it
	case err != nil:
		return 0, sqlError(err)
	}
	for {
		var n, next int64
		found := false
		err := c.write.do(ctx, func(t *tx) error {
			n, next = 0, id
			if err := t.flush(); err != nil {
				return err
			}
			room, err := t.room(crawl)
			for found = true; err == nil && found && n < openAtOnce; {
				var m *maze
				if found, err = t.row(open, []any{crawl, next, catalog.MazeYield}, &next); err != nil || !found {
					break
				}
				if m, err = t.mazeOf(next); err != nil {
					break
				}
				var opened int64
				opened, err = t.open(m, min(openAtOnce, room)-n, now)
				if n += opened; n < openAtOnce { // this one is done
					next++
					found = n < room
				}
			}
			return err
		})
		if err != nil {
			return total, err
		}
		if total, id = total+n, next; !found {
			return total, nil
		}
	}
}

// mazeFacts are the columns of a catalog.Maze.
var mazeFacts = fmt.Sprintf(`m.name, m.pages, CASE WHEN w.maze_pages>0 THEN w.maze_pages+%d*m.yield ELSE 0 END, m.held, m.yield`, catalog.MazeYield)

func scanMaze(r *sql.Rows) (m catalog.Maze, err error) {
	err = r.Scan(&m.Name, &m.Pages, &m.Most, &m.Held, &m.Yield)
	return m, err
}

// Mazes returns the mazes of a crawl of which most pages were left out, those with the most first.
func (c *Catalog) Mazes(ctx context.Context, crawl int64, limit int) (out []catalog.Maze, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT `+mazeFacts+` FROM mazes m JOIN crawls w ON w.id=m.crawl_id WHERE m.crawl_id=? AND m.held>0 ORDER BY m.held DESC, m.name LIMIT ?`, crawl, limit)
	if err != nil {
		return nil, sqlError(err)
	}
	return out, wrap(each(rows, func(r *sql.Rows) error {
		m, err := scanMaze(r)
		out = append(out, m)
		return err
	}))
}

// Maze returns what is known of the maze that a page is in; nil when it is in none.
func (c *Catalog) Maze(ctx context.Context, page int64) (*catalog.Maze, error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT `+mazeFacts+` FROM pages p JOIN mazes m ON m.id=p.maze_id JOIN crawls w ON w.id=m.crawl_id WHERE p.id=?`, page)
	if err != nil {
		return nil, sqlError(err)
	}
	var m *catalog.Maze
	return m, wrap(each(rows, func(r *sql.Rows) error {
		x, err := scanMaze(r)
		m = &x
		return err
	}))
}
