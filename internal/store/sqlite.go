package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// defaultReaders is how many connections read a SQLite file beside its writer.
const defaultReaders = 8

var sqliteDialect = dialect{name: "sqlite", kindOf: sqliteKind}

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
	writer := "_txlock=immediate&_busy_timeout=15000&_foreign_keys=1&_journal_mode=WAL&_synchronous=FULL&_dqs=0" +
		"&_pragma=journal_size_limit(67108864)"
	reader := "mode=ro&_busy_timeout=15000&_query_only=1&_dqs=0"
	if s.write, err = openPool(path, writer, 1); err != nil {
		return err
	}
	if err := s.migrateSQLite(ctx); err != nil {
		return err
	}
	s.read, err = openPool(path, reader, cmp.Or(c.MaxConns, defaultReaders))
	return err
}

func openPool(path, options string, size int) (*sql.DB, error) {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	dsn := url.URL{Scheme: "file", Path: slashed, RawQuery: options}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
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
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOMEM,
		sqlite3.SQLITE_PERM:
		return unreachable
	}
	return unknownKind
}
