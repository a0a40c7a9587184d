package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// index is the full-text index in a file of its own, so that its writing never holds the frontier's lock. It keeps no text:
// the catalog has that, and the index can be made again by removing its file. It follows the catalog's seq: done is the last
// change that it has taken in.
type index struct {
	mu      sync.Mutex
	db      *sql.DB // through which FTS5 writes: what removes documents and merges segments
	raw     *sql.DB // through which we do, beside FTS5: it reads anew what another connection has written, and only that
	search  *sql.DB
	segment segment // its memory serves again
	join    string  // the catalog, as ATTACH wants it
}

const indexTables = `
DROP TABLE IF EXISTS progress;
DROP TABLE IF EXISTS fts;
CREATE TABLE progress (catalog TEXT NOT NULL, done INTEGER NOT NULL);
CREATE VIRTUAL TABLE fts USING fts5 (title, description, text, content='', contentless_delete=1, tokenize="ascii");
INSERT INTO fts (fts, rank) VALUES ('rank', 'bm25(8.0, 3.0, 1.0)');
INSERT INTO fts (fts, rank) VALUES ('automerge', 16);
INSERT INTO fts (fts, rank) VALUES ('usermerge', 16);`

// mergeAt is how many segments of a level become one of the next: to merge costs as much as to write, and to look a word up in one more
// segment costs little.
const mergeAt = 48

// indexForm changes with the words that are in the index. One of another form is made again.
const indexForm = " 2"

func openIndex(ctx context.Context, path, catalogPath, catalogID string) (*index, error) {
	x := &index{}
	var err error
	if x.db, err = sql.Open("sqlite", uri(path)+pragmas+"&_pragma=cache_size(-8192)"); err != nil {
		return nil, err
	}
	x.db.SetMaxOpenConns(1)
	if x.raw, err = sql.Open("sqlite", uri(path)+pragmas); err != nil {
		return nil, errors.Join(err, x.close())
	}
	x.raw.SetMaxOpenConns(1)
	if err = x.tables(ctx, catalogID+indexForm); err != nil {
		return nil, errors.Join(fmt.Errorf("index %s: %w: it can be made again from the catalog: move it away", path, err), x.close())
	}
	if x.search, err = sql.Open("sqlite", uri(path)+pragmas+"&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, x.close())
	}
	x.search.SetMaxOpenConns(1)
	x.search.SetMaxIdleConns(1)
	x.join = uri(catalogPath) + "?mode=ro"
	conn, err := x.joined(ctx)
	if err != nil {
		return nil, errors.Join(err, x.close())
	}
	return x, conn.Close()
}

// joined returns a connection that reads index and catalog together. It is to be closed. ATTACH belongs to a connection, and the
// pool makes a new one when a search that was given up broke the last.
func (x *index) joined(ctx context.Context) (*sql.Conn, error) {
	conn, err := x.search.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var there int
	err = conn.QueryRowContext(ctx, `SELECT count(*) FROM pragma_database_list WHERE name='cat'`).Scan(&there)
	if err == nil && there == 0 {
		_, err = conn.ExecContext(ctx, `ATTACH DATABASE ? AS cat`, x.join)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// tables makes the tables, unless they are there and of this catalog: another's pages have other numbers.
func (x *index) tables(ctx context.Context, catalogID string) error {
	// Whoever only looks does not wait until those who write let him write.
	if is, err := ofCatalog(ctx, x.db, catalogID); err != nil || is {
		return err
	}
	tx, err := x.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if is, err := ofCatalog(ctx, tx, catalogID); err != nil || is { // another process was quicker
		return err
	}
	if _, err := tx.ExecContext(ctx, indexTables); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO progress (catalog, done) VALUES (?, 0)`, catalogID); err != nil {
		return err
	}
	return tx.Commit()
}

// ofCatalog tells whether the index is there and that of the catalog.
func ofCatalog(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, catalogID string,
) (bool, error) {
	var there int
	if err := q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE name='progress'`).Scan(&there); err != nil || there == 0 {
		return false, err
	}
	var id string
	err := q.QueryRowContext(ctx, `SELECT catalog FROM progress`).Scan(&id)
	return id == catalogID, err
}

func (x *index) close() error {
	var errs []error
	for _, db := range []*sql.DB{x.db, x.raw, x.search} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// IndexBatch takes up to n changed pages into the index and returns how many it took. A batch that is cut off is done again, by whoever
// comes next.
func (c *Catalog) IndexBatch(ctx context.Context, n int) (int, error) {
	c.index.mu.Lock()
	defer c.index.mu.Unlock()
	for ctx.Err() == nil {
		var done int64
		if err := c.index.raw.QueryRowContext(ctx, `SELECT done FROM progress`).Scan(&done); err != nil {
			return 0, sqlError(err)
		}
		changed, last, err := c.changed(ctx, done, n)
		if err != nil || len(changed) == 0 {
			return 0, err
		}
		slices.SortFunc(changed, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
		switch err := c.index.take(ctx, changed, done, last); {
		case errors.Is(err, errOvertaken):
		case err != nil:
			return 0, wrap(err)
		default:
			return len(changed), nil
		}
	}
	return 0, ctx.Err()
}

// errOvertaken: another process has taken these pages in.
var errOvertaken = errors.New("the index has gone on")

// take removes what the index has of the pages, and then adds what they have now: twice a transaction, and the second says that it is
// done.
func (x *index) take(ctx context.Context, pages []entry, done, last int64) error {
	s := &x.segment
	s.reset()
	for _, p := range pages {
		text, err := unpack(p.text)
		if err != nil {
			return fmt.Errorf("text of page %d: %w", p.id, err)
		}
		s.add(p.id, [columns]string{p.title, p.description, text})
	}
	removed, err := x.remove(ctx, pages, done)
	if err != nil {
		return err
	}
	merge, err := x.put(ctx, s, done, last)
	if err != nil || merge == 0 && removed == 0 {
		return err
	}
	_, err = x.db.ExecContext(ctx, `INSERT INTO fts (fts, rank) VALUES ('merge', ?)`, max(merge, leastMerge))
	return err
}

// leastMerge is how many leaves are merged where documents were removed.
const leastMerge = 16

// at begins a transaction, unless the index is no longer where it was.
func at(ctx context.Context, db *sql.DB, done int64) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	var now int64
	if err = tx.QueryRowContext(ctx, `SELECT done FROM progress`).Scan(&now); err == nil && now != done {
		err = errOvertaken
	}
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx, nil
}

// remove takes out those of the pages that are there, and returns how many that were.
func (x *index) remove(ctx context.Context, pages []entry, done int64) (n int, err error) {
	there, err := x.there(ctx, pages)
	if err != nil || len(there) == 0 { // new pages: most are
		return 0, err
	}
	tx, err := at(ctx, x.db, done)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	for _, id := range there {
		if _, err := tx.ExecContext(ctx, `DELETE FROM fts WHERE rowid=?`, id); err != nil {
			return 0, err
		}
	}
	return len(there), tx.Commit()
}

// there returns those of the pages that the index has.
func (x *index) there(ctx context.Context, pages []entry) (ids []int64, err error) {
	all := make([]int64, len(pages))
	for i, p := range pages {
		all[i] = p.id
	}
	list, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	rows, err := x.db.QueryContext(ctx, `SELECT id FROM fts_docsize WHERE id IN (SELECT value FROM json_each(?))`, string(list))
	if err != nil {
		return nil, err
	}
	err = each(rows, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// put adds a segment. It returns how much is to be merged now, in leaves.
func (x *index) put(ctx context.Context, s *segment, done, last int64) (merge int, err error) {
	tx, err := at(ctx, x.raw, done)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	var block []byte
	if err := tx.QueryRowContext(ctx, blockOf, structureRowid).Scan(&block); err != nil {
		return 0, err
	}
	all, err := readStructure(block)
	if err != nil {
		return 0, err
	}
	id, origin := all.free()
	if id == 0 {
		return 0, fmt.Errorf("the index has %d segments", mostSegments)
	}
	leaves, err := putLeaves(ctx, tx, s, id)
	if err != nil {
		return 0, err
	}
	if err := putDocuments(ctx, tx, s, origin); err != nil {
		return 0, err
	}
	if len(all.levels) == 0 {
		all.levels = make([]level, 1)
	}
	if leaves > 0 {
		entry := segmentEntry{id: id, first: 1, last: uint64(leaves), oldest: origin, newest: origin, entries: uint64(len(s.docs))}
		all.levels[0].segments = append(all.levels[0].segments, entry)
		all.writes += uint64(leaves)
	}
	if _, err := tx.ExecContext(ctx, setBlock, structureRowid, all.bytes()); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE progress SET done=?`, last); err != nil {
		return 0, err
	}
	if all.fullest() >= mergeAt || slices.ContainsFunc(all.levels, func(l level) bool { return l.merging > 0 }) {
		merge = leaves * (len(all.levels) + 1)
	}
	return merge, tx.Commit()
}

const (
	blockOf  = `SELECT block FROM fts_data WHERE id=?`
	setBlock = `INSERT OR REPLACE INTO fts_data (id, block) VALUES (?,?)`
)

// putLeaves writes a segment's leaves, and returns how many there are.
func putLeaves(ctx context.Context, tx *sql.Tx, s *segment, id uint64) (int, error) {
	put, err := tx.PrepareContext(ctx, `INSERT INTO fts_data (id, block) VALUES (?,?)`)
	if err != nil {
		return 0, err
	}
	head, err := tx.PrepareContext(ctx, `INSERT INTO fts_idx (segid, term, pgno) VALUES (?,?,?)`)
	if err != nil {
		return 0, err
	}
	return s.leaves(func(page int, block []byte) error {
		_, err := put.ExecContext(ctx, leafRowid(int(id), page), block)
		return err
	}, func(term []byte, page int) error {
		if term == nil {
			term = []byte{} // not NULL
		}
		_, err := head.ExecContext(ctx, int64(id), term, page<<1)
		return err
	})
}

// putDocuments writes how long the documents are, each by itself and all together.
func putDocuments(ctx context.Context, tx *sql.Tx, s *segment, origin uint64) error {
	put, err := tx.PrepareContext(ctx, `INSERT INTO fts_docsize (id, sz, origin) VALUES (?,?,?)`)
	if err != nil {
		return err
	}
	var block []byte
	if err := tx.QueryRowContext(ctx, blockOf, averagesRowid).Scan(&block); err != nil {
		return err
	}
	var sums [1 + columns]uint64
	for i := range sums {
		v, n := varint(block)
		sums[i], block = v, block[n:]
	}
	for _, d := range s.docs {
		var sz []byte
		sums[0]++
		for i, n := range d.sizes {
			sz = appendVarint(sz, n)
			sums[i+1] += n
		}
		if _, err := put.ExecContext(ctx, d.id, sz, int64(origin)); err != nil {
			return err
		}
	}
	var all []byte
	for _, n := range sums {
		all = appendVarint(all, n)
	}
	_, err = tx.ExecContext(ctx, setBlock, averagesRowid, all)
	return err
}

// entry is what a page is found by.
type entry struct {
	id                 int64
	title, description string
	text               []byte // packed
}

// batchText bounds the text of a batch, in octets.
const batchText = 64 << 20

// changed returns up to n pages that changed after done, and the last such change.
func (c *Catalog) changed(ctx context.Context, done int64, n int) (out []entry, last int64, err error) {
	rows, err := c.reads.QueryContext(ctx, `SELECT p.id, p.seq, p.title, p.description, c.text FROM pages p JOIN contents c ON c.page_id=p.id
		WHERE p.seq>0 AND p.seq>? ORDER BY p.seq LIMIT ?`, done, n) // the first condition is the index's own: without it, all pages are read
	if err != nil {
		return nil, done, sqlError(err)
	}
	size := 0
	err = each(rows, func(r *sql.Rows) error {
		if size > batchText {
			return nil // for the next batch
		}
		var e entry
		if err := r.Scan(&e.id, &last, &e.title, &e.description, &e.text); err != nil {
			return err
		}
		size += unpackedSize(e.text)
		out = append(out, e)
		return nil
	})
	return out, last, wrap(err)
}

// IndexLag is how many stored pages are not searchable yet.
func (c *Catalog) IndexLag(ctx context.Context) (lag int64, err error) {
	var done int64
	if err := c.index.search.QueryRowContext(ctx, `SELECT done FROM progress`).Scan(&done); err != nil {
		return 0, sqlError(err)
	}
	err = c.reads.QueryRowContext(ctx, `SELECT count(*) FROM pages WHERE seq>0 AND seq>?`, done).Scan(&lag)
	return lag, wrap(err)
}
