package sqlsource_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/celonis-connector/connector/crypto"
	"github.com/celonis-connector/connector/internal/fault"
	"github.com/celonis-connector/connector/internal/sqlsource"
	"github.com/celonis-connector/connector/internal/sqlsource/query"
)

// TestServersHoldToReading is the second lock: what no check has seen does not write either.
func TestServersHoldToReading(t *testing.T) {
	t.Parallel()
	for dialect, make := range engines() {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			e := make(t)
			e.numbers(3)
			for _, text := range []string{"DELETE FROM n", "CREATE TABLE other (id int)", "UPDATE n SET label = 'x'"} {
				require.Error(t, sqlsource.ExecPastCheck(t.Context(), databases(), e.target, text), text)
			}
			require.Equal(t, upTo(1, 3), e.mustRead(sqlsource.Request{Query: "SELECT id FROM n WHERE label <> 'x'"}).ids(t))
		})
	}
}

// TestFunctionsThatWrite: a query that reads by its looks.
func TestFunctionsThatWrite(t *testing.T) {
	t.Parallel()
	pg := newPostgreSQL(t)
	pg.numbers(1)
	pg.exec("CREATE SEQUENCE s", "CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS 'DELETE FROM n; SELECT 1'")
	maria := newMariaDB(t)
	maria.numbers(1)
	maria.exec("CREATE FUNCTION writes() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM n; RETURN 1; END")
	for e, texts := range map[*engine][]string{pg: {"SELECT writes()", "SELECT nextval('s')"}, maria: {"SELECT writes()"}} {
		for _, text := range texts {
			_, err := e.read(t.Context(), sqlsource.Request{Query: text})
			require.Equal(t, fault.SourceQuery, fault.CodeOf(err), "%v", err)
			require.Contains(t, strings.ToLower(fault.From(err).Message), "read")
		}
		require.Equal(t, upTo(1, 1), e.mustRead(sqlsource.Request{Query: "SELECT id FROM n"}).ids(t))
	}
}

func TestLoginIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "not-the-password-of-anybody"
	pg, maria := newPostgreSQL(t).target, newMariaDB(t).target
	pg.Username, maria.Password = "nobody_"+strings.Repeat("x", 5), crypto.NewSecret(secret)
	for _, target := range []sqlsource.Target{pg, maria} {
		err := databases().Ping(t.Context(), target)
		require.Equal(t, fault.SourceUnauthorized, fault.CodeOf(err), "%v", err)
		require.NotContains(t, err.Error(), secret)
		_, err = readFrom(t.Context(), target, sqlsource.Request{Query: "SELECT 1 AS one"})
		require.Equal(t, fault.SourceUnauthorized, fault.CodeOf(err), "%v", err)
	}
}

func TestTLSThatTheServerLacks(t *testing.T) {
	t.Parallel()
	target := newPostgreSQL(t).target
	for _, mode := range []string{sqlsource.TLSVerify, sqlsource.TLSRequire} {
		target.TLS = mode
		err := databases().Ping(t.Context(), target)
		require.Equal(t, fault.EgressTLS, fault.CodeOf(err), "%v", err)
	}
}

func TestDialersFaultsArePassedOn(t *testing.T) {
	t.Parallel()
	for _, dialect := range []query.Dialect{query.PostgreSQL, query.MySQL, query.SQLServer} {
		asked := ""
		d := &sqlsource.Databases{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			asked = address
			return nil, fault.New(fault.EgressRefused, "the host may not be called")
		}}
		err := d.Ping(t.Context(), sqlsource.Target{Dialect: dialect, Host: "db.example.com:1234", Database: "d", Username: "u", Password: crypto.NewSecret("hidden-word"), TLS: sqlsource.TLSVerify})
		require.Equal(t, fault.EgressRefused, fault.CodeOf(err), "%s: %v", dialect, err)
		require.Equal(t, "db.example.com:1234", asked, "the name is resolved by the dialer")
		require.NotContains(t, err.Error(), "hidden-word")
	}
}

// proxy passes connections on until it is cut.
type proxy struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l}
	t.Cleanup(func() { l.Close(); p.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(out, in) }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
	return p
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func TestConnectionCutInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, make := range []func(testing.TB) *engine{newPostgreSQL, newMariaDB} {
		e := make(t)
		e.numbers(20_000)
		p := newProxy(t, e.target.Host)
		target := e.target
		target.Host = p.listener.Addr().String()
		r, err := readFrom(t.Context(), target, sqlsource.Request{Query: "SELECT a.id, b.label FROM n a CROSS JOIN n b"}, func(n int) error {
			if n == 50 {
				p.cut()
			}
			return nil
		})
		require.Equal(t, fault.SourceRead, fault.CodeOf(err), "%s: %v", e.target.Dialect, err)
		require.Equal(t, fault.Later, fault.RetryOf(err))
		require.NotEmpty(t, r.records())
		_, err = readFrom(t.Context(), target, sqlsource.Request{Query: "SELECT id FROM n"})
		require.NoError(t, err, "it works again by itself")
	}
}

// running counts the statements that the server is at and that bear the mark.
func (e *engine) running(mark string) (n int) {
	e.t.Helper()
	text := "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%" + mark + "%' AND pid <> pg_backend_pid()"
	if e.target.Dialect == query.MySQL {
		text = "SELECT COUNT(*) FROM information_schema.processlist WHERE command IN ('Query', 'Execute') AND info LIKE '%" + mark + "%' AND id <> CONNECTION_ID()"
	}
	var found sql.NullInt64
	require.NoError(e.t, e.db.QueryRowContext(e.t.Context(), text).Scan(&found))
	return int(found.Int64)
}

// TestCancelEndsTheServersStatement: a query that gives no row is not left at work.
func TestCancelEndsTheServersStatement(t *testing.T) {
	t.Parallel()
	for sleep, make := range map[string]func(testing.TB) *engine{"SELECT pg_sleep(100) AS cancel_me": newPostgreSQL, "SELECT SLEEP(100) AS cancel_me": newMariaDB} {
		e := make(t)
		if e.target.Dialect == query.MySQL {
			// Its user sees its own statements only, which is enough.
			e.db.SetMaxOpenConns(1)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		done := begin(func() error {
			_, err := e.read(ctx, sqlsource.Request{Query: sleep})
			return err
		})
		require.Eventually(t, func() bool { return e.running("cancel_me") == 1 }, 10*time.Second, 10*time.Millisecond)
		began := time.Now()
		cancel(fault.New(fault.RunCanceled, "the run was canceled"))
		err := <-done
		require.Equal(t, fault.RunCanceled, fault.CodeOf(err), "%v", err)
		require.Less(t, time.Since(began), time.Second)
		require.Eventually(t, func() bool { return e.running("cancel_me") == 0 }, time.Second, 10*time.Millisecond)
	}
}

func begin(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	for text, make := range map[string]func(testing.TB) *engine{"SELECT pg_sleep(100) AS x": newPostgreSQL, "SELECT SLEEP(100) AS x": newMariaDB,
		"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT COUNT(*) AS x FROM c": newSQLite} {
		e := make(t)
		if e.target.Dialect == query.SQLite {
			e.exec("CREATE TABLE t (a)")
		}
		_, err := e.read(t.Context(), sqlsource.Request{Query: text, Timeout: 300 * time.Millisecond})
		require.Equal(t, fault.SourceTimeout, fault.CodeOf(err), "%s: %v", e.target.Dialect, err)
		require.Equal(t, fault.Never, fault.RetryOf(err))
	}
}

// TestPartitionsShareASnapshot: rows move from one range to another and are added while they are read; every read sees one moment.
func TestPartitionsShareASnapshot(t *testing.T) {
	t.Parallel()
	e := newPostgreSQL(t)
	e.exec("CREATE TABLE m (id int PRIMARY KEY, bucket int)", "INSERT INTO m SELECT i, i % 1000 FROM generate_series(1, 20000) i")
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		// Each transaction moves rows and adds and removes one: there are 20,000 at any moment, and their sum is the same.
		for i := 20_001; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := e.db.Exec("WITH gone AS (DELETE FROM m WHERE id = $1 - 20000), moved AS (UPDATE m SET bucket = 999 - bucket WHERE id % 50 = $1 % 50 AND id <> $1 - 20000) INSERT INTO m VALUES ($1, 500)", i)
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 5 {
		r := e.mustRead(sqlsource.Request{Query: "SELECT id, bucket FROM m", PartitionBy: "bucket", Partitions: 4})
		ids := r.ids(t)
		require.Len(t, ids, 20_000)
		require.Equal(t, upTo(ids[0], ids[0]+19_999), ids, "each row once")
	}
	close(stop)
	require.NoError(t, <-done)
}
