package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
)

func code(err error) int {
	if e := (*sqlite.Error)(nil); errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

func busy(err error) bool { return code(err) == sqlite3.SQLITE_BUSY }

// sqlError gives an error of SQLite its kind.
func sqlError(err error) error {
	if errors.Is(err, catalog.ErrFenced) || errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return fault.New(fault.DiskFull, fmt.Errorf("database: %w", err))
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fault.New(fault.CatalogDown, fmt.Errorf("database: %w", explain(err)))
	}
	return fmt.Errorf("database: %w", err)
}

// explain adds the way out to what SQLite says of a file that it cannot use.
func explain(err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%w: the file is damaged or no database: put a backup in its place, or move it away to start anew", err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%w: it cannot be written: check its owner, or name another TRAWL_DATA", err)
	}
	return err
}
