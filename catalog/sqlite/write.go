package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
)

// writer is the one connection of this process that writes. Whoever wants to write hands it a function; those that wait at the
// same time are run in one transaction (group commit), so that a page costs a share of a commit and not one of its own.
type writer struct {
	db   *sql.DB
	conn *sql.Conn
	ops  chan *op
	quit chan struct{}
	done sync.WaitGroup
	log  *slog.Logger

	// Of the loop alone:
	stmts  map[string]*sql.Stmt
	nameOf map[nameKey]string
	began  time.Time // of the last transaction
	shared bool      // it had more than one function
}

type op struct {
	run  func(*tx) error
	done chan error
}

// The bounds of one transaction: how many functions share it, and how long it takes in further ones. While there are several that
// write at the same time, transactions begin no sooner after one another than groupApart: a commit costs as much as several pages.
const (
	groupSize  = 256
	groupTime  = 250 * time.Millisecond
	groupApart = 10 * time.Millisecond
)

func newWriter(ctx context.Context, dsn string, log *slog.Logger) (*writer, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, conn: conn, ops: make(chan *op, groupSize), quit: make(chan struct{}), log: log, stmts: map[string]*sql.Stmt{}, nameOf: map[nameKey]string{}}
	w.done.Go(w.loop)
	return w, nil
}

// do runs fn in a transaction and returns when that is committed. fn may be run twice (when another function of its
// transaction failed), so it must set what it fills from the start; its error undoes what it did.
func (w *writer) do(ctx context.Context, fn func(*tx) error) error {
	o := &op{run: fn, done: make(chan error, 1)}
	late := ctx.Err() != nil
	select {
	case w.ops <- o:
	case <-ctx.Done():
		if !late && errors.Is(ctx.Err(), context.DeadlineExceeded) { // it is the database that took the caller's time
			return fault.New(fault.CatalogDown, fmt.Errorf("too many writes wait for the database: %w", ctx.Err()))
		}
		return ctx.Err()
	case <-w.quit:
		return fault.New(fault.Stopped, errors.New("catalog is closed"))
	}
	select {
	case err := <-o.done: // once handed over it is seen through, whatever ctx says: the caller must know what became of it
		return err
	case <-w.quit:
		w.done.Wait()
		select {
		case err := <-o.done:
			return err
		default:
			return fault.New(fault.Stopped, errors.New("catalog is closed"))
		}
	}
}

func (w *writer) loop() {
	for {
		select {
		case o := <-w.ops:
			w.group(o)
		case <-w.quit:
			for {
				select {
				case o := <-w.ops:
					w.group(o)
				default:
					return
				}
			}
		}
	}
}

// group commits first and what else has come in meanwhile.
func (w *writer) group(first *op) {
	if w.shared {
		time.Sleep(time.Until(w.began.Add(groupApart)))
	}
	batch := []*op{first}
	began := time.Now()
	w.began = began
	defer func() { w.shared = len(batch) > 1 }()
	ran := false
	err := w.transact(func(t *tx) error {
		ran = true
		for {
			if err := batch[len(batch)-1].run(t); err != nil {
				return err
			}
			if len(batch) == groupSize || time.Since(began) > groupTime {
				return nil
			}
			select {
			case o := <-w.ops:
				batch = append(batch, o)
			default:
				return nil
			}
		}
	})
	if err != nil && !ran { // what has come in meanwhile waited for the same lock, and need not wait for it again by itself
		for range len(w.ops) {
			batch = append(batch, <-w.ops)
		}
	}
	if err != nil && ran && len(batch) > 1 {
		for _, o := range batch { // one of them is at fault: each by itself
			o.done <- w.transact(o.run)
		}
		return
	}
	for _, o := range batch {
		o.done <- err
	}
}

// transact runs fn between BEGIN IMMEDIATE and COMMIT; the counters are written last.
func (w *writer) transact(fn func(*tx) error) error {
	ctx := context.Background()
	t := &tx{
		ctx: ctx, w: w, names: map[string]int64{}, counts: map[countKey]*catalog.Counts{}, hosts: map[int64][2]int64{}, lanes: map[int64]int64{}, reasons: map[reasonKey]int64{},
		mazes: map[int64]*maze{}, mazeIDs: map[mazeKey]int64{}, allowances: map[mazeKey]*allowance{},
	}
	if err := w.begin(ctx); err != nil {
		return fault.New(fault.CatalogDown, explain(err))
	}
	err := fn(t)
	if err == nil {
		err = t.flush()
	}
	if err == nil {
		_, err = w.conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// SQLite rolls back by itself when the disk is full, and then this is an error that says nothing.
		if _, rerr := w.conn.ExecContext(ctx, "ROLLBACK"); rerr != nil {
			w.log.Debug("roll back", "err", rerr)
		}
		return sqlError(err)
	}
	for _, f := range t.after {
		f()
	}
	return nil
}

// begin starts a transaction, with patience: another process may hold the lock for longer than SQLite waits.
func (w *writer) begin(ctx context.Context) (err error) {
	for range 3 {
		if _, err = w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil || !busy(err) {
			return err
		}
	}
	return err
}

func (w *writer) close() error {
	close(w.quit)
	w.done.Wait()
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close(), w.db.Close())...)
}

// tx is a transaction under way.
type tx struct {
	ctx        context.Context
	w          *writer
	names      map[string]int64
	counts     map[countKey]*catalog.Counts
	hosts      map[int64][2]int64 // waiting, queued
	lanes      map[int64]int64    // waiting
	reasons    map[reasonKey]int64
	mazes      map[int64]*maze
	mazeIDs    map[mazeKey]int64
	allowances map[mazeKey]*allowance
	after      []func() // once it is committed
}

type countKey struct {
	crawl int64
	dim   int
	ref   int64
}

type reasonKey struct {
	crawl  int64
	reason string
}

func (t *tx) stmt(query string) (*sql.Stmt, error) {
	if s, ok := t.w.stmts[query]; ok {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(t.ctx, steady(query))
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, query)
	}
	t.w.stmts[query] = s
	return s, nil
}

// steady makes of a statement one that stays prepared. SQLite plans by what is bound to ? in an equality or LIMIT, and forgets the plan
// when that is taken away, as the driver does after each run; into an expression it does not look.
func steady(query string) string { return strings.ReplaceAll(query, "?", "+?") }

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// rows runs a query and calls scan for each row.
func (t *tx) rows(scan func(*sql.Rows) error, query string, args ...any) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(t.ctx, args...)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

// row runs a query for one row; found is false when there is none.
func (t *tx) row(query string, args []any, into ...any) (found bool, err error) {
	s, err := t.stmt(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(t.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func each(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// The states as numbers.
const (
	waiting = iota
	queued
	stored
	failed
	ended
	none = -1
)

// place is what a page belongs to.
type place struct{ crawl, host, submitter, lane int64 }

// move counts a page going from one state to another; none stands for one that was not there before.
func (t *tx) move(p place, from, to int) {
	for _, k := range []countKey{{p.crawl, 0, 0}, {p.crawl, 1, p.host}, {p.crawl, 2, p.submitter}} {
		c := t.count(k)
		add(c, from, -1)
		add(c, to, 1)
	}
	h := t.hosts[p.host]
	if from == waiting || from == queued {
		h[from]--
	}
	if to == waiting || to == queued {
		h[to]++
	}
	t.hosts[p.host] = h
	if from == waiting {
		t.lanes[p.lane]--
	}
	if to == waiting {
		t.lanes[p.lane]++
	}
}

func (t *tx) count(k countKey) *catalog.Counts {
	c := t.counts[k]
	if c == nil {
		c = &catalog.Counts{}
		t.counts[k] = c
	}
	return c
}

func add(c *catalog.Counts, state int, n int64) {
	switch state {
	case waiting:
		c.Waiting += n
	case queued:
		c.Queued += n
	case stored:
		c.Stored += n
	case failed:
		c.Failed += n
	case ended:
		c.Ended += n
	}
}

// flush writes what was counted since the last time.
func (t *tx) flush() error {
	for k, c := range t.counts {
		if *c == (catalog.Counts{}) {
			continue
		}
		_, err := t.exec(`INSERT INTO counts (crawl_id, dim, ref, waiting, queued, stored, failed, ended, bytes) VALUES (?,?,?,?,?,?,?,?,?)
			ON CONFLICT DO UPDATE SET waiting=waiting+excluded.waiting, queued=queued+excluded.queued, stored=stored+excluded.stored,
			failed=failed+excluded.failed, ended=ended+excluded.ended, bytes=bytes+excluded.bytes`,
			k.crawl, k.dim, k.ref, c.Waiting, c.Queued, c.Stored, c.Failed, c.Ended, c.Bytes)
		if err != nil {
			return err
		}
	}
	for id, h := range t.hosts {
		if h == [2]int64{} {
			continue
		}
		if _, err := t.exec(`UPDATE hosts SET waiting=waiting+?, queued=queued+? WHERE id=?`, h[waiting], h[queued], id); err != nil {
			return err
		}
	}
	for id, n := range t.lanes {
		if n == 0 {
			continue
		}
		if _, err := t.exec(`UPDATE lanes SET waiting=waiting+? WHERE id=?`, n, id); err != nil {
			return err
		}
	}
	for k, n := range t.reasons {
		if _, err := t.exec(`INSERT INTO reasons (crawl_id, reason, n) VALUES (?,?,?) ON CONFLICT DO UPDATE SET n=n+excluded.n`, k.crawl, k.reason, n); err != nil {
			return err
		}
	}
	if err := errors.Join(t.flushMazes(), t.flushAllowances()); err != nil {
		return err
	}
	clear(t.counts)
	clear(t.hosts)
	clear(t.lanes)
	clear(t.reasons)
	return nil
}
