// Package sqlite is the catalog in SQLite: two files, of which catalog.db is the truth and index.db, the full-text index, can be
// made again from it. Any number of processes may have them open. All writes of one process go through one connection, and
// those that are under way at the same time share a transaction.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	_ "modernc.org/sqlite" // the driver

	"example.org/trawl/catalog"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Catalog is a catalog in SQLite.
type Catalog struct {
	path  string
	reads *reader
	write *writer
	index *index
	names *names
}

const pragmas = "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
	"&_pragma=temp_store(MEMORY)&_pragma=mmap_size(268435456)"

// uri is how SQLite is told of a file whose name may hold what means something in a URI.
func uri(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

// Open opens the catalog in the file path, with its index beside it, and brings their tables up to date.
func Open(ctx context.Context, path string, log *slog.Logger) (*Catalog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := Migrate(ctx, path); err != nil {
		return nil, err
	}
	c := &Catalog{path: path, names: newNames()}
	err := c.open(ctx, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, explain(err)), c.Close())
	}
	// The index has a way out of its own: it can be made again.
	if err := c.openIndex(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Catalog) open(ctx context.Context, log *slog.Logger) (err error) {
	if c.reads, err = openReader(uri(c.path) + pragmas + "&_pragma=query_only(1)&_pragma=cache_size(-2048)"); err != nil {
		return err
	}
	if c.write, err = newWriter(ctx, uri(c.path)+pragmas+"&_pragma=cache_size(-24576)", log); err != nil {
		return err
	}
	return nil
}

func (c *Catalog) openIndex(ctx context.Context) error {
	id, err := c.identity(ctx)
	if err != nil {
		return err
	}
	c.index, err = openIndex(ctx, indexPath(c.path), c.path, id)
	return err
}

// identity is a word that no other catalog has.
func (c *Catalog) identity(ctx context.Context) (id string, err error) {
	if id, err = c.Meta(ctx, "identity"); err != nil || id != "" { // who only looks does not wait for those who write
		return id, err
	}
	err = c.write.do(ctx, func(t *tx) error {
		if _, err := t.exec(`INSERT OR IGNORE INTO meta (name, value) VALUES ('identity', ?)`, rand.Text()); err != nil {
			return err
		}
		_, err := t.row(`SELECT value FROM meta WHERE name='identity'`, nil, &id)
		return err
	})
	return id, err
}

func indexPath(path string) string { return filepath.Join(filepath.Dir(path), "index.db") }

// Close waits for what is being written and closes the files.
func (c *Catalog) Close() error {
	var errs []error
	if c.write != nil {
		errs = append(errs, c.write.close())
	}
	if c.index != nil {
		errs = append(errs, c.index.close())
	}
	if c.reads != nil {
		errs = append(errs, c.reads.close())
	}
	return errors.Join(errs...)
}

// Migrate brings the tables of the database in path up to date. It is safe when several processes start at once.
func Migrate(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", uri(path)+pragmas)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	unlock, err := lockFile(path + ".migrate")
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	defer unlock()
	if err := migrate(ctx, db); err != nil {
		return fmt.Errorf("database %s: %w", path, explain(err))
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(database.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	at, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	known := p.ListSources()
	if newest := known[len(known)-1].Version; at > newest {
		return fmt.Errorf("%w (its tables are of version %d, this program knows up to %d): install that version, or name another TRAWL_DATA",
			catalog.ErrNewer, at, newest)
	}
	_, err = p.Up(ctx)
	return err
}
