package testservers

import (
	"context"
	"crypto/rand"
	"errors"
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
var sharedPostgreSQL = sync.OnceValues(func() (*postgreSQL, error) { return newPostgreSQL() })

// PostgreSQL gives the DSN of a fresh, empty database on a PostgreSQL server
// that all tests of the process share; the database is dropped with the test.
// Without the binaries the test is skipped, or fails when RequireEnv is set.
func PostgreSQL(t testing.TB) (dsn string) {
	t.Helper()
	requirePostgreSQL(t)
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

func requirePostgreSQL(t testing.TB) {
	t.Helper()
	for _, name := range []string{"initdb", "postgres"} {
		if _, ok := findPostgreSQL(name); !ok {
			missing(t, name, installPostgreSQL)
		}
	}
}

// PostgreSQLServer is a PostgreSQL of one test, which the test can kill.
type PostgreSQLServer struct {
	t testing.TB
	s *postgreSQL
}

// NewPostgreSQLServer starts a PostgreSQL that ends with the test. A commit
// that it has answered outlives Kill.
func NewPostgreSQLServer(t testing.TB) *PostgreSQLServer {
	t.Helper()
	requirePostgreSQL(t)
	s, err := newPostgreSQL("synchronous_commit=on")
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(s.proc.stop)
	return &PostgreSQLServer{t, s}
}

// DSN gives the address of the server's own database.
func (p *PostgreSQLServer) DSN() string { return p.s.dsn("postgres") }

// Kill ends the server at once, as a crash would; its data stays.
func (p *PostgreSQLServer) Kill() {
	p.t.Helper()
	err := p.s.proc.signal("QUIT")
	if err == nil {
		err = awaitReady(func() error {
			if p.s.isOurs() == nil {
				return errors.New("it still answers")
			}
			return nil
		})
	}
	if err != nil {
		p.t.Fatalf("kill PostgreSQL: %v", err)
	}
}

// Restart starts the server again after Kill, on the same port.
func (p *PostgreSQLServer) Restart() {
	p.t.Helper()
	err := p.s.proc.signal(startAgain)
	if err == nil {
		err = awaitReady(p.s.isOurs)
	}
	if err != nil {
		p.t.Fatalf("restart PostgreSQL: %v\n%s", err, tail(p.s.log()))
	}
}

// postgreSQL is a running server.
type postgreSQL struct {
	port int
	dir  string
	data string
	as   *account
	// settings are added to those of every server, as name=value.
	settings []string
	// proc keeps the keeper's pipe open for as long as this process lives.
	proc *process
}

func findPostgreSQL(name string) (string, bool) {
	return findBinary(name, "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin")
}

func newPostgreSQL(settings ...string) (*postgreSQL, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	for range startTries {
		var s *postgreSQL
		if s, err = tryPostgreSQL(as, settings...); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func tryPostgreSQL(as *account, settings ...string) (*postgreSQL, error) {
	dir, err := os.MkdirTemp("", "connector-pg-")
	if err != nil {
		return nil, err
	}
	s := &postgreSQL{dir: dir, data: filepath.Join(dir, "data"), as: as, settings: settings}
	err = s.create()
	if err == nil {
		err = s.start()
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(s.log()))
		if s.proc != nil {
			s.proc.stop()
		}
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// create makes a cluster in the server's folder and finds it a port.
func (s *postgreSQL) create() error {
	if err := s.as.own(s.dir); err != nil {
		return err
	}
	initdb, _ := findPostgreSQL("initdb")
	err := s.as.run(s.dir, initdb, "-D", s.data, "-U", superuser, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	if err != nil {
		return err
	}
	s.port, err = freePort()
	return err
}

// start starts the server, for tests only: no password on loopback and nothing
// is synced to disk.
func (s *postgreSQL) start() (err error) {
	binary, _ := findPostgreSQL("postgres")
	argv := []string{binary, "-D", s.data, "-k", s.dir, "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)}
	for _, setting := range append([]string{"fsync=off", "synchronous_commit=off", "full_page_writes=off",
		"max_connections=300", "shared_buffers=64MB", "timezone=UTC"}, s.settings...) {
		argv = append(argv, "-c", setting)
	}
	s.proc, err = launch{argv: argv, dir: s.dir, log: s.log(), end: "QUIT", remove: s.dir, as: s.as}.start()
	if err != nil {
		return err
	}
	return awaitReady(s.isOurs)
}

func (s *postgreSQL) log() string { return filepath.Join(s.dir, "log") }

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
