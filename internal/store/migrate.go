package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// lockTries is how many seconds a process waits for another one that migrates.
	lockTries = 300
	// sqliteTries and sqlitePause bound how long a process tries against others that open a new SQLite file with it.
	sqliteTries = 40
	sqlitePause = 50 * time.Millisecond
	// versionTable is where goose keeps what has been applied.
	versionTable = "goose_db_version"
)

// migratePostgres holds an advisory lock meanwhile, so that one process of many migrates.
func (s *Store) migratePostgres(ctx context.Context) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockTries))
	if err != nil {
		return err
	}
	return s.migrate(ctx, goose.DialectPostgres, goose.WithSessionLocker(locker))
}

// migrateSQLite tries again when another process was at it too: SQLite has no
// lock that outlives a transaction, but a migration and its version are one
// transaction, and onceStore refuses a version that is already there.
func (s *Store) migrateSQLite(ctx context.Context) error {
	versions, err := database.NewStore(database.DialectSQLite3, versionTable)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.migrate(ctx, "", goose.WithStore(onceStore{versions}))
		if err == nil || try == sqliteTries {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(sqlitePause):
		}
	}
}

func (s *Store) migrate(ctx context.Context, dialect goose.Dialect, option goose.ProviderOption) error {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, s.write.DB, folder, option,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithGoMigrations(s.chainMigration()))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// onceStore keeps a migration from being applied twice by two processes.
type onceStore struct{ database.Store }

// Insert runs in the migration's own transaction.
func (o onceStore) Insert(ctx context.Context, db database.DBTxConn, r database.InsertRequest) error {
	switch _, err := o.GetMigration(ctx, db, r.Version); {
	case err == nil:
		return fmt.Errorf("migration %d was applied by another process", r.Version)
	case !errors.Is(err, database.ErrVersionNotFound):
		return err
	}
	return o.Store.Insert(ctx, db, r)
}
