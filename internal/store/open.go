// Package store keeps connections, flows, runs, record errors, API clients and
// idempotency keys in SQL: one implementation and one SQL text for two
// dialects, SQLite and PostgreSQL.
//
// An exported method is one fact and one transaction. Each returns faults of
// package fault: the ones its port names, StoreUnavailable (try again later)
// when the database cannot be reached, Unavailable when the caller's context
// was canceled, and Internal for anything else. Times are kept in microseconds
// and come back in UTC; the zero time stays zero.
package store

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/celonis-connector/connector/connections"
	"github.com/celonis-connector/connector/flows"
	"github.com/celonis-connector/connector/internal/access"
	"github.com/celonis-connector/connector/internal/fault"
)

// Config says which database to open: the PostgreSQL database of URL, or the
// SQLite file at Path when URL is empty.
type Config struct {
	// URL is a postgres:// or postgresql:// address. It may hold a password and is never part of an error.
	URL string
	// Path is a SQLite file, made with its folder when absent, readable by its owner only.
	Path string
	// MaxConns bounds the connections to PostgreSQL, and the readers of SQLite; 0 is a default that suits one process.
	MaxConns int
	// Now is the clock for times that no caller hands in; nil is time.Now.
	Now func() time.Time
}

// Store is the database. Its methods may be called from any goroutine.
type Store struct {
	// write runs everything that changes rows. SQLite has one writer at a time, so there it has one connection: never
	// call the Store from inside a transaction.
	write pool
	// read runs everything else; the same as write on PostgreSQL.
	read    pool
	dialect dialect
	now     func() time.Time
	closed  atomic.Bool
	// fingerprint tells secrets apart for the audit log; nil goes by the time they were given.
	fingerprint Fingerprint
}

var (
	_ connections.Repository = (*Store)(nil)
	_ flows.FlowStore        = (*Store)(nil)
	_ flows.FileStore        = (*Store)(nil)
	_ flows.RunStore         = (*Store)(nil)
	_ flows.RecordStore      = (*Store)(nil)
	_ flows.WorkStore        = (*Store)(nil)
	_ flows.SweepStore       = (*Store)(nil)
	_ access.Repository      = (*Store)(nil)
)

// Open opens the database and brings its schema up to date. Any number of
// processes may open the same database at once. Fault StoreUnavailable when it
// cannot be opened; it is worth a retry unless the address itself is wrong.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	err := s.open(ctx, c)
	if err != nil {
		s.explain(&err, "Open")
		_ = s.Close() // the error that led here says more
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, c Config) error {
	switch {
	case strings.HasPrefix(c.URL, "postgres://"), strings.HasPrefix(c.URL, "postgresql://"):
		s.dialect = postgres
		return s.openPostgres(ctx, c)
	case c.URL != "":
		return badAddress()
	case c.Path == "":
		return fault.New(fault.StoreUnavailable, "no database is configured").WithRetry(fault.Never)
	}
	s.dialect = sqliteDialect
	return s.openSQLite(ctx, c)
}

// badAddress says nothing of the address, which may hold a password.
func badAddress() *fault.Error {
	return fault.New(fault.StoreUnavailable, "the database address is not valid").WithRetry(fault.Never).
		WithHint("it reads postgres://user:password@host:port/database")
}

// Close ends all connections, after the calls in progress.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var err error
	if s.read.DB != nil && s.read.DB != s.write.DB {
		err = s.read.Close()
	}
	if s.write.DB != nil {
		err = errors.Join(err, s.write.Close())
	}
	return err
}

// Ping asks the database for a sign of life.
func (s *Store) Ping(ctx context.Context) (err error) {
	defer s.explain(&err, "Ping")
	_, err = s.read.ExecContext(ctx, "SELECT 1")
	return err
}

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect.name }
