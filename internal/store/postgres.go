package store

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// defaultMaxConns is how many connections a process holds to PostgreSQL at most.
	defaultMaxConns = 20
	connectTimeout  = 10 * time.Second
	maxIdleTime     = 5 * time.Minute
	maxLifetime     = time.Hour
)

var postgres = dialect{
	name: "postgres", kindOf: postgresKind, bulkRows: 200, auditGuards: postgresGuards,
	lockRow: " FOR UPDATE", lockParent: " FOR NO KEY UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED",
}

func (s *Store) openPostgres(ctx context.Context, c Config) error {
	config, err := pgx.ParseConfig(c.URL)
	if err != nil {
		return badAddress()
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, connectTimeout)
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "celonis-connector"
	}
	size := cmp.Or(c.MaxConns, defaultMaxConns)
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(maxIdleTime)
	db.SetConnMaxLifetime(maxLifetime)
	s.write = pool{db, postgresKind, nil}
	s.read = s.write
	if err := db.PingContext(ctx); err != nil {
		return err
	}
	return s.migratePostgres(ctx)
}

// postgresKind reads SQLSTATE codes, by class where the class says enough.
func postgresKind(err error) kind {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var connecting *pgconn.ConnectError
		if errors.As(err, &connecting) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) {
			return unreachable
		}
		return unknownKind
	}
	switch e.Code {
	case "23505":
		if strings.HasSuffix(e.ConstraintName, "_pkey") {
			return unknownKind
		}
		return duplicate
	case "23503":
		return orphan
	case "40001", "40P01":
		return contended
	case "25006":
		return unreachable
	case "22021", "22P05":
		return unstorable
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "28", "3D", "53", "55", "57", "58", "XX":
		return unreachable
	}
	return unknownKind
}
