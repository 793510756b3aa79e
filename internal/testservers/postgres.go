package testservers

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

const (
	installPostgreSQL = "install PostgreSQL (Debian: apt-get install postgresql, macOS: brew install postgresql)"
	superuser         = "connector"
)

// sharedPostgreSQL starts the one PostgreSQL of this process. It is never
// stopped by hand: its keeper ends it with the process and removes its folder.
var sharedPostgreSQL = sync.OnceValues(startPostgreSQL)

// PostgreSQL gives the DSN of a fresh, empty database on a PostgreSQL server
// that all tests of the process share; the database is dropped with the test.
// Without the binaries the test is skipped, or fails when RequireEnv is set.
func PostgreSQL(t testing.TB) (dsn string) {
	t.Helper()
	for _, name := range []string{"initdb", "postgres"} {
		if _, ok := findPostgreSQL(name); !ok {
			missing(t, name, installPostgreSQL)
		}
	}
	server, err := sharedPostgreSQL()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := server.exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := server.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return server.dsn(name)
}

// postgreSQL is a running server.
type postgreSQL struct {
	port int
	data string
	// proc keeps the keeper's pipe open for as long as this process lives.
	proc *process
}

func findPostgreSQL(name string) (string, bool) {
	return findBinary(name, "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin")
}

func startPostgreSQL() (*postgreSQL, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	for range startTries {
		var s *postgreSQL
		if s, err = tryPostgreSQL(as); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func tryPostgreSQL(as *account) (*postgreSQL, error) {
	dir, err := os.MkdirTemp("", "connector-pg-")
	if err != nil {
		return nil, err
	}
	s := &postgreSQL{data: filepath.Join(dir, "data")}
	if err := s.start(dir, as); err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(filepath.Join(dir, "log")))
		if s.proc != nil {
			s.proc.stop()
		}
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// start makes a cluster in dir and starts its server, for tests only: no
// password on loopback and nothing is synced to disk.
func (s *postgreSQL) start(dir string, as *account) error {
	if err := as.own(dir); err != nil {
		return err
	}
	initdb, _ := findPostgreSQL("initdb")
	err := as.run(dir, initdb, "-D", s.data, "-U", superuser, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	binary, _ := findPostgreSQL("postgres")
	argv := []string{binary, "-D", s.data, "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)}
	for _, setting := range []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=300", "shared_buffers=64MB", "timezone=UTC"} {
		argv = append(argv, "-c", setting)
	}
	s.proc, err = launch{argv: argv, dir: dir, log: filepath.Join(dir, "log"), end: "QUIT", remove: dir, as: as}.start()
	if err != nil {
		return err
	}
	return awaitReady(s.isOurs)
}

func (s *postgreSQL) dsn(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.port, database)
}

// isOurs reports whether the server that answers has this server's folder.
func (s *postgreSQL) isOurs() error {
	return s.with(func(ctx context.Context, c *pgx.Conn) error {
		var data string
		if err := c.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
			return err
		}
		if data != s.data {
			return fmt.Errorf("port %d is answered by another PostgreSQL", s.port)
		}
		return nil
	})
}

func (s *postgreSQL) exec(statement string) error {
	return s.with(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, statement)
		return err
	})
}

func (s *postgreSQL) with(do func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, s.dsn("postgres"))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return do(ctx, c)
}
