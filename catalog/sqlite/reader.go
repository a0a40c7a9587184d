package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// reader asks what the catalog has. It keeps its statements prepared, for to compile one takes longer than to look up a page.
type reader struct {
	*sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

// mostPrepared bounds the statements that a reader keeps: some are put together from what was asked for.
const mostPrepared = 256

func openReader(dsn string) (*reader, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	return &reader{DB: db, stmts: map[string]*sql.Stmt{}}, nil
}

// stmt returns the prepared statement, or nil for one that is to be run as it is: it says what is wrong with it.
func (r *reader) stmt(ctx context.Context, query string) *sql.Stmt {
	r.mu.Lock()
	s, known := r.stmts[query]
	full := len(r.stmts) >= mostPrepared
	r.mu.Unlock()
	if known || full {
		return s
	}
	s, err := r.PrepareContext(ctx, steady(query))
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other, known := r.stmts[query]; known {
		_ = s.Close() // nothing was done with it
		return other
	}
	r.stmts[query] = s
	return s
}

// QueryContext is that of sql.DB.
func (r *reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s := r.stmt(ctx, query); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return r.DB.QueryContext(ctx, query, args...)
}

// QueryRowContext is that of sql.DB.
func (r *reader) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if s := r.stmt(ctx, query); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return r.DB.QueryRowContext(ctx, query, args...)
}

func (r *reader) close() error {
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, r.Close())...)
}
