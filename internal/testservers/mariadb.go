package testservers

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

const installMariaDB = "install MariaDB (Debian: apt-get install mariadb-server, macOS: brew install mariadb)"

// sharedMariaDB starts the one MariaDB of this process; its keeper ends it with the process and removes its folder.
var sharedMariaDB = sync.OnceValues(newMariaDB)

// MariaDBDatabase is a fresh, empty database, and a user who may do everything with it.
type MariaDBDatabase struct {
	// Host is host:port.
	Host                         string
	Database, Username, Password string
}

// DSN gives the database's address as github.com/go-sql-driver/mysql reads it.
func (d MariaDBDatabase) DSN() string {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User, c.Passwd, c.MultiStatements = "tcp", d.Host, d.Database, d.Username, d.Password, true
	return c.FormatDSN()
}

// MariaDB gives a fresh, empty database on a MariaDB server that all tests of
// the process share; the database is dropped with the test. Without the
// binaries the test is skipped, or fails when RequireEnv is set.
func MariaDB(t testing.TB) MariaDBDatabase {
	t.Helper()
	if _, ok := findMariaDB("mariadbd", "mysqld"); !ok {
		missing(t, "mariadbd", installMariaDB)
	}
	if _, ok := findMariaDB("mariadb-install-db", "mysql_install_db"); !ok {
		missing(t, "mariadb-install-db", installMariaDB)
	}
	server, err := sharedMariaDB()
	if err != nil {
		t.Fatalf("start MariaDB: %v", err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	d := MariaDBDatabase{Host: server.host(), Database: name, Username: name[:20], Password: rand.Text()}
	err = server.exec("CREATE DATABASE "+name+" CHARACTER SET utf8mb4", fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", d.Username, d.Password),
		fmt.Sprintf("GRANT ALL ON %s.* TO '%s'@'%%'", name, d.Username))
	if err != nil {
		t.Fatalf("create a database: %v", err)
	}
	t.Cleanup(func() {
		if err := server.exec("DROP DATABASE "+name, fmt.Sprintf("DROP USER '%s'@'%%'", d.Username)); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return d
}

// mariaDB is a running server.
type mariaDB struct {
	port int
	dir  string
	// proc keeps the keeper's pipe open for as long as this process lives.
	proc *process
}

func findMariaDB(names ...string) (path string, ok bool) {
	for _, name := range names {
		if path, ok = findBinary(name, "/usr/sbin", "/usr/libexec", "/opt/homebrew/bin", "/usr/local/opt/mariadb/bin"); ok {
			return path, true
		}
	}
	return "", false
}

func newMariaDB() (s *mariaDB, err error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	for range startTries {
		if s, err = tryMariaDB(as); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func tryMariaDB(as *account) (*mariaDB, error) {
	dir, err := os.MkdirTemp("", "connector-mariadb-")
	if err != nil {
		return nil, err
	}
	s := &mariaDB{dir: dir}
	if err = s.start(as); err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(s.log()))
		if s.proc != nil {
			s.proc.stop()
		}
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// start makes the server's own tables and starts it, for tests only: its root needs no password and nothing is synced to disk.
func (s *mariaDB) start(as *account) (err error) {
	if err := as.own(s.dir); err != nil {
		return err
	}
	install, _ := findMariaDB("mariadb-install-db", "mysql_install_db")
	err = as.run(s.dir, install, "--no-defaults", "--datadir="+s.data(), "--auth-root-authentication-method=normal", "--skip-test-db")
	if err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	binary, _ := findMariaDB("mariadbd", "mysqld")
	argv := []string{
		binary, "--no-defaults", "--datadir=" + s.data(), "--socket=" + filepath.Join(s.dir, "socket"), "--pid-file=" + filepath.Join(s.dir, "pid"),
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0",
		"--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--default-time-zone=+00:00", "--max-connections=200",
	}
	if s.proc, err = (launch{argv: argv, dir: s.dir, log: s.log(), end: "KILL", remove: s.dir, as: as}).start(); err != nil {
		return err
	}
	return awaitReady(s.isOurs)
}

func (s *mariaDB) data() string { return filepath.Join(s.dir, "data") }

func (s *mariaDB) log() string { return filepath.Join(s.dir, "log") }

func (s *mariaDB) host() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// isOurs reports whether the server that answers has this server's folder.
func (s *mariaDB) isOurs() error {
	return s.with(func(ctx context.Context, db *sql.DB) error {
		var data string
		if err := db.QueryRowContext(ctx, "SELECT @@datadir").Scan(&data); err != nil {
			return err
		}
		if filepath.Clean(data) != s.data() {
			return fmt.Errorf("port %d is answered by another MariaDB", s.port)
		}
		return nil
	})
}

func (s *mariaDB) exec(statements ...string) error {
	return s.with(func(ctx context.Context, db *sql.DB) error {
		for _, text := range statements {
			if _, err := db.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *mariaDB) with(do func(context.Context, *sql.DB) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Timeout, c.Logger = "tcp", s.host(), "root", time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return do(ctx, db)
}
