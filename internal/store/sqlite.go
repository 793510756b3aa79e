package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// defaultReaders is how many connections read a SQLite file beside its writer.
const defaultReaders = 8

var sqliteDialect = dialect{name: "sqlite", kindOf: sqliteKind, bulkRows: 1, auditGuards: sqliteGuards}

// openSQLite opens one connection that writes and several that read. A commit
// is synced to disk before it is acknowledged (synchronous FULL): what the API
// has accepted survives a power cut, not only a killed process.
func (s *Store) openSQLite(ctx context.Context, c Config) error {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return err
	}
	if err := makePrivate(path); err != nil {
		return err
	}
	both := fmt.Sprintf("_busy_timeout=%d&_dqs=0", busyTimeout.Milliseconds())
	writer := both + "&_txlock=immediate&_foreign_keys=1&_journal_mode=WAL&_synchronous=FULL&_pragma=journal_size_limit(67108864)"
	reader := both + "&mode=ro&_query_only=1"
	if s.write, err = openPool(path, writer, 1); err != nil {
		return err
	}
	if err := s.migrateSQLite(ctx); err != nil {
		return err
	}
	s.read, err = openPool(path, reader, cmp.Or(c.MaxConns, defaultReaders))
	return err
}

func openPool(path, options string, size int) (pool, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	dsn := url.URL{Scheme: "file", Path: slashed, RawQuery: options}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return pool{}, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return pool{db, sqliteKind, new(sync.Map)}, nil
}

// makePrivate makes the file and its folder for their owner only; SQLite gives
// the files beside it (-wal, -shm) the same mode.
func makePrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// sqliteKind reads SQLite's extended result codes.
func sqliteKind(err error) kind {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return unknownKind
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return duplicate
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return orphan
	}
	const primary = 0xff
	switch e.Code() & primary {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return contended
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_PERM:
		return unreachable
	}
	return unknownKind
}
